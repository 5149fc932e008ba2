"""The weights inside of a file that holds a whole module, found without making the module.

``torch.save(net)`` writes the module's class by name and its attributes as data. Here every class and function of such
a file becomes an `Inert`, which keeps the attributes and does nothing; a module's tree of parameters and buffers is
then read off it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Inert:
    """Stands for an object of any class, or for what any function would return; nothing of either is run."""

    attributes: Any = None

    def __new__(cls, *_: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __call__(self, *_: Any) -> Inert:
        return self

    def __setstate__(self, state: Any) -> None:
        self.attributes = state

    def __setitem__(self, key: Any, value: Any) -> None: ...

    append = extend = add = __call__


def with_state_dicts(content: Any) -> Any:
    """The content of a file with the state dict in place of each whole module that stands alone or in a dictionary."""
    if isinstance(content, Inert):
        found: dict[str, Any] = {}
        return found if _collect(content, "", found, set()) else content
    if isinstance(content, Mapping):
        return {key: with_state_dicts(value) for key, value in content.items()}
    return content


def _collect(module: Inert, prefix: str, found: dict[str, Any], above: set[int]) -> bool:
    """Add a module's weights and those of the modules in it; False if it is no module."""
    attributes = module.attributes
    if not isinstance(attributes, dict) or id(module) in above:
        return False
    parts = [attributes.get(name) for name in ("_parameters", "_buffers", "_modules")]
    parameters, buffers, modules = parts
    if not (isinstance(parameters, dict) and isinstance(buffers, dict) and isinstance(modules, dict)):
        return False
    passing = attributes.get("_non_persistent_buffers_set")
    left_out = passing if isinstance(passing, (set, frozenset)) else ()
    for name, value in [*parameters.items(), *((n, v) for n, v in buffers.items() if n not in left_out)]:
        if value is not None:
            found[f"{prefix}{name}"] = value
    return all(
        inner is None or (isinstance(inner, Inert) and _collect(inner, f"{prefix}{name}.", found, above | {id(module)}))
        for name, inner in modules.items()
    )
