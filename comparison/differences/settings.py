"""The settings of a layer in one vocabulary, torch's, whichever framework the layer comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...backends.protocol import Net

Settings = dict[str, Any]
Read = Callable[[Any], Any]


def _row(value: Any) -> Any:
    """A number, or a number an axis, as a tuple."""
    return tuple(int(number) for number in np.ravel(value))


def _padding(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else _row(value)


def _tuple_or_none(value: Any) -> Any:
    return None if value is None else tuple(float(number) for number in np.ravel(value))


def _size(value: Any) -> Any:
    if hasattr(value, "numpy"):
        value = value.numpy()
    return None if value is None else _row([-1 if number is None else number for number in np.ravel(value)])


def _mode(value: Any) -> str:
    return {"constant": "zeros", "edge": "replicate"}.get(str(value), str(value))


# A setting, the attributes that may hold it, and how each is read. No two frameworks use one attribute differently.
_ATTRIBUTES: dict[str, tuple[tuple[str, Read], ...]] = {
    "eps": (("eps", lambda eps: eps), ("_epsilon", float)),
    # Paddle's momentum is the weight of the old value, torch's that of the new one.
    "momentum": (("momentum", lambda value: value), ("_momentum", lambda value: round(1 - float(value), 12))),
    "kernel_size": (("kernel_size", _row), ("ksize", _row), ("_kernel_size", _row)),
    "stride": (("stride", lambda s: None if s is None else _row(s)), ("_stride", _row)),
    "padding": (("padding", _padding), ("_padding", _padding), ("_pad", _padding)),
    "dilation": (("dilation", _row), ("_dilation", _row)),
    "groups": (("groups", int), ("_groups", int), ("num_groups", int), ("_num_groups", int)),
    "padding_mode": (("padding_mode", _mode), ("_padding_mode", _mode), ("_mode", _mode)),
    "value": (("value", float), ("_value", float)),
    "ceil_mode": (("ceil_mode", bool),),
    "count_include_pad": (("count_include_pad", bool), ("exclusive", lambda exclusive: not exclusive)),
    "divisor": (("divisor_override", lambda divisor: divisor), ("divisor", lambda divisor: divisor)),
    "output_size": (("output_size", _size), ("_output_size", _size)),
    "approximate": (
        ("approximate", lambda how: how),
        ("_approximate", lambda how: "tanh" if how in (True, "tanh") else "none"),
    ),
    "negative_slope": (("negative_slope", float), ("_negative_slope", float)),
    "alpha": (("alpha", float), ("_alpha", float)),
    "beta": (("beta", float), ("_beta", float)),
    "dim": (("dim", lambda dim: dim), ("_axis", int)),
    "low": (("min_val", float), ("_min", float)),
    "high": (("max_val", float), ("_max", float)),
    "p": (("p", float),),
    # Only Paddle has the mode that scales in evaluation.
    "mode": (("mode", str),),
    "size": (("size", _size),),
    "scale_factor": (("scale_factor", _tuple_or_none),),
    "align_corners": (("align_corners", bool),),
    "align_mode": (("align_mode", int),),
    "act": (("_act", lambda act: act),),
    "normalized_shape": (("normalized_shape", _row), ("_normalized_shape", _row)),
}

_CONV = ("dilation", "stride", "padding", "groups", "padding_mode")
_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_OF_FAMILY: dict[str, tuple[str, ...]] = {
    "conv": _CONV,
    "linear": (),
    "batch_norm": ("eps", "momentum", "act"),
    "layer_norm": ("eps", "normalized_shape"),
    "group_norm": ("eps", "groups"),
    "instance_norm": ("eps",),
    "max_pool": (*_POOL, "dilation"),
    "avg_pool": (*_POOL, "count_include_pad", "divisor"),
    "adaptive_avg_pool": ("output_size",),
    "adaptive_max_pool": ("output_size",),
    "pad": ("padding", "padding_mode", "value"),
    "dropout": ("p", "mode"),
    "upsample": ("size", "scale_factor", "mode", "align_corners", "align_mode"),
    "gelu": ("approximate",),
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "softplus": ("beta",),
    "softmax": ("dim",),
    "log_softmax": ("dim",),
    "hardtanh": ("low", "high"),
}
_DEFAULTS: Mapping[str, Settings] = {
    "max_pool": {"dilation": (1,)},
    "avg_pool": {"divisor": None},
    "dropout": {"mode": "upscale_in_train"},
    "upsample": {"align_mode": 0, "align_corners": False},
    "batch_norm": {"act": None},
    "pad": {"value": 0.0},
}
_PAD_MODES = {"zero": "zeros", "constant": "zeros", "reflection": "reflect", "replication": "replicate"}
TRAINING = frozenset({"momentum", "p"})
"""Settings that only show in training."""


def family(kind: str) -> str:
    """What a layer computes, whatever the number of axes: ``"conv2d"`` and ``"conv1d"`` are both ``"conv"``."""
    plain = kind.rstrip("d").rstrip("123") if kind[-2:-1].isdigit() else kind
    if plain.endswith("_pad") or plain == "pad":
        return "pad"
    return {"upsampling_bilinear": "upsample", "upsampling_nearest": "upsample", "sync_batch_norm": "batch_norm"}.get(
        plain, plain
    )


def settings(layer: Net, kind: str) -> Settings:
    """Read what a layer of a known kind is set to; empty for any other kind."""
    what = family(kind)
    found: Settings = dict(_DEFAULTS.get(what, {}))
    for name in _OF_FAMILY.get(what, ()):
        for attribute, read in _ATTRIBUTES[name]:
            if hasattr(layer, attribute):
                found[name] = read(getattr(layer, attribute))
                break
    if what in _SPECIAL:
        _SPECIAL[what](layer, kind, found)
    return found


def _convolution(layer: Net, kind: str, found: Settings) -> None:
    # Paddle's layer keeps what it was given and, beside it, what it really passes on.
    passed_on = getattr(layer, "_updated_padding", None)
    if passed_on is not None and found["padding_mode"] == "zeros" and not isinstance(found["padding"], str):
        found["padding"] = _padding(passed_on)


def _batch_norm(layer: Net, kind: str, found: Settings) -> None:
    own = getattr(layer, "track_running_stats", True) is False
    own = own or (getattr(layer, "_use_global_stats", None) is False and kind != "batch_norm")
    found["statistics"] = "batch" if own else "running"


def _pool(layer: Net, kind: str, found: Settings) -> None:
    if found.get("stride") is None:
        found["stride"] = found["kernel_size"]
    # torch drops a last window that would begin in the padding.
    found["windows_in_padding"] = hasattr(layer, "ksize") or hasattr(layer, "return_mask")


def _pad(layer: Net, kind: str, found: Settings) -> None:
    if "padding_mode" not in found:
        word = kind.partition("_")[0]
        found["padding_mode"] = _PAD_MODES.get(word, word)


def _upsample(layer: Net, kind: str, found: Settings) -> None:
    if kind.startswith("upsampling"):
        found["mode"] = "bilinear" if "bilinear" in kind else "nearest"
        found["align_corners"] = found["mode"] == "bilinear"


_SPECIAL: Mapping[str, Callable[[Net, str, Settings], None]] = {
    "conv": _convolution,
    "batch_norm": _batch_norm,
    "max_pool": _pool,
    "avg_pool": _pool,
    "pad": _pad,
    "upsample": _upsample,
}
