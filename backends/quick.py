"""Models that give the same scores in less time, or roughly the same in much less."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .protocol import Array, Handle, Net, Tensor

if TYPE_CHECKING:
    from .model import Model

# Copying a network and trying the copy takes as long as 5 to 20 gradients save, or 30 to 120 runs without one.
_GRADIENTS_WORTH_PREPARING, _RUNS_WORTH_PREPARING = 24, 96
# Trying another order in memory takes two runs of one sample, and saves a tenth to a third of every run.
_WORTH_ARRANGING = 8
# Who turns to another model between may run the samples themselves once more, to compare like with like.
_RUNS_WORTH_ARRANGING = 48


def streamlined(model: Model, x: Array, evaluations: int, gradients: bool = False) -> Model:
    """See `Model.streamlined`."""
    quick = _folded(model, x, evaluations, gradients)
    return _arranged(model, x) if quick is model and evaluations >= _RUNS_WORTH_ARRANGING else quick


def _folded(model: Model, x: Array, evaluations: int, gradients: bool) -> Model:
    """The model of a copy of the network with fewer operations, where that is worth it."""
    if evaluations < (_GRADIENTS_WORTH_PREPARING if gradients else _RUNS_WORTH_PREPARING) or model.dtype != "float32":
        return model
    backend = model.backend
    with backend.frozen(model.net), backend.no_grad():
        example, native = _example(model, x)
        net = backend.streamlined(model.net, native, evaluations)
        if net is None:
            return model
        quick = copy.copy(model)
        quick.net, quick.sample_bytes = net, {}
        # A network may go another way on another input, around a batch norm for instance.
        tried = [example, example * 0]
        if len(x) > 1:
            tried.append(model.tensor(x[-1:]))
        mine = [_scores(model, each) for each in tried]
        with _seen_running(model) as ran:
            its = [_scores(quick, each) for each in tried]
    agree = all(a is None or (b is not None and _close(a, b)) for a, b in zip(mine, its, strict=True))
    return quick if not ran and mine[0] is not None and agree else model


def _scores(model: Model, x: Tensor) -> Array | None:
    """None where a network has none, as one that divides by the deviation of an input of zeros."""
    try:
        scores = model.backend.numpy(model.scores(x))
    except Exception:  # a forward that looks into its layers may miss the batch norms, in any way it likes
        return None
    return scores if np.isfinite(scores).all() else None


@contextmanager
def _seen_running(model: Model) -> Iterator[list[Net]]:
    """The model's own layers that run meanwhile.

    A function kept as an attribute, such as ``self.block = lambda x: self.conv(x)``, is not copied with its network:
    the copy runs the original's layers, whose modes nobody has set for it.
    """
    ran: list[Net] = []
    handles: list[Handle] = []
    try:
        for layer in model.backend.modules(model.net).values():
            handles.append(model.backend.on_exit(layer, lambda layer, _inputs, _output: ran.append(layer)))
        yield ran
    finally:
        for handle in handles:
            handle.remove()


def as_it_lies(x: Tensor) -> Tensor:
    """A network may begin with an operation in place, and gets a copy of its input."""
    return x * 1


def arranged(model: Model, x: Array) -> Model:
    """See `Model.arranged`."""
    return _arranged(model, x) if len(x) >= _WORTH_ARRANGING else model


def usual_order(model: Model, x: Array) -> bool:
    """See `Model.usual_order`."""
    tried = model.make_up(x.shape[1:])
    changed = model.arrangements.get(tried, False)
    model.arrangements[tried] = False
    return changed


def _arranged(model: Model, x: Array) -> Model:
    if model.arrange is not as_it_lies:
        return model
    backend = model.backend
    arrange = backend.arrangement(model.net, model.tensor(x[:1]))
    if arrange is None:
        return model
    other = copy.copy(model)
    other.arrange = arrange
    tried = model.make_up(x.shape[1:])
    if tried not in model.arrangements:
        model.arrangements[tried] = _same_scores(model, other, x)
    return other if model.arrangements[tried] else model


def _same_scores(model: Model, other: Model, x: Array) -> bool:
    """Whether two models of one network give the same scores for the first sample."""
    backend = model.backend
    found = []
    with backend.frozen(model.net), backend.no_grad():
        for each in (model, other):
            # A network may draw random numbers: the same ones both times, and none of the user's.
            with backend.seeded(0):
                try:
                    found.append(backend.numpy(each.scores(model.tensor(x[:1]))))
                except Exception:  # a network may refuse another order in memory in any way it likes
                    return False
    return _close(*found)


def _close(mine: Array, its: Array) -> bool:
    """Equal but for rounding in float32; a batch norm that should not have been folded moves the scores far more."""
    return its.shape == mine.shape and bool(np.abs(its - mine).max() <= 1e-4 * np.abs(mine).max())


def rough(model: Model, x: Array, precision: str) -> Model:
    """See `Model.rough`."""
    if precision != "bfloat16":
        raise InputError(f"precision={precision!r} is not known.", 'Pass "bfloat16", or leave it out.')
    if model.dtype != "float32":
        raise InputError(f"The network computes in {model.dtype}.", "Leave precision out.")
    # As for so few runs that nothing is prepared which knows one precision alone.
    quick = copy.copy(streamlined(model, x, _RUNS_WORTH_PREPARING))
    with model.backend.frozen(model.net), model.backend.no_grad():
        _, native = _example(model, x)
        quick.net = model.backend.rough(quick.net, native, precision)
    return quick


def _example(model: Model, x: Array) -> tuple[Tensor, Tensor]:
    """The first sample, and what the network itself receives of it."""
    example = model.tensor(x[:1])
    # A copy, because a network may begin with an operation in place.
    return example, example * 1 if model.preprocess is None else model.preprocess(example * 1)
