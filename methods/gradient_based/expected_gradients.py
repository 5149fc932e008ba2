"""Expected gradients (GradientSHAP): integrated gradients averaged over a background of baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError
from ..checks import positive_count, random_seed
from ..estimates import completeness
from ..explanation import Array
from ..evaluation import gradients_at, score
from ..registry import Attribution, register


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
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``E[(x - x') · d score(x' + α (x - x')) / d x]`` over background rows x' and α uniform in [0, 1].

    An estimate of SHAP values for differentiable models of either framework. The draws are stratified: every
    background row is used equally often, and each of `samples` equal intervals of α holds one draw.

    Parameters
    ----------
    background : array (B, ...)
        Samples that stand for "feature absent", such as training pictures of all classes.
    samples : int
        Draws per sample.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    batch_size : int or "auto"
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    try:
        rows = model.check_input(background)
    except InputError as error:
        raise InputError(f"The background does not fit. {error.cause}", error.cure) from error
    if rows.shape[1:] != x.shape[1:]:
        raise InputError(
            f"The background's samples have shape {rows.shape[1:]}, the input's {x.shape[1:]}.", "Make them alike."
        )
    scored = score(model, x, target, of, batch_size)
    plans = [_stratified(np.random.default_rng([seed, i]), samples, len(rows)) for i in range(len(x))]

    def points(sample: int, part: slice) -> Array:
        alphas, chosen = plans[sample]
        alpha = alphas[part].astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1))
        start = rows[chosen[part]]
        return start + alpha * (x[sample] - start)

    values = np.zeros(x.shape)
    for sample, part, gradients in gradients_at(
        model, points, range(len(x)), samples, x.shape[1:], scored.resolved, of, batch_size
    ):
        differences = x[sample] - rows[plans[sample][1][part]]
        values[sample] += np.einsum("n...,n...->...", differences, gradients, dtype=np.float64) / samples
    return Attribution(
        values.astype(x.dtype),
        scored.scores,
        scored.target,
        completeness(
            values, scored.explained - _background_score(model, rows, scored.resolved, len(x), of, batch_size)
        ),
    )


def _stratified(rng: np.random.Generator, samples: int, rows: int) -> tuple[Array, Array]:
    alphas = (np.arange(samples) + rng.random(samples)) / samples
    rounds = [rng.permutation(rows) for _ in range(-(-samples // rows))]
    return alphas, np.concatenate(rounds)[:samples]


def _background_score(model: Model, rows: Array, target: Target, samples: int, of: Of, batch_size: BatchSize) -> Array:
    """Mean explained number of the background, for each sample's own target."""
    if callable(target):
        return np.full(samples, score(model, rows, target, of, batch_size).explained.mean())
    targets = np.asarray(target)
    means = {int(c): score(model, rows, int(c), of, batch_size).explained.mean() for c in np.unique(targets)}
    return np.array([means[int(c)] for c in targets])
