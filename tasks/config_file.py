"""A configuration file: read, put under the options of the command line, and checked key by key."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import ConfigError, TwinlensError, suggest
from .config import OFF_BY_DEFAULT, PART_KEYS, RunConfig
from .config_errors import described


class _Twice(Exception):  # noqa: N818
    """Names a key that stands twice in one mapping."""


class _Constructible(yaml.SafeLoader):
    """YAML that says where a value has the form of a date, a number or a tag and is none, such as 2000-13-45."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


class _Loader(_Constructible):
    """YAML without the silent loss of a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for position, key in enumerate(keys) if key in keys[:position]), None)
        if twice is not None:
            raise _Twice(f"'{twice}' twice (line {node.start_mark.line + 1} and below)")
        return super().construct_mapping(node, deep)


def setting_value(setting: str, text: str) -> Any:
    """The YAML value of ``--set key=value``, or `ConfigError`."""
    try:
        return _read(text, _Constructible)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {setting}: the value is not valid YAML.", "Quote it.") from error


def load_config(path: str | Path, settings: Sequence[str] = (), **overrides: Any) -> RunConfig:
    """Read a configuration file and check it.

    Parameters
    ----------
    path : path
        A YAML file.
    settings : sequence of str
        ``"saliency.of=logit"``: a dotted key and a YAML value each, put over what the file says. A part's key is set
        in all parts, but inside a task or a training only where there is one already, unless there is none anywhere;
        ``"parts.main.saliency.of=logit"`` sets it in one part.
    **overrides
        Top-level keys put over everything, unless None: ``backend``, ``seed``, ``device``.

    Raises
    ------
    ConfigError
        Naming the key that is wrong.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise ConfigError(f"'{path}' cannot be read as text (it is no regular file).", "Name a YAML file.")
    try:
        raw: Any = _read(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no configuration file '{path}'.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' cannot be read as text.", "Name a YAML file.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"'{path}' is not valid YAML ({_where(error)}).", "Check indentation and colons.") from error
    except _Twice as error:
        raise ConfigError(f"'{path}' has the key {error}.", "Keep one of them.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"'{path}' holds no keys.", "See the files in configs/ for examples.")
    return parse_config(raw, str(path), settings, **overrides)


def parse_config(
    raw: Mapping[str, Any], source: str = "the configuration", settings: Sequence[str] = (), **overrides: Any
) -> RunConfig:
    """Check a configuration given as a mapping; see `load_config`."""
    whole = _with_parts(raw, source)
    for setting in settings:
        _put(whole, setting)
        _check_parts(whole["parts"], f"--set {setting}")
    whole |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return RunConfig.model_validate(whole)
    except ValidationError as error:
        raise ConfigError(*described(error, source, single="parts" not in raw)) from error
    except TwinlensError as error:
        raise ConfigError(f"In {source}: {error.cause}", error.cure) from error


def with_data(config: RunConfig, path: Path) -> RunConfig:
    """The configuration with a Food-11 folder in place of its pictures, or a picture beside its photographs.

    Raises
    ------
    ConfigError
        If there is nothing at the path, or a picture is given and no part explains photographs.
    """
    if not path.exists():
        raise ConfigError(f"There is nothing at '{path}'.", "Give --data a Food-11 folder or a picture.")
    parts, taken = [], False
    for part in config.parts:
        data = part.data
        if path.is_dir():
            changed: dict[str, Any] = {"source": "folder", "path": path}
        elif data.source == "photographs":
            changed = {"files": [*data.files, path]}
        else:
            changed = {"files": [path]} if data.source == "files" else {}
        taken |= bool(changed)
        parts.append(part.model_copy(update={"data": data.model_copy(update=changed)}))
    if not taken:
        raise ConfigError(
            f"No part of this configuration can take '{path}'.",
            "Give a Food-11 folder to a task on pictures; single pictures need data.source photographs or files.",
        )
    return config.model_copy(update={"parts": parts})


def _with_parts(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Give every part the keys that stand beside ``parts``."""
    shared = {key: raw[key] for key in PART_KEYS if key in raw}
    rest = {key: value for key, value in raw.items() if key not in PART_KEYS}
    parts = rest.pop("parts", [{}] if shared else [])
    _check_parts(parts, source)
    # Copies: anchors of YAML, and the keys beside ``parts``, are the same objects in several parts.
    return rest | {"parts": [copy.deepcopy(_merged(shared, part)) for part in parts]}


def _check_parts(parts: Any, source: str) -> None:
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ConfigError(f"In {source}: 'parts' is not a list of parts.", "Begin each part with '- name: ...'.")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _put(raw: dict[str, Any], setting: str) -> None:
    """Put one setting over a configuration whose parts hold all keys of theirs."""
    key, equals, text = setting.partition("=")
    path = key.split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set {setting} is not a setting.", "Write --set key=value, such as saliency.of=logit.")
    value = setting_value(setting, text)
    if path[0] not in PART_KEYS:
        _put_at(raw, path, value, setting)
        return
    raw["parts"] = raw["parts"] or [{}]
    for part in [part for part in raw["parts"] if _is_on(part, path)] or raw["parts"]:
        _put_at(part, path, value, setting)


def _is_on(part: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether a part has what a setting is inside of, so that the setting would not switch it on."""
    place: Any = part
    for depth, name in enumerate(path[:-1], 1):
        if not isinstance(place, Mapping) or name not in place:
            return not any(tuple(path[:end]) in OFF_BY_DEFAULT for end in range(depth, len(path)))
        place = place[name]
        if place is None:
            return False
    return True


def _put_at(place: Any, path: Sequence[str], value: Any, setting: str) -> None:
    for depth, name in enumerate(path, 1):
        key: Any = _position(place, name, setting) if isinstance(place, list) else name
        if depth == len(path):
            place[key] = value
            return
        if isinstance(place, dict):
            place.setdefault(key, {})
        if not isinstance(place[key], (dict, list)):
            place[key] = {}
        place = place[key]


def _position(place: list[Any], name: str, setting: str) -> int:
    """Where in a list an element is, by its number or by its own key `name`."""
    for position, element in enumerate(place):
        if name == str(position) or (isinstance(element, dict) and element.get("name") == name):
            return position
    known = [str(e["name"]) if isinstance(e, dict) and "name" in e else str(i) for i, e in enumerate(place)]
    raise ConfigError(f"--set {setting}: there is no '{name}' in the list.", suggest(name, known))


def _read(text: str, loader: type[_Constructible]) -> Any:
    try:
        return yaml.load(text, loader)
    except RecursionError as error:
        raise yaml.YAMLError("too many brackets within brackets") from error


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "unreadable"
