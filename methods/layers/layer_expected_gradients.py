"""Layer expected gradients: expected gradients with a layer's output in the place of the input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.layer_outputs import check_real
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import background_rows, mean_explained, stratified_draws
from ..budget import Budget
from ..checks import finite_gradient, positive_count, random_seed
from ..estimates import completeness
from ..explanation import Array
from ..gradient_based.moments import Moments
from ..registry import Attribution, register
from .units import gradient_at_layer, observe, settle, targets_of


@register(
    "layer_expected_gradients",
    family="layers",
    paper="Improving performance of deep learning models with axiomatic attribution priors and expected gradients "
    "(Erion et al., 2019, arXiv:1906.10670)",
    needs="gradient",
    error="completeness residual: sum over the layer's units minus (score of x - mean score of the background)",
)
def layer_expected_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    background: Any,
    samples: int = 100,
    of: Of = "logit",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``E[(y(x) - y(x')) · d score / d y  at  y(x') + α (y(x) - y(x'))]`` over background rows x' and α in [0, 1].

    An estimate of SHAP values of the units of a layer: the mean of ``layer_integrated_gradients`` over the background.
    The path is straight in the space of the layer's output y, and the network runs on `x` with that output replaced.
    So the values sum, in the limit of many draws, to the difference of the scores wherever everything passes the layer.
    Captum's LayerGradientShap takes the gradient at the output of mixed *inputs*, y(x' + α (x - x')), and multiplies it
    with the same difference: the two are equal, and its sums complete, only where y is linear in the input.

    The draws are those of ``expected_gradients``. The residual includes what reaches the score without passing the
    layer; ``extras["relative_standard_error"]`` is the standard error of the values as a share of their norm; NaN,
    unknown, of a single draw.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    background : array (B, ...)
        Inputs that stand for "feature absent", such as training pictures of all classes.
    samples : int
        Draws per sample.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    tolerance : float, optional
        What ``extras["relative_standard_error"]`` is to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    batch_size : int or "auto"
    """
    backend = model.backend
    samples, seed = positive_count("samples", samples), random_seed(seed)
    rows = background_rows(model, background, x)
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scores, activations = observe(model, np.concatenate([x, rows]), layer, batch_size)
    check_real(str(activations.dtype), layer)
    end, start = activations[: len(x)], activations[len(x) :]
    scored = settle(model, scores[: len(x)], target, of)
    promised = scored.explained - mean_explained(model, scores[len(x) :], scored.resolved, len(x), of)
    generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
    moments = Moments(end.shape)

    with backend.frozen(model.net):
        for count in budget.rounds(samples):
            draws = [stratified_draws(generators[i], count, len(rows)) for i in budget.active]
            alphas, chosen = (np.concatenate(each) for each in zip(*draws, strict=True))
            owners = np.repeat(budget.active, count)
            for part in chunks(len(owners), chunk_size(model, x.shape[1:], len(owners), batch_size)):
                owner, alpha = owners[part], alphas[part].astype(end.dtype).reshape(-1, *[1] * (end.ndim - 1))
                difference = end[owner] - start[chosen[part]]
                points = start[chosen[part]] + alpha * difference
                targets = targets_of(scored.resolved, owner)
                _, _, native = gradient_at_layer(model, model.tensor(x[owner]), layer, targets, of, points)
                products = difference * finite_gradient(backend.numpy(native))
                for sample in np.unique(owner):
                    moments.add(int(sample), products[owner == sample])
            certainty = moments.mean_error().relative
            budget.report(certainty)
    residual = replace(
        completeness(moments.mean, promised),
        meaning="Sum of the attributions minus the score difference they share out (the scale), with what goes around "
        "the layer. More samples make it smaller.",
    )
    assert certainty is not None
    return Attribution(
        moments.mean.astype(end.dtype),
        scored.scores,
        scored.target,
        residual,
        {"relative_standard_error": certainty},
        budget,
    )
