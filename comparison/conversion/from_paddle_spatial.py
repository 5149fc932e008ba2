"""Paddle's normalisation, resizing, dropout and padding as functions: in torch's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import torch_functions as own
from .from_paddle_entries import LAST, Unsupported, as_list, either_format, single, wants_call
from .torch_lazily import F

Entry = Callable[..., Any]


# -- normalisation ---------------------------------------------------------------------------------------------


@wants_call
def _batch_norm(
    info: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any,
    bias: Any,
    is_test: bool,
    momentum: float,
    epsilon: float,
    data_format: str,
    use_global: Any,
    trainable: bool,
) -> tuple[Any]:
    stored = use_global or (is_test and not trainable)

    def normalise(info: Any, x: Any) -> Any:
        statistics = (mean, variance) if stored else (None, None)
        return F.batch_norm(x, *statistics, weight, bias, training=not stored, eps=single(epsilon))

    return (either_format(normalise)(info, x, data_format=data_format),)


@wants_call
def _layer_norm(info: Any, x: Any, weight: Any, bias: Any, epsilon: float, begin: int = 1) -> Any:
    shape = tuple(int(length) for length in info.x.shape[begin:])
    scale, shift = (None if t is None else t.reshape(shape) for t in (weight, bias))
    normalised = F.layer_norm(x, shape, scale, shift, single(epsilon))
    return (normalised, None, None) if isinstance(info.result, (tuple, list)) else normalised


@wants_call
def _group_norm(info: Any, x: Any, weight: Any, bias: Any, epsilon: float, groups: int, data_format: str) -> Any:
    def normalise(info: Any, x: Any) -> Any:
        return F.group_norm(x, groups, weight, bias, epsilon)

    out = either_format(normalise)(info, x, data_format=data_format)
    return (out, None, None) if isinstance(info.result, (tuple, list)) else out


@wants_call
def _instance_norm(info: Any, x: Any, weight: Any = None, bias: Any = None, epsilon: float = 1e-5) -> Any:
    out = F.instance_norm(x, weight=weight, bias=bias, eps=single(epsilon))
    return (out, None, None) if isinstance(info.result, (tuple, list)) else out


@wants_call
def _normalize(info: Any, x: Any, p: float = 2, axis: int = 1, epsilon: float = 1e-12) -> Any:
    return F.normalize(x, p, 0 if info.x.ndim == 1 else axis, epsilon)


# -- resizing and the rest -------------------------------------------------------------------------------------


@wants_call
def _interpolate(
    info: Any,
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
    align_mode: int = 0,
    data_format: str | None = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Any:
    mode = mode.lower()
    linear = mode in ("linear", "bilinear", "trilinear", "bicubic")
    if linear and align_mode == 1 and not align_corners:
        raise Unsupported("align_mode=1")
    if antialias or data_format in LAST or (mode == "nearest" and align_corners):
        raise Unsupported("antialias, channels last or nearest corners")
    if hasattr(scale_factor, "node"):
        raise Unsupported("a scale_factor that is a tensor")
    align = bool(align_corners) if linear else None
    if isinstance(size, (list, tuple)):
        size = tuple(size)
    factor = tuple(map(float, scale_factor)) if isinstance(scale_factor, (list, tuple)) else scale_factor
    if linear and not align and 1 in info.result.shape[2:]:
        if size is None or mode == "bicubic":
            raise Unsupported("an output of a single row or column")
        return own.interpolated(x, size, mode)
    again = True if recompute_scale_factor and size is None else None
    factor = None if size is not None else factor
    return F.interpolate(x, size, factor, mode, align, recompute_scale_factor=again)


@wants_call
def _dropout(
    info: Any,
    x: Any,
    p: float = 0.5,
    axis: Any = None,
    training: Any = True,
    mode: str = "upscale_in_train",
    inplace: bool = False,
) -> Any:
    # Recorded in evaluation mode: False is taken for `self.training`.
    active = True if training else info.frame.attribute("training")
    if mode == "upscale_in_train" and axis is None:
        return F.dropout(x, p, active)
    axes = None if axis is None else tuple(as_list(axis, 1))
    return own.dropout(x, p, active, mode != "upscale_in_train", axes)


def _dropout_nd(axes: int) -> Entry:
    @wants_call
    def call(info: Any, x: Any, p: float = 0.5, training: Any = True, data_format: str = "NCHW") -> Any:
        if data_format in LAST:
            raise Unsupported("channels last")
        active = True if training else info.frame.attribute("training")
        return getattr(F, f"dropout{axes}d")(x, p, active)

    return call


@wants_call
def _alpha_dropout(info: Any, x: Any, p: float = 0.5, training: Any = True) -> Any:
    return F.alpha_dropout(x, p, True if training else info.frame.attribute("training"))


@wants_call
def _embedding(info: Any, x: Any, weight: Any, *settings: Any) -> Any:
    # The number itself, not a formula: Paddle counts a negative one from the table's end, and has -1 for none here.
    padding_idx = int(info.args[2])
    return F.embedding(x, weight) if padding_idx == -1 else own.embedding(x, weight, padding_idx)


@wants_call
def _pad3d(info: Any, x: Any, amounts: Any, mode: str, value: float, data_format: str) -> Any:
    def pad(info: Any, x: Any) -> Any:
        return F.pad(x, tuple(amounts), mode, value) if mode == "constant" else F.pad(x, tuple(amounts), mode)

    return either_format(pad)(info, x, data_format=data_format)


def _pad(x: Any, amounts: Any, value: float) -> Any:
    """Amounts before and after, for the first axis first."""
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    return F.pad(x, tuple(amount for pair in reversed(pairs) for amount in pair), value=value)


def _shuffled(name: str) -> Entry:
    @wants_call
    def call(info: Any, x: Any, factor: int, data_format: str = "NCHW") -> Any:
        return either_format(lambda info, x: getattr(F, name)(x, factor))(info, x, data_format=data_format)

    return call


def _unfold(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    amounts = list(padding)
    if len(amounts) == 4:  # top, left, bottom, right
        x, amounts = F.pad(x, (amounts[1], amounts[3], amounts[0], amounts[2])), [0, 0]
    return F.unfold(x, tuple(kernel), tuple(dilation), tuple(amounts), tuple(stride))


SPATIAL: dict[str, Entry] = {
    "F.linear": lambda x, weight, bias=None: F.linear(x, weight.t(), bias),
    "linear": lambda x, weight, bias=None: F.linear(x, weight.t(), bias),
    "bilinear": lambda x, y, weight, bias=None: F.bilinear(x, y, weight, None if bias is None else bias.reshape(-1)),
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "F.normalize": _normalize,
    "F.interpolate": _interpolate,
    "F.dropout": _dropout,
    "F.dropout2d": _dropout_nd(2),
    "F.dropout3d": _dropout_nd(3),
    "F.alpha_dropout": _alpha_dropout,
    "embedding": _embedding,
    "pad": _pad,
    "pad3d": _pad3d,
    "pixel_shuffle": _shuffled("pixel_shuffle"),
    "pixel_unshuffle": _shuffled("pixel_unshuffle"),
    "channel_shuffle": _shuffled("channel_shuffle"),
    "unfold": _unfold,
    "fold": lambda x, size, kernel, stride, padding, dilation: F.fold(
        x, tuple(size), tuple(kernel), tuple(dilation), tuple(padding[:2]), tuple(stride)
    ),
    "grid_sample": lambda x, grid, mode="bilinear", padding_mode="zeros", align_corners=True: F.grid_sample(
        x, grid, mode, padding_mode, align_corners
    ),
}
