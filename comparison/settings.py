"""What layers that hold the same weights may do differently with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Net
from .pairing import Pairing

_MISSING = object()


def setting_differences(first: Model, second: Model, pairing: Pairing) -> list[str]:
    """Say in which settings layers that correspond differ."""
    layers = first.backend.modules(first.net), second.backend.modules(second.net)
    found = []
    for a, b in pairing:
        mine, theirs = (settings(side.get(part.name), a.kind) for side, part in zip(layers, (a, b), strict=True))
        found += [
            f"{_title(a.name)} has {key} {mine[key]}, {_title(b.name)} has {theirs[key]}"
            for key in mine
            if key in theirs and mine[key] != theirs[key]
        ]
    return found


def settings(layer: Net, kind: str) -> dict[str, Any]:
    """A layer's settings by name, in one spelling for both frameworks; empty for kinds without any."""
    found = {key: read(layer) for key, read in _SETTINGS.get(kind, {}).items()}
    return {key: value for key, value in found.items() if value is not _MISSING}


def _title(name: str) -> str:
    return f"'{name}'" if name else "the network itself"


Read = Callable[[Net], Any]


def _read(convert: Callable[[Any], Any], *names: str) -> Read:
    def read(layer: Net) -> Any:
        values = (getattr(layer, name, _MISSING) for name in names)
        return next((convert(value) for value in values if value is not _MISSING), _MISSING)

    return read


def _numbers(value: Any) -> Any:
    """A number an axis, shortened to one number where all are equal."""
    row = tuple(int(number) for number in np.ravel(value))
    return row[0] if len(set(row)) == 1 else row


def _single(value: Any) -> float:
    # Paddle keeps it in single precision.
    return float(f"{np.float32(value):.6g}")


def _padding(layer: Net) -> Any:
    written = getattr(layer, "padding", getattr(layer, "_padding", _MISSING))
    if not isinstance(written, str):
        # Paddle calculates with this one, unless it pads by a mode of its own first.
        plain = getattr(layer, "_padding_mode", "") == "zeros"
        return _numbers(getattr(layer, "_updated_padding", written) if plain else written)
    if written.lower() == "valid":
        return 0
    sizes, steps = (np.ravel(read(layer)) for read in (_KERNEL, _DILATION))
    reach = (sizes - 1) * steps
    return "same" if (reach % 2).any() else _numbers(reach // 2)


_KERNEL = _read(_numbers, "kernel_size", "_kernel_size")
_DILATION = _read(_numbers, "dilation", "_dilation")
_CONVOLUTION: dict[str, Read] = {
    "stride": _read(_numbers, "stride", "_stride"),
    "padding": _padding,
    "padding mode": _read(str, "padding_mode", "_padding_mode"),
    "dilation": _DILATION,
    "groups": _read(int, "groups", "_groups"),
}
_NORM: dict[str, Read] = {"epsilon": _read(_single, "eps", "_epsilon")}
_SETTINGS: dict[str, dict[str, Read]] = {
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), _CONVOLUTION),
    **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), _CONVOLUTION),
    **dict.fromkeys(("batch_norm", "layer_norm", *(f"instance_norm{n}d" for n in (1, 2, 3))), _NORM),
    "group_norm": {**_NORM, "number of groups": _read(int, "num_groups", "_num_groups")},
}
