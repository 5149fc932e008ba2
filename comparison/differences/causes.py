"""All experiments, in the order in which they are tried, and the search for the one that explains a difference."""

from __future__ import annotations

from .by_functions import (
    activation_of_the_other,
    layers_without_partner,
    missing_addition,
    missing_layer,
    scale,
    usual_functions,
)
from .by_input import channel_order, layout, normalisation
from .by_precision import rounding
from .by_randomness import active_dropout
from .by_settings import all_that_differs, batch_statistics, kinds, settings
from .by_weights import turned, weights
from .case import Case, Experiment, Trial
from .gap import relative_l2
from .result import CERTAIN, LIKELY, Cause

EXPERIMENTS: tuple[tuple[Experiment, bool], ...] = (
    (settings, False),
    (weights, False),
    (turned, True),
    (kinds, False),
    (all_that_differs, False),
    (batch_statistics, True),
    (missing_layer, True),
    (layers_without_partner, False),
    (channel_order, False),
    (scale, False),
    (usual_functions, False),
    (normalisation, False),
    (layout, False),
    (activation_of_the_other, True),
    (missing_addition, True),
    (active_dropout, True),
    (rounding, True),
)
"""What layers say about themselves comes first. Each with whether the fault may be on either side."""


def explained(case: Case) -> tuple[Cause, ...]:
    """Try the explanations one by one; the first that leaves nothing unexplained ends the search."""
    before = relative_l2(case.a.output, case.b.output)
    likely: list[Cause] = []
    for experiment, either_side in EXPERIMENTS:
        for side in (case, case.swapped()) if either_side else (case,):
            for trial in experiment(side):
                after = _remains(side, trial)
                if after <= min(1e-5, before / 100):
                    return (Cause(trial.cause, trial.text, before, after, CERTAIN),)
                if trial.sure or after <= min(0.2 * before, 0.2):
                    likely.append(Cause(trial.cause, trial.text, before, after, LIKELY))
    return tuple(sorted(likely, key=lambda cause: cause.after)[:3])


def _remains(case: Case, trial: Trial) -> float:
    if trial.a is None or trial.b is None:
        return float("inf")
    return max(relative_l2(case.a.output, trial.a), relative_l2(case.b.output, trial.b))
