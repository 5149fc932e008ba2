"""Copies of a user's network that are whole: nothing in them may still run the original."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from ..errors import ModelError, TwinlensError
from .failures import in_one_line
from .protocol import Backend, Net


def converted(net: Net, backend: Backend, dtype: str) -> Net:
    """A deep copy of the network in another floating-point type.

    Raises
    ------
    ModelError
        If it cannot be copied, or if its copy would go on using the original's layers.
    """
    layers = backend.modules(net)
    for name, layer in layers.items():
        for attribute, value in vars(layer).items():
            if any(kept is each for kept in _kept_by_functions(value) for each in layers.values()):
                raise ModelError(
                    f"{f'Layer {name!r}' if name else 'The network'} keeps a function, '{attribute}', that uses a "
                    "layer of the network itself: in a copy it would go on with the original's.",
                    "Write it as a method, or wrap a network of this type without dtype=.",
                )
    try:
        return backend.converted(net, dtype)
    except TwinlensError:
        raise
    except Exception as error:  # what a user's network keeps in its attributes may refuse to be copied in any way
        raise ModelError(
            f"The network cannot be copied: {in_one_line(error)}.",
            "Build it in this type and wrap it without dtype=; of torch's two weight norms take the one in "
            "parametrizations.",
        ) from error


def _kept_by_functions(value: Any) -> Iterator[Any]:
    """What functions among an attribute's values keep; a method's owner is copied with it, a function's is not."""
    if isinstance(value, types.FunctionType):
        for cell in value.__closure__ or ():
            try:
                kept = cell.cell_contents
            except ValueError:  # not yet filled
                continue
            yield getattr(kept, "__self__", kept)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _kept_by_functions(each)
    elif isinstance(value, dict):
        yield from _kept_by_functions(list(value.values()))
