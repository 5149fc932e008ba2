"""Names of the classes of a network, as a user gives them: in a file, or one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_HOW = "Write 'mask,no mask', or name a file with one name a line or a JSON list."


def read_class_names(text: str) -> list[str]:
    """Read class names from a file, or from a list in words.

    Parameters
    ----------
    text : str
        The path of a text file with one name a line, of a JSON file with a list or ``{"0": "mask", "1": "no mask"}``;
        or the names themselves with commas between them.

    Returns
    -------
    list of str
        In the order of the network's outputs.

    Raises
    ------
    ConfigError
        If there is no such file, it cannot be read, or two names are the same.
    """
    path = Path(text).expanduser()
    if _is_file(path):
        try:
            content = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The class names in '{text}' cannot be read ({error}).", "Save it as UTF-8.") from error
        return checked_names(_from_json(content, text) if path.suffix.lower() == ".json" else _lines(content), text)
    if "," not in text:
        raise ConfigError(f"'{text}' is neither a file of class names nor a list of them.", _HOW)
    return checked_names([name.strip() for name in text.split(",")], text)


def checked_names(names: Any, source: str) -> list[str]:
    """The names of two classes or more, all of them different.

    Parameters
    ----------
    names : object
        What the user gave for them.
    source : str
        Where it comes from, for the errors.

    Raises
    ------
    ConfigError
        If they are anything else.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"The class names in '{source}' are no list of texts.", _HOW)
    if len(names) < 2:
        raise ConfigError(f"There is only one class name in '{source}'.", "Name every class, of two the first one too.")
    if not all(name.strip() for name in names):
        raise ConfigError(f"A class name in '{source}' is empty.", _HOW)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ConfigError(f"Two classes in '{source}' are called '{twice}'.", "Give each a name of its own.")
    return list(names)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # many names make a text that is too long for a path
        return False


def _lines(content: str) -> list[str]:
    return [line.strip() for line in content.strip().splitlines()]


def _from_json(content: str, source: str) -> Any:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"'{source}' is not valid JSON ({error}).", _HOW) from error
    if not isinstance(found, Mapping):
        return found
    numbers = [str(number) for number in range(len(found))]
    if set(found) != set(numbers):
        raise ConfigError(f"'{source}' does not number its class names from 0 on.", 'Write {"0": "mask", "1": ...}.')
    return [found[number] for number in numbers]
