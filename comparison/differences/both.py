"""All runs of both networks that a comparison needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...backends import Model
from ...backends.failures import in_one_line
from ...backends.protocol import Array
from ...errors import InputError, NonFiniteError
from .forced import Forced, forced_run
from .gap import relative_l2
from .judge import SINGLE, STRICT
from .lineup import Lineup
from .notes import innermost
from .objective import Chosen
from .observers import Comparer, Recorder
from .trace import OUT, Run, run


@dataclass(frozen=True, eq=False)
class Both:
    """What was seen in the runs.

    Attributes
    ----------
    truth, truth_run : Recorder, Run, or None
        The first network's float64 copy; where the network is in float64, it is the record itself.
    record, record_run : Recorder, Run
        The first network as it is.
    free, free_run : Comparer, Run
        The second network as it is.
    forced : Forced
        The second network, or its float64 copy, on the first one's values.
    again : callable
        Makes that run anew: ``again(doors)`` leaves some doors alone.
    """

    truth: Recorder | None
    truth_run: Run | None
    record: Recorder
    record_run: Run
    free: Comparer
    free_run: Run
    forced: Forced
    again: Callable[..., Forced]

    @property
    def in_own_precision(self) -> bool:
        """Whether there was no pair of float64 copies to judge by."""
        return self.truth is None

    @property
    def errors(self) -> tuple[float, float]:
        """Relative L2 of either network's scores from those of the float64 copy; zeros where there is none."""
        if self.truth_run is None:
            return 0.0, 0.0
        exact = self.truth_run.scores
        return relative_l2(exact, self.record_run.scores), relative_l2(exact, self.free_run.scores)

    @property
    def judged(self) -> tuple[Run, Recorder]:
        """The run of the first network that the second one was forced to follow."""
        if self.truth is None or self.truth_run is None:
            return self.record_run, self.record
        return self.truth_run, self.truth


def run_both(sides: Lineup, chosen: Chosen, tolerance: float | None) -> Both:
    """Run the first network and its float64 copy, then the second freely and forced.

    Raises
    ------
    InputError
        If the second network does not take the input.
    NonFiniteError
        If the first computes NaN or infinity.
    """
    first, second = sides.first, sides.second
    exact, exact_second = sides.exact
    truth = truth_run = again = forced = None
    if exact is not None and exact_second is not None:
        truth = Recorder(exact)
        truth_run = run(exact, sides.inputs[0].astype(np.float64), chosen, truth, sides.first_names)
        if truth_run.failure is not None:
            truth = truth_run = None
    if truth is not None and first.dtype == "float64":
        record, record_run = truth, truth_run
    else:
        record, record_run = _recorded(sides, chosen, outputs_only=truth is not None)
    assert record_run is not None
    _check_first(first, record_run, record)
    if truth is not None and exact_second is not None:
        x = sides.inputs[1].astype(np.float64)
        again = partial(forced_run, exact_second, sides, chosen, truth, tolerance or STRICT, x)
        forced = again()
        if forced.run.failure is not None and not _runs(exact_second, x) and _runs(second, sides.inputs[1]):
            truth = truth_run = forced = None
            record, record_run = _recorded(sides, chosen, outputs_only=False)
    free = Comparer(second, record, keep=truth is None or record is truth)
    free_run = run(second, sides.inputs[1], chosen, free, sides.second_names)
    free.finish()
    _check_second(second, free_run, free, sides)
    if forced is None or again is None:
        again = partial(forced_run, second, sides, chosen, record, tolerance or SINGLE, sides.inputs[1])
        forced = again()
    return Both(truth, truth_run, record, record_run, free, free_run, forced, again)


def _recorded(sides: Lineup, chosen: Chosen, outputs_only: bool) -> tuple[Recorder, Run]:
    record = Recorder(sides.first, outputs_only)
    return record, run(sides.first, sides.inputs[0], chosen, record, sides.first_names)


def _runs(model: Model, x: Array) -> bool:
    try:
        model.forward(x)
    except Exception:  # whatever the user's code raises
        return False
    return True


def _check_first(model: Model, found: Run, record: Recorder) -> None:
    for door in found.doors:
        if door in record.values and door.side == OUT and not np.isfinite(record.values[door]).all():
            where = f"from layer '{door.layer}' on" if door.layer else "in its output"
            raise NonFiniteError(
                f"The first network, '{model.name}', computes NaN or infinity {where}.",
                "Check its weights and the range of the input.",
            )
    if found.failure is not None:
        raise found.failure


def _check_second(model: Model, found: Run, seen: Comparer, sides: Lineup) -> None:
    if found.failure is not None and not any(door.side == OUT for door in seen.gaps):
        raise InputError(
            f"'{model.name}' does not take what '{sides.first.name}' takes, an input of shape "
            f"{sides.inputs[1].shape}: {in_one_line(innermost(found.failure))}.",
            "Pass an x that both take.",
        ) from found.failure
