"""Expected gradients (GradientSHAP): integrated gradients averaged over a background of baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import background_rows, mean_worth, stratified_draws
from ..budget import Budget
from ..checks import positive_count, random_seed
from ..estimates import completeness
from ..evaluation import gradients_at, score
from ..explanation import Array, ErrorEstimate
from ..precision import precision_error, working_model
from ..registry import Attribution, register
from .moments import Moments


@register(
    "gradient_shap",
    family="gradients",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg and Lee, 2017, arXiv:1705.07874)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - mean score of the background)",
)
@register(
    "expected_gradients",
    family="gradients",
    paper="Improving performance of deep learning models with axiomatic attribution priors and expected gradients "
    "(Erion et al., 2019, arXiv:1906.10670)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - mean score of the background)",
)
def expected_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    background: Any,
    samples: int = 100,
    of: Of = "logit",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``E[(x - x') · d score(x' + α (x - x')) / d x]`` over background rows x' and α uniform in [0, 1].

    An estimate of SHAP values for differentiable models of either framework; ``"gradient_shap"`` is another name of it.
    The draws are stratified: in each round every background row is used equally often, and each of as many equal
    intervals of α as there are draws holds one of them.

    The residual is one number, in which the errors of single values cancel. ``extras["relative_standard_error"]`` is
    the standard error of the map as a share of the map's norm, too large rather than too small because it leaves the
    strata out of account; NaN, unknown, of a single draw.

    Parameters
    ----------
    background : array (B, ...)
        Samples that stand for "feature absent", such as training pictures of all classes.
    samples : int
        Draws per sample.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    tolerance : float, optional
        What both the relative residual and ``extras["relative_standard_error"]`` are to reach; `samples` is then only
        the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    rows = background_rows(model, background, x)
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scored = score(model, x, target, of, batch_size)
    quick = working_model(model, x, samples * len(x), precision)
    promised = scored.explained - mean_worth(model, rows, scored.resolved, len(x), of, batch_size)
    generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
    plans: dict[int, tuple[Array, Array]] = {}
    differences: dict[tuple[int, int], Array] = {}
    moments = Moments(x.shape)

    def points(sample: int, part: slice) -> Array:
        alphas, chosen = plans[sample]
        alpha = alphas[part].astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1))
        start = rows[chosen[part]]
        differences[sample, part.start] = x[sample] - start
        start += alpha * differences[sample, part.start]
        return start

    for count in budget.rounds(samples):
        plans.update({int(i): stratified_draws(generators[i], count, len(rows)) for i in budget.active})
        for sample, part, gradients in gradients_at(
            quick, points, budget.active, count, x.shape[1:], scored.resolved, of, batch_size
        ):
            moments.add(sample, differences.pop((sample, part.start)) * gradients)
        residual, certainty = completeness(moments.mean, promised), moments.mean_error()
        budget.report(np.maximum(_relative(residual), _relative(certainty)))
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    return Attribution(
        moments.mean.astype(x.dtype),
        scored.scores,
        scored.target,
        residual,
        extras | {"relative_standard_error": _relative(certainty)},
        budget,
    )


def _relative(error: ErrorEstimate) -> Array:
    relative = error.relative
    assert relative is not None
    return relative
