"""Where the answers of an assignment lie, ``answers.py`` or a package ``answers/``, and how they are imported."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..backends.failures import in_one_line
from ..errors import ConfigError

_FILE, _FOLDER = "answers.py", "answers"


def answer_files(folder: Path) -> list[Path]:
    """All files of an assignment's answers, the one to be imported first.

    Parameters
    ----------
    folder : Path
        Of the assignment.

    Raises
    ------
    ConfigError
        If there are none, or both a file and a package.
    """
    file, package = folder / _FILE, folder / _FOLDER / "__init__.py"
    if file.is_file() and package.is_file():
        raise ConfigError(f"The assignment '{folder}' has both {_FILE} and {_FOLDER}/.", "Keep one of the two.")
    if package.is_file():
        return [package, *(path for path in sorted(package.parent.rglob("*.py")) if path != package)]
    if file.is_file():
        return [file]
    raise ConfigError(
        f"The assignment '{folder}' has no {_FILE}.",
        f"Write it as the shipped ones have it, or a folder {_FOLDER} with an __init__.py.",
    )


def import_answers(folder: Path, id: str) -> ModuleType:
    """Import the answers of an assignment, as they are now.

    Parameters
    ----------
    folder : Path
    id : str
        Of the assignment.

    Raises
    ------
    ConfigError
        If they cannot be imported.
    """
    first = answer_files(folder)[0]
    # The folder makes the name: two assignments, or a changed copy of one, do not get each other's modules.
    name = f"twinlens_answers_{id}_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    for known in [known for known in sys.modules if known.partition(".")[0] == name]:
        del sys.modules[known]
    places = [str(first.parent)] if first.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, first, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ConfigError(f"'{first}' is no Python file.", "Write it as the shipped assignments have it.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(
            f"The answers of '{id}' cannot be imported ({in_one_line(error)}).",
            f"Correct {_FILE}." if places is None else f"Correct the files of {_FOLDER}/.",
        ) from error
    return module
