"""Say in one line what is wrong with a configuration, in the file's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from ..errors import suggest
from .config import PART_KEYS, Part, RunConfig

_KINDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "path_type": "a path",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "too_short": "a list that is not empty",
    "string_pattern_mismatch": "letters, digits, '_' and '-' only",
}


def described(error: ValidationError, source: str, single: bool) -> tuple[str, str]:
    """Cause and cure, in words that name the key as the file has it."""
    found = [(_key(one["loc"], single), one) for one in error.errors(include_url=False)]
    # Where several kinds are allowed, each complains; what came furthest was meant.
    first = found[0][0]
    key = max((key for key, _ in found if key[: len(first)] == first), key=len)
    alike = [one for other, one in found if other == key]
    dotted = ".".join(key)
    if alike[0]["type"] == "extra_forbidden":
        return f"In {source}: the key '{dotted}' is not known.", suggest(key[-1], _keys_at(key[:-1]))
    if alike[0]["type"] == "invalid_key":
        return f"In {source}: the key '{dotted}' is not a text.", "Put it in quotes, or correct it."
    wanted = dict.fromkeys(
        _KINDS.get(one["type"], one["msg"].removeprefix("Input should be ").rstrip(".")) for one in alike
    )
    value = repr(alike[0]["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    return f"In {source}: '{dotted}' is {shown}.", f"It should be {', or '.join(wanted)}."


def _key(location: Sequence[int | str], single: bool) -> tuple[str, ...]:
    """The key of an error, less what pydantic adds for kinds, and less the only part where the file has no parts."""
    pieces = location[2:] if single and location[0] == "parts" else location
    return tuple(str(p) for p in pieces if not re.fullmatch(r"(constrained-)?int|\w+\[.*\]", str(p)))


def _keys_at(path: Sequence[str]) -> list[str]:
    """The keys that exist where an unknown one was found."""
    place: type[BaseModel] = Part if path and path[0] in PART_KEYS else RunConfig
    for name in path:
        if name == "parts":
            place = Part
        elif name in place.model_fields:
            annotation = place.model_fields[name].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            place = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), place)
    return [*place.model_fields, *(PART_KEYS if place is RunConfig else ())]
