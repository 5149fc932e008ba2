"""What layers that hold the same weights may do differently with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Net
from .pairing import Pairing
from .structure import kind

_MISSING = object()


def setting_differences(first: Model, second: Model, pairing: Pairing) -> list[str]:
    """Say in which settings layers that correspond differ: those that were paired, and others of equal names."""
    names = {a.name: b.name for a, b in pairing}
    taken = {*names, *names.values()}
    theirs = second.backend.modules(second.net)
    names |= {name: name for name in first.backend.modules(first.net) if name in theirs and name not in taken}
    return [
        f"{title(a)} has {key} {mine}, {title(b)} has {other}"
        for a, b in names.items()
        for key, mine, other in differing_settings(first, second, a, b)
    ]


def differing_settings(first: Model, second: Model, a: str, b: str) -> list[tuple[str, Any, Any]]:
    """The settings in which a layer of each network differ, with both values; none where they are of other kinds."""
    kinds = kind(first, a), kind(second, b)
    if kinds[0] != kinds[1]:
        return []
    mine, theirs = (settings(model.layer(name), kinds[0]) for model, name in ((first, a), (second, b)))
    return [(key, mine[key], theirs[key]) for key in mine if key in theirs and mine[key] != theirs[key]]


def settings(layer: Net, kind: str) -> dict[str, Any]:
    """A layer's settings by name, in one spelling for both frameworks; empty for kinds without any."""
    found = {key: read(layer) for key, read in _SETTINGS.get(kind, {}).items()}
    return {key: value for key, value in found.items() if value is not _MISSING}


def title(name: str) -> str:
    """How a layer is called in a sentence."""
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


def _row_replaced(layer: Net) -> int | None:
    """The row in place of which an embedding gives zeros, which only Paddle's does."""
    row = getattr(layer, "_padding_idx", None)
    if row is None:
        return None
    row %= layer.weight.shape[0]
    return row if np.any(layer.weight[row].numpy()) else None


_KERNEL = _read(_numbers, "kernel_size", "_kernel_size")
_DILATION = _read(_numbers, "dilation", "_dilation")
_CONVOLUTION: dict[str, Read] = {
    "stride": _read(_numbers, "stride", "_stride"),
    "padding": _padding,
    "padding mode": _read(str, "padding_mode", "_padding_mode"),
    "dilation": _DILATION,
    "groups": _read(int, "groups", "_groups"),
}
_TRANSPOSED = {**_CONVOLUTION, "output padding": _read(_numbers, "output_padding")}
_RECURRENT: dict[str, Read] = {
    # Both frameworks call a plain network "RNN_TANH" or "RNN_RELU".
    "nonlinearity": _read(lambda mode: str(mode).partition("_")[2].lower(), "mode"),
    "time axis": lambda layer: int(getattr(layer, "batch_first", not getattr(layer, "time_major", False))),
}
_NORM: dict[str, Read] = {"epsilon": _read(_single, "eps", "_epsilon")}
_SETTINGS: dict[str, dict[str, Read]] = {
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), _CONVOLUTION),
    **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), _TRANSPOSED),
    **dict.fromkeys(("batch_norm", "layer_norm", *(f"instance_norm{n}d" for n in (1, 2, 3))), _NORM),
    **dict.fromkeys(("rnn", "lstm", "gru"), _RECURRENT),
    "multihead_attention": {"number of heads": _read(int, "num_heads")},
    "transformer_encoder_layer": {"norm first": _read(bool, "norm_first", "normalize_before")},
    "embedding": {"row replaced by zeros": _row_replaced},
    "local_response_norm": {
        "size": _read(int, "size"),
        **{name: _read(float, name) for name in ("alpha", "beta", "k")},
    },
    "upsample": {"mode": _read(lambda mode: str(mode).lower(), "mode"), "align_corners": _read(bool, "align_corners")},
    "group_norm": {**_NORM, "number of groups": _read(int, "num_groups", "_num_groups")},
}
