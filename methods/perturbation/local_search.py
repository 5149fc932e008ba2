"""Where a network can be cut so that windows run on crops: found by a run with NaN, and checked by runs both ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TypeVar

import numpy as np

from ...backends.layer_table import LayerInfo
from ...backends.model import Model
from ...backends.protocol import Backend, OperationRule, Tensor
from ..explanation import Array
from .local import Box, Cut, Local, Span, slices

_T = TypeVar("_T")

# Finding the layer and checking it takes as long as some of the runs that become faster.
_WORTH_PREPARING = 64
# Of the network's work; less is not worth the copying.
_LEAST_SAVING = 0.1
_ATTEMPTS = 4
# A map of fewer cells per side has no surroundings.
_FEWEST_CELLS = 8
# What a number costs that is written, in multiplications.
_WRITING = 10
# Of the largest number, in units of rounding: what runs on crops and on whole pictures may differ by.
_ROUNDING = 200


def localised(model: Model, x: Array, windows: Sequence[Sequence[Box]]) -> Local | None:
    """A way to run windows of pictures on crops, where there is one and it is worth its preparation.

    Parameters
    ----------
    model : Model
    x : ndarray (N, C, H, W)
    windows : sequence of sequence of Box
        For each sample.
    """
    every = [(sample, box) for sample, boxes in enumerate(windows) for box in boxes]
    if x.ndim != 4 or len(every) < _WORTH_PREPARING:
        return None
    # The first, the middle and the last: at the border and away from it.
    examples = [every[0], every[len(every) // 2], every[-1]]
    with model.backend.frozen(model.net), model.backend.no_grad():
        cuts = _unless_refused(lambda: _cuts(model, x[:1], [box for _, box in every])) or []
        for local in (Local(model, x, cut) for cut in cuts[:_ATTEMPTS]):
            if _unless_refused(lambda local=local: _same(model, x, local, examples)):  # type: ignore[misc]
                return local
    return None


def _unless_refused(attempt: Callable[[], _T]) -> _T | None:
    try:
        return attempt()
    except Exception:  # a user's network may refuse NaN and small pictures in any way it likes
        return None


def _cuts(model: Model, x: Array, boxes: Sequence[Box]) -> list[Cut]:
    """Where the network might be cut, best first."""
    size = (x.shape[2], x.shape[3])
    layers = model.layers(x.shape[1:])
    work = _work_until(layers)
    steps = {layer.name: step for layer in layers if (step := _step(layer, size)) is not None}
    # A multiple of every step, so that the same of every map is touched wherever it lies.
    block = (math.lcm(*(down for down, _ in steps.values())), math.lcm(*(across for _, across in steps.values())))
    starts = tuple(n // side // 2 * side for n, side in zip(size, block, strict=True))
    probe = x.copy()
    # What depends on NaN is NaN, whatever the values and weights are.
    probe[:, :, starts[0] : starts[0] + block[0], starts[1] : starts[1] + block[1]] = np.nan
    with model.backend.intercept(_keeping_nan(model.backend)):
        reached = model.activations(model.tensor(probe), list(steps))[1]
    found: dict[tuple[object, ...], tuple[float, Cut]] = {}
    for (name, step), activation in zip(steps.items(), reached, strict=True):
        touched = np.isnan(model.backend.numpy(activation)).max(axis=(0, 1))
        reach = [
            _reach(np.max(touched, axis=1 - axis), starts[axis] // step[axis], block[axis] // step[axis])
            for axis in (0, 1)
        ]
        if reach[0] is None or reach[1] is None:
            continue
        cells = (size[0] // step[0], size[1] // step[1])
        crop = (_crop(boxes, 0, step, cells, reach[0]), _crop(boxes, 1, step, cells, reach[1]))
        saving = work[name] * (1 - math.prod(crop) / math.prod(cells))
        # Of layers that reach equally far the last and outermost: inside of a block a way leads around each layer.
        known = found.get((step, *reach), (_LEAST_SAVING, None))
        if saving > known[0]:
            found[step, *reach] = saving, Cut(name, step, cells, (reach[0], reach[1]), crop)
    return [cut for _, cut in sorted(found.values(), key=itemgetter(0), reverse=True)]


def _keeping_nan(backend: Backend) -> dict[str, OperationRule]:
    """The operations that a framework may take NaN away with."""

    def pool(call: Callable[..., Tensor], x: Tensor) -> Tensor:
        marks = backend.numpy(
            call(backend.asarray(np.isnan(backend.numpy(x)), backend.dtype(x), backend.tensor_device(x)))
        )
        return call(x) + backend.asarray(np.where(marks > 0, np.nan, 0), backend.dtype(x), backend.tensor_device(x))

    return {"relu": lambda call, x: call(x) + x * 0, "max_pool2d": pool}


def _step(layer: LayerInfo, size: Span) -> Span | None:
    """Pixels per cell of a layer's map; None where it is not a map of the picture."""
    if not layer.name or layer.calls != 1 or layer.output_shape is None or len(layer.output_shape) != 3:
        return None
    _, high, wide = layer.output_shape
    if min(high, wide) < _FEWEST_CELLS or size[0] % high or size[1] % wide:
        return None
    return size[0] // high, size[1] // wide


def _reach(touched: Array, first: int, count: int) -> Span | None:
    """How many cells before and after `count` ones are touched; None if it ends nowhere, or nothing arrives."""
    places = np.flatnonzero(touched)
    if len(places) == 0 or places[0] == 0 or places[-1] == len(touched) - 1:
        return None
    return max(0, first - int(places[0])), max(0, int(places[-1]) + 1 - first - count)


def _crop(boxes: Sequence[Box], axis: int, step: Span, cells: Span, reach: Span) -> int:
    """Cells along one axis that are enough for every window, for what it reaches and for what that depends on."""
    widest = max(-(-last // step[axis]) - first // step[axis] for first, last in (box[1 + axis] for box in boxes))
    return min(cells[axis], widest + 2 * sum(reach))


def _work_until(layers: Sequence[LayerInfo]) -> dict[str, float]:
    """The share of the network's work that is done when a layer has run, if layers run as they are defined."""

    def own(layer: LayerInfo) -> int:
        shape = layer.output_shape
        within = [other for other in layers if other.name.startswith(f"{layer.name}.") or not layer.name]
        if shape is None or len(within) > (not layer.name):
            return 0
        return layer.calls * (layer.parameters * math.prod(shape[1:]) + _WRITING * math.prod(shape))

    done = np.cumsum([own(layer) for layer in layers])
    last = {layer.name: i for i, layer in enumerate(layers)}
    for i, layer in enumerate(layers):
        for parent in _parents(layer.name):
            last[parent] = i
    return {name: float(done[i] / done[-1]) for name, i in last.items()}


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _same(model: Model, x: Array, local: Local, examples: Sequence[tuple[int, Box]]) -> bool:
    """Whether crops give what whole pictures give, for windows of noise."""
    rng = np.random.default_rng(0)
    pictures, crops = [], []
    with local.running():
        for sample, box in examples:
            picture = x[sample].copy()
            picture[slices(box)] += rng.standard_normal(picture[slices(box)].shape).astype(x.dtype)
            pictures.append(picture)
            crops.append(picture[slices(local.frame(sample, box))])
        found = model.activations(model.tensor(np.stack(crops)), [local.cut.layer])
    expected = model.activations(model.tensor(np.stack(pictures)), [local.cut.layer])
    return all(
        _close(model.backend.numpy(a), model.backend.numpy(b))
        for a, b in ((found[0], expected[0]), (found[1][0], expected[1][0]))
    )


def _close(found: Array, expected: Array) -> bool:
    if found.shape != expected.shape:
        return False
    allowed = _ROUNDING * np.finfo(expected.dtype).eps * np.abs(expected).max()
    return bool(np.abs(found - expected).max() <= allowed)
