"""Paddle's convolutions and pools as functions: in torch's terms."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from . import torch_functions as own
from .from_paddle_entries import LAST, Unsupported, as_list, either_format, torch_dtype, wants_call
from .from_paddle_layer_settings import pools_alike
from .torch_lazily import F

Entry = Callable[..., Any]


Pairs = list[tuple[int, int]]
"""Zeros before and after, for each axis."""


def _paddings(padding: Any, axes: int, channels_last: bool = False) -> Pairs | str:
    """The padding, or ``"SAME"``, from any way that Paddle has to say it."""
    rules = importlib.import_module("paddle.nn.functional.conv")
    amounts, algorithm = rules._update_padding_nd(padding, channels_last, axes)
    return _pairs(amounts, axes, algorithm)


def _pairs(amounts: Any, axes: int, algorithm: str) -> Pairs | str:
    if algorithm == "SAME":
        return "SAME"
    if algorithm == "VALID":
        return [(0, 0)] * axes
    amounts = as_list(amounts, axes)
    both = amounts if len(amounts) == 2 * axes else [amount for amount in amounts for _ in range(2)]
    return list(zip(both[::2], both[1::2], strict=True))


def _symmetric(pairs: Pairs | str) -> list[int] | None:
    """One amount for each axis, where both ends have the same."""
    if isinstance(pairs, str) or any(before != after for before, after in pairs):
        return None
    return [before for before, _ in pairs]


# -- convolutions ----------------------------------------------------------------------------------------------


def _convolved(
    call: Any, x: Any, weight: Any, bias: Any, stride: Any, pairs: Pairs | str, dilation: Any, groups: int, layout: str
) -> Any:
    kernel = _kernel(call)
    axes = len(kernel)

    def convolve(call: Any, x: Any) -> Any:
        steps, dilations, amounts = tuple(as_list(stride, axes)), tuple(as_list(dilation, axes)), _symmetric(pairs)
        if isinstance(pairs, str):
            x, dilations = own.same_padded(x, kernel, steps), (1,) * axes  # with SAME Paddle does not dilate
        elif amounts is None:
            x = own.padded(x, pairs)
        zeros = tuple(amounts or (0,) * axes)
        return getattr(F, f"conv{axes}d")(x, weight, bias, steps, zeros, dilations, groups)

    return either_format(convolve)(call, x, data_format=layout)


def _kernel(call: Any) -> tuple[int, ...]:
    weight = call.args[1] if len(call.args) > 1 else call.kwargs["weight"]
    return tuple(int(length) for length in weight.shape[2:])


@wants_call
def _conv(
    call: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    data_format: str = "NCHW",
) -> Any:
    pairs = _paddings(padding, len(_kernel(call)), data_format in LAST)
    return _convolved(call, x, weight, bias, stride, pairs, dilation, groups, data_format)


@wants_call
def _conv_nd(
    call: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    padding_algorithm: str = "EXPLICIT",
    dilation: Any = 1,
    groups: int = 1,
    data_format: str = "NCHW",
    *settings: Any,
    **others: Any,
) -> Any:
    pairs = _pairs(padding, len(_kernel(call)), padding_algorithm)
    return _convolved(call, x, weight, bias, stride, pairs, dilation, groups, data_format)


def _conv_transpose(axes: int) -> Entry:
    def call(
        info: Any,
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        *settings: Any,
        groups: int | None = None,
        dilation: Any = None,
        output_size: Any = None,
        data_format: str = "NCHW",
    ) -> Any:
        # conv1d_transpose has groups before dilation, the others dilation before groups.
        order = ("groups", "dilation") if axes == 1 else ("dilation", "groups")
        given = dict(zip((*order, "output_size", "data_format"), settings, strict=False))
        groups, dilation = given.get("groups", groups) or 1, given.get("dilation", dilation) or 1
        output_size, data_format = given.get("output_size", output_size), given.get("data_format", data_format)
        if data_format in LAST:
            raise Unsupported("channels last")
        pairs = _paddings(padding, axes)
        if isinstance(pairs, str):
            raise Unsupported("padding 'SAME'")
        steps, dilations = tuple(as_list(stride, axes)), tuple(as_list(dilation, axes))
        if output_size is not None:
            amounts = _symmetric(pairs)
            if amounts is None:
                raise Unsupported("different paddings at both ends and an output_size")
            size = tuple(as_list(output_size, axes))
            return own.conv_transpose_to(x, weight, bias, steps, tuple(amounts), dilations, groups, size)
        common = tuple(min(pair) for pair in pairs)
        convolve = getattr(F, f"conv_transpose{axes}d")
        out = convolve(x, weight, bias, steps, common, tuple(as_list(output_padding, axes)), groups, dilations)
        return own.padded(out, [(c - before, c - after) for c, (before, after) in zip(common, pairs, strict=True)])

    return wants_call(call)


# -- pools -----------------------------------------------------------------------------------------------------


def _pool(axes: int) -> Entry:
    def call(
        info: Any,
        x: Any,
        kernel: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        exclusive: bool,
        data_format: str,
        kind: str,
        everything: bool,
        adaptive: bool,
        algorithm: str,
    ) -> Any:
        def pool(info: Any, x: Any) -> Any:
            if adaptive:
                return getattr(F, f"adaptive_{kind}_pool{axes}d")(x, tuple(as_list(kernel, axes)))
            sides, steps = tuple(as_list(kernel, axes)), tuple(as_list(stride, axes))
            pairs = _pairs(padding, axes, algorithm)
            amounts = _symmetric(pairs)
            function = getattr(F, f"{kind}_pool{axes}d")
            if not all(isinstance(side, int) for side in sides):
                if ceil_mode or amounts is None or any(amounts):
                    raise Unsupported("padding and a window computed from a shape")
                return function(x, sides, steps)
            if amounts is not None and pools_alike(list(sides), list(steps), amounts, ceil_mode):
                last = {"ceil_mode": bool(ceil_mode)}
                last |= {} if kind == "max" else {"count_include_pad": not exclusive}
                return function(x, sides, steps, tuple(amounts), **last)
            if kind == "max":
                return own.max_pool(x, sides, steps, pairs, bool(ceil_mode))
            return own.avg_pool(x, sides, steps, pairs, bool(ceil_mode), bool(exclusive))

        return either_format(pool)(info, x, data_format=data_format)

    return wants_call(call)


def _pool_with_index(axes: int) -> Entry:
    @wants_call
    def call(
        info: Any,
        x: Any,
        kernel: Any,
        stride: Any,
        padding: Any,
        everything: bool,
        adaptive: bool,
        ceil_mode: Any = False,
    ) -> Any:
        sides, steps, amounts = (tuple(as_list(value, axes)) for value in (kernel, stride, padding))
        if adaptive:
            values, places = getattr(F, f"adaptive_max_pool{axes}d")(x, sides, return_indices=True)
        elif pools_alike(list(sides), list(steps), list(amounts), ceil_mode):
            function = getattr(F, f"max_pool{axes}d")
            values, places = function(x, sides, steps, amounts, ceil_mode=bool(ceil_mode), return_indices=True)
        else:
            raise Unsupported("windows that torch does not have, and their indices")
        return values, places.to(torch_dtype(info.result[1]))

    return call


WINDOWS: dict[str, Entry] = {
    "F._conv_nd": _conv_nd,
    **{f"F.conv{axes}d": _conv for axes in (1, 2, 3)},
    **{f"F.conv{axes}d_transpose": _conv_transpose(axes) for axes in (1, 2, 3)},
    "pool2d": _pool(2),
    "pool3d": _pool(3),
    "max_pool2d_with_index": _pool_with_index(2),
    "max_pool3d_with_index": _pool_with_index(3),
}
