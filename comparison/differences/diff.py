"""Hold two networks against each other layer by layer and find where they part, and why."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from ...backends.chunks import chunk_size, chunks
from ...backends.model import per_sample
from ...backends.objective import Target
from ...errors import InputError
from ..networks import whole
from .both import Both, run_both
from .forced import Forced, forced_run
from .gap import relative_l2
from .in_parts import joined, which_samples
from .investigation import Investigator
from .judge import SINGLE, is_coarse
from .lineup import Lineup, lineup
from .moved import without_moved
from .notes import notes
from .objective import Chosen
from .observers import Recorder
from .result import FORWARD, Arbiter, Difference, Place, Row
from .trace import ENTRANCE, IN, OUT, Door, run
from .training_settings import training_places

# Values and gradients at every door, in double precision, of one network and on their way through the other.
_HELD = 12


def diff(
    model_a: Any,
    model_b: Any,
    x: Any = None,
    target: Target = None,
    *,
    teacher_forced: bool = False,
    tolerance: float | None = None,
    seed: int = 0,
) -> Difference:
    """Compare two networks layer by layer, forward and backward, and explain the first difference.

    Parameters
    ----------
    model_a : Model or native network
        The reference.
    model_b : Model or native network
        Of either framework.
    x : array (N, ...), optional
        What both take, compared in parts that fit in memory up to the first in which the networks part. Without it one
        sample of random numbers from 0 to 1, where the networks know their shape.
    target : as for `Model.gradient`
        Of which score the gradients are compared; None for the class that A predicts.
    teacher_forced : bool
        Report every place in which the networks part, not only the first, each with its own cause.
    tolerance : float, optional
        Relative L2 that one step may add: 1e-10 when left out.
    seed : int
        Of the made-up input.

    Returns
    -------
    Difference

    Raises
    ------
    InputError
        If the input is unsound, or B does not take it.
    ModelError
        If A fails on it, or the networks have no layer in common.
    NonFiniteError
        If A computes NaN or infinity.

    Notes
    -----
    Both networks run as they are, and the rows hold how far apart they are at each layer. In float32 these numbers say
    little: rounding adds up, and one flipped ReLU changes gradients by 1e-3. So the judgement is made on float64
    copies: A's runs, and B's is given A's values at the door of every layer, and A's gradients on the way back. What B
    makes of them in one step is compared with what A made; no error is carried on, and each step stands for itself.
    In float64 rounding stays below 1e-10 in one step. What Paddle computes in single precision even then
    (interpolation, hard sigmoid, the epsilon of norms, gradients of average pooling) is allowed to be as far off as it
    is known to be, and functions between layers, which may be any of these, 2e-5; between two networks of one
    framework nothing is.

    A float64 copy does not show what happens in a network's own precision only, such as an automatic cast to bfloat16.
    Therefore both networks' scores are also held against the float64 ones: where one side is a hundred times farther
    off than the other, the steps are judged in the networks' own precision too. Where no float64 copy can be made, that
    is the only judgement, with a tolerance of 2e-5 a step, and a note says so.

    Causes are not read off but tested: the step is computed anew in NumPy with one thing changed, and a cause is called
    certain where at most a hundredth of the difference remains. Networks run in evaluation mode and come back as they
    were.
    """
    if tolerance is not None and not (isinstance(tolerance, (int, float)) and 0 < tolerance < math.inf):
        raise InputError(f"tolerance={tolerance!r} is not a distance.", "Use a small positive number, such as 1e-8.")
    first, second = whole(model_a), whole(model_b)
    sides = lineup(first, second, x, seed)
    samples = len(sides.inputs[0])
    targets = per_sample(target, samples)
    found: Difference | None = None
    for part in chunks(samples, _fitting(sides)):
        each = _compared(sides.part(part), Chosen(targets(part)), teacher_forced, tolerance)
        if not each.agrees:
            return which_samples(each, part, samples)
        found = each if found is None else joined(found, each)
    assert found is not None
    return found


def _fitting(sides: Lineup) -> int:
    x = sides.inputs[0]
    try:
        return chunk_size(sides.first, x.shape[1:], len(x), held=_HELD)
    except Exception:  # a network may not take a single sample, or not the zeros that are measured
        return len(x)


def _compared(sides: Lineup, chosen: Chosen, teacher_forced: bool, tolerance: float | None) -> Difference:
    first, second = sides.first, sides.second
    both = run_both(sides, chosen, tolerance)
    forced, moved = both.forced, None
    places = Investigator(sides, *both.judged, forced, everything=teacher_forced).places()
    if places and (moved := without_moved(sides, both)) is not None:
        forced, places = moved.forced, []
    if not any(place.direction == FORWARD for place in places) and is_coarse(*both.errors):
        left_alone = moved.doors if moved is not None else frozenset()
        places = _in_own_precision(sides, chosen, teacher_forced, left_alone) or places
    agrees = not places
    training = training_places(sides, {place.layer for place in places}, both.judged[1])
    silent = training[1:] if agrees and not teacher_forced else training
    if teacher_forced:
        places, silent = places + training, []
    elif agrees:
        places = training[:1]
    return Difference(
        a=f"{first.name} ({first.backend.name}, {first.dtype})",
        b=f"{second.name} ({second.backend.name}, {second.dtype})",
        first=places[0].layer if places else None,
        agrees=agrees,
        places=tuple(places),
        rows=tuple(_rows(sides, both, forced)),
        arbiter=_arbiter(both) if agrees else None,
        notes=tuple(notes(sides, both, moved.places if moved is not None else (), silent)),
        score=None if both.free_run.scores is None else relative_l2(both.record_run.scores, both.free_run.scores),
        gradient=_number(both.free.gradient_gaps.get(ENTRANCE), "relative_l2"),
        teacher_forced=teacher_forced,
    )


def _in_own_precision(sides: Lineup, chosen: Chosen, everything: bool, left_alone: Collection[Door]) -> list[Place]:
    """Search in the networks' own precision, where one of them is much coarser than the other."""
    record = Recorder(sides.first)
    found = run(sides.first, sides.inputs[0], chosen, record, sides.first_names)
    forced = forced_run(sides.second, sides, chosen, record, SINGLE, sides.inputs[1], left_alone)
    return Investigator(sides, found, record, forced, everything).places()


def _arbiter(both: Both) -> Arbiter | None:
    if both.truth is None or both.truth is both.record:
        return None
    a, b = both.errors
    exact = both.truth.gradients.get(ENTRANCE)
    return Arbiter(a, b, *(relative_l2(exact, each.entrance_gradient) for each in (both.record, both.free)))


def _rows(sides: Lineup, both: Both, forced: Forced) -> list[Row]:
    rows = []
    for door in both.record_run.doors:
        if door.side != OUT or door.slot or door.layer not in sides.partners.pairs:
            continue
        forward, backward = both.free.gaps.get(door), both.free.gradient_gaps.get(door)
        entrance = door._replace(side=IN)
        rows.append(
            Row(
                door.layer,
                sides.partners.pairs[door.layer],
                sides.kinds[door.layer],
                door.call,
                _number(forward, "max_abs"),
                _number(forward, "relative_l2"),
                _number(backward, "max_abs"),
                _number(backward, "relative_l2"),
                forced.witness.gaps.get(door),
                forced.witness.gradient_gaps.get(entrance),
            )
        )
    return rows


def _number(found: Any, name: str) -> float | None:
    return None if found is None else getattr(found, name)
