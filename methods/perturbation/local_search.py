"""Where a network can be cut so that windows run on crops: found by runs with NaN, and checked by runs both ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ...backends.chunks import chunks
from ...backends.layer_table import LayerInfo
from ...backends.model import Model
from ...backends.protocol import Backend, OperationRule, Tensor
from ..explanation import Array
from .local import Box, Cut, Local, Span, slices

_T = TypeVar("_T")
_Example: TypeAlias = tuple[int, Box, Array]
"""A sample, a window of it, and what stands there."""

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
# Times the largest pixel: a block of it moves a mean or a maximum over the whole picture past any threshold.
_EXTREME = 1e4
# Windows that are run both ways: one in so many and at most so many, beside the extremes of a sample that has so many.
_ONE_IN, _MOST_TRIED = 16, 12
# Whole pictures that are run at once for it.
_TOGETHER = 8


def localised(model: Model, x: Array, windows: Sequence[Sequence[Box]], hidden: Array) -> Local | None:
    """A way to run windows of pictures on crops, where there is one and it is worth its preparation.

    Parameters
    ----------
    model : Model
    x : ndarray (N, C, H, W)
    windows : sequence of sequence of Box
        For each sample.
    hidden : ndarray (N, C, H, W)
        What the windows are filled with.
    """
    every = [(sample, box) for sample, boxes in enumerate(windows) for box in boxes]
    if x.ndim != 4 or len(every) < _WORTH_PREPARING:
        return None
    examples = _examples(x, windows, hidden)
    with model.backend.frozen(model.net), model.backend.no_grad():
        cuts = _unless_refused(lambda: _cuts(model, x[:1], [box for _, box in every])) or []
        for local in (Local(model, x, cut) for cut in cuts[:_ATTEMPTS]):
            if _unless_refused(lambda local=local: _holds(model, x, local, examples)):  # type: ignore[misc]
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
    place = (..., *(slice(start, start + side) for start, side in zip(starts, block, strict=True)))
    found: dict[tuple[object, ...], tuple[float, Cut]] = {}
    for (name, step), touched in zip(steps.items(), _touched(model, x, place, list(steps)), strict=True):
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


def _touched(model: Model, x: Array, place: tuple[Any, ...], layers: list[str]) -> list[Array]:
    """The cells (H, W) of each layer's map that depend on the pixels at a place.

    What depends on NaN is NaN, whatever the values and weights are, but for what only compares: ``NaN > 0.5`` is False.
    So cells that change count as well, under NaN and under extremes that turn a comparison one way or the other.
    """

    def maps(fill: float | None) -> list[Array]:
        probe = x.copy()
        if fill is not None:
            probe[place] = fill
        return [model.backend.numpy(each) for each in model.activations(model.tensor(probe), layers)[1]]

    plain = maps(None)
    with model.backend.intercept(_keeping_nan(model.backend)):
        probed = [maps(fill) for fill in _fills(x)]
    # NaN is not within any bounds.
    return [
        np.max([~(np.abs(each - expected) <= _allowed(expected)) for each in found], axis=(0, 1, 2))
        for expected, *found in zip(plain, *probed, strict=True)
    ]


def _fills(x: Array) -> tuple[float, float, float]:
    extreme = _EXTREME * max(1.0, float(np.abs(x).max()))
    return np.nan, extreme, -extreme


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


def _examples(x: Array, windows: Sequence[Sequence[Box]], hidden: Array) -> list[_Example]:
    """Windows to try: three of noise, and of those that will be run the most extreme and a random choice."""
    every = [(sample, box) for sample, boxes in enumerate(windows) for box in boxes]
    rng = np.random.default_rng(0)

    def noisy(sample: int, box: Box) -> Array:
        pixels: Array = x[sample][slices(box)]
        return pixels + rng.standard_normal(pixels.shape).astype(x.dtype)

    # The first, the middle and the last: at the border and away from it.
    noise = [(*each, noisy(*each)) for each in (every[0], every[len(every) // 2], every[-1])]
    tried = [every[i] for i in rng.permutation(len(every))[: min(_MOST_TRIED, len(every) // _ONE_IN)]]
    for sample, boxes in enumerate(windows):
        change = hidden[sample] - x[sample]

        def brightening(box: Box, change: Array = change) -> float:
            return float(change[slices(box)].sum())

        if len(boxes) >= _ONE_IN:
            # If the network compares the picture's brightness with something, it is these that cross the threshold.
            tried += [(sample, min(boxes, key=brightening)), (sample, max(boxes, key=brightening))]
    real = [(sample, box, hidden[sample][slices(box)]) for sample, box in tried]
    # Samples come one after the other, as in the run itself.
    return noise + sorted(real, key=itemgetter(0))


def _holds(model: Model, x: Array, local: Local, examples: Sequence[_Example]) -> bool:
    return _is_sealed(model, x[:1], local.cut) and all(
        _same(model, x, local, examples[part]) for part in chunks(len(examples), _TOGETHER)
    )


def _is_sealed(model: Model, x: Array, cut: Cut) -> bool:
    """Whether a cell of the map sees its surroundings alone, and what follows the layer sees the map alone."""
    scores, (plain,) = model.activations(model.tensor(x), [cut.layer])
    whole = model.backend.numpy(plain)
    row, column = (count // 2 for count in cut.cells)
    down, across = cut.step
    middle: Box = ((0, x.shape[1]), (row * down, (row + 1) * down), (column * across, (column + 1) * across))
    (top, bottom), (left, right) = cut.surroundings(middle)
    near = (..., slice(top * down, bottom * down), slice(left * across, right * across))
    for fill in _fills(x):
        other = np.full_like(x, fill)
        with model.hook(cut.layer, post=lambda *_: plain * 1):
            if not _close(model.backend.numpy(model.scores(model.tensor(other))), model.backend.numpy(scores)):
                return False
        other[near] = x[near]
        found = model.backend.numpy(model.activation(model.tensor(other), cut.layer))
        if not (np.abs(found - whole)[..., row, column] <= _allowed(whole)).all():
            return False
    return True


def _same(model: Model, x: Array, local: Local, examples: Sequence[_Example]) -> bool:
    """Whether crops give what whole pictures give."""
    pictures, crops = [], []
    with local.running():
        for sample, box, pixels in examples:
            picture = x[sample].copy()
            picture[slices(box)] = pixels
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
    return bool(np.abs(found - expected).max() <= _allowed(expected))


def _allowed(expected: Array) -> float:
    """How far numbers may be off by rounding."""
    return float(_ROUNDING * np.finfo(expected.dtype).eps * np.abs(expected).max())
