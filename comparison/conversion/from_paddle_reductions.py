"""Paddle's reductions, sorting and matrix products: in torch's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .from_paddle_entries import Unsupported, torch_dtype, wants_call
from .torch_lazily import torch

Entry = Callable[..., Any]


def _axes(axis: Any) -> tuple[int, ...] | None:
    """Axes as a tuple; None for all of them."""
    if axis is None or isinstance(axis, int):
        return None if axis is None else (axis,)
    return tuple(axis) or None


def _reduction(name: str) -> Entry:
    def reduce(x: Any, axis: Any = None, keepdim: bool = False) -> Any:
        axes = _axes(axis)
        if axes is None and not keepdim:
            return getattr(torch, name)(x)
        return getattr(torch, name)(x, dim=axes or tuple(range(-x.dim(), 0)), keepdim=keepdim)

    return reduce


@wants_call
def _all_axes(call: Any, x: Any, axis: Any, keepdim: bool, name: str, **settings: Any) -> Any:
    axes = _axes(axis) or tuple(range(call.x.ndim))
    return getattr(torch, name)(x, dim=axes, keepdim=keepdim, **settings)


def _over(name: str) -> Entry:
    """A reduction that torch wants its axes for, even all of them."""

    @wants_call
    def reduce(call: Any, x: Any, axis: Any = None, keepdim: bool = False, reduce_all: bool = False) -> Any:
        return _all_axes(call, x, None if reduce_all else axis, keepdim, name)

    return reduce


@wants_call
def _sum(call: Any, x: Any, axis: Any = None, dtype: Any = None, keepdim: bool = False) -> Any:
    total = _all_axes(call, x, axis, keepdim, "sum")
    return total if call.result.dtype == call.x.dtype else total.to(torch_dtype(call.result))


@wants_call
def _prod(call: Any, x: Any, axis: Any = None, keepdim: bool = False, reduce_all: bool = False) -> Any:
    axes = None if reduce_all else _axes(axis)
    if axes is None:
        if keepdim:
            raise Unsupported("keepdim and all axes")
        return torch.prod(x)
    for each in sorted((a % call.x.ndim for a in axes), reverse=True):
        x = torch.prod(x, dim=each, keepdim=keepdim)
    return x


@wants_call
def _variance(
    call: Any, x: Any, axis: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1
) -> Any:
    correction = correction if unbiased is None else int(unbiased)
    return _all_axes(call, x, axis, keepdim, "var", correction=correction)


@wants_call
def _norm(
    call: Any, x: Any, p: float, axis: Any, epsilon: float = 0.0, keepdim: bool = False, flat: bool = False
) -> Any:
    axes = None if flat else axis if axis is None else _axes(axis)
    return torch.linalg.vector_norm(x, p, dim=axes, keepdim=keepdim)


def _index_of(name: str) -> Entry:
    def find(x: Any, axis: Any = None, keepdim: bool = False, flatten: Any = False, dtype: Any = None) -> Any:
        return getattr(torch, name)(x, dim=None if flatten is True else axis, keepdim=keepdim)

    return find


def _cumulative(name: str) -> Entry:
    def accumulate(
        x: Any, axis: Any = None, flatten: bool = False, exclusive: bool = False, reverse: Any = False
    ) -> Any:
        if exclusive or reverse is True:
            raise Unsupported("exclusive or reverse sums")
        return getattr(torch, name)(x.reshape(-1) if flatten else x, dim=0 if flatten else axis)

    return accumulate


REDUCTIONS: dict[str, Entry] = {
    "sum": _sum,
    "mean": _over("mean"),
    "mean_all": lambda x: torch.mean(x),
    "max": _over("amax"),
    "amax": _over("amax"),
    "min": _over("amin"),
    "amin": _over("amin"),
    "logsumexp": _over("logsumexp"),
    "all": _reduction("all"),
    "any": _reduction("any"),
    "prod": _prod,
    "paddle.var": _variance,
    "p_norm": _norm,
    "frobenius_norm": lambda x, axis, keepdim=False, reduce_all=False: torch.linalg.vector_norm(
        x, dim=None if reduce_all else _axes(axis), keepdim=keepdim
    ),
    "argmax": _index_of("argmax"),
    "argmin": _index_of("argmin"),
    "cumsum": _cumulative("cumsum"),
    "cumprod": lambda x, axis, *others: torch.cumprod(x, dim=axis),
    "topk": lambda x, k, axis=-1, largest=True, sorted=True: torch.topk(x, k, axis, largest, sorted),
    "argsort": lambda x, axis=-1, descending=False, stable=False: torch.sort(
        x, dim=axis, descending=descending, stable=True
    ),
    "matmul": lambda x, y, transpose_x=False, transpose_y=False: torch.matmul(
        x.mT if transpose_x else x, y.mT if transpose_y else y
    ),
    "addmm": lambda input, x, y, beta=1.0, alpha=1.0: torch.addmm(input, x, y, beta=beta, alpha=alpha),
    "einsum": lambda operands, equation: (torch.einsum(equation, *operands),),
}
