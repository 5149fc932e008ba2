"""SmoothGrad: the mean gradient over noisy copies of the input."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..checks import non_negative, positive_count, random_seed
from ..estimates import standard_error
from ..explanation import Array
from ..evaluation import gradients_at, score
from ..registry import Attribution, register


@register(
    "smoothgrad",
    family="gradients",
    paper="SmoothGrad: removing noise by adding noise (Smilkov et al., 2017, arXiv:1706.03825)",
    needs="gradient",
    error="relative standard error of the mean over the noisy copies",
)
def smoothgrad(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 50,
    sigma: float = 0.15,
    of: Of = "logit",
    aggregate: Literal["mean", "absolute"] = "mean",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Mean of the gradients at ``x + noise``, noise ~ N(0, (sigma (max x - min x))²).

    The noise of sample i comes from ``numpy.random.default_rng([seed, i])`` in float32: both frameworks, both
    precisions and every chunk size see the same numbers.

    Parameters
    ----------
    samples : int
        Noisy copies per sample.
    sigma : float
        Standard deviation of the noise as a share of the sample's range (the paper: 0.1 to 0.2).
    of : {"logit", "probability", "log_probability", "loss"}
    aggregate : {"mean", "absolute"}
        Mean of the signed gradients (the paper), or of their absolute values (the course).
    seed : int
    batch_size : int or "auto"
    """
    samples, sigma, seed = positive_count("samples", samples), non_negative("sigma", sigma), random_seed(seed)
    if aggregate not in ("mean", "absolute"):
        raise MethodError(f"aggregate='{aggregate}' is not known.", "Choose mean or absolute.")
    scored = score(model, x, target, of, batch_size)
    axes = tuple(range(1, x.ndim))
    deviation = sigma * (x.max(axis=axes) - x.min(axis=axes))
    generators = [np.random.default_rng([seed, i]) for i in range(len(x))]

    def noisy(sample: int, part: slice) -> Array:
        shape = (part.stop - part.start, *x.shape[1:])
        noise = generators[sample].standard_normal(shape, dtype=np.float32).astype(x.dtype)
        return x[sample] + deviation[sample] * noise

    total, squares = np.zeros(x.shape), np.zeros(x.shape)
    for sample, _, gradients in gradients_at(
        model, noisy, range(len(x)), samples, x.shape[1:], scored.resolved, of, batch_size
    ):
        drawn = np.abs(gradients) if aggregate == "absolute" else gradients
        total[sample] += drawn.sum(axis=0, dtype=np.float64)
        squares[sample] += np.einsum("n...,n...->...", drawn, drawn, dtype=np.float64)
    mean = total / samples
    return Attribution(
        mean.astype(x.dtype), scored.scores, scored.target, standard_error(mean, squares / samples, samples)
    )
