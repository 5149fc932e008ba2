"""SmoothGrad and its kin: what the gradients at noisy copies of the input have in common, or do not."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..budget import Budget
from ..checks import positive_count
from ..evaluation import gradients_at, score
from ..explanation import Array
from ..precision import precision_error, working_model
from ..registry import Attribution, register
from .aggregates import Aggregate, Aggregated, fewest_draws
from .noise import Noise


@register(
    "smoothgrad",
    family="gradients",
    paper="SmoothGrad: removing noise by adding noise (Smilkov et al., 2017, arXiv:1706.03825)",
    needs="gradient",
    error="relative standard error of the mean (or variance) over the noisy copies",
)
def smoothgrad(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 50,
    sigma: float = 0.15,
    of: Of = "logit",
    aggregate: Aggregate = "mean",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Mean of the gradients at ``x + noise``, noise ~ N(0, (sigma (max x - min x))²).

    The noise of sample i comes from ``numpy.random.default_rng([seed, i])`` in float32: both frameworks, both
    precisions and every chunk size see the same numbers.

    Parameters
    ----------
    samples : int
        Noisy copies per sample. The error is NaN, unknown, of a single one, and that of a variance of fewer than 4.
    sigma : float
        Standard deviation of the noise as a share of the sample's range (the paper: 0.1 to 0.2).
    of : {"logit", "probability", "log_probability", "loss"}
    aggregate : {"mean", "absolute", "squared", "variance"}
        Mean of the signed gradients (the paper), of their absolute values (the course), of their squares (SmoothGrad²,
        arXiv:1806.10758), or their variance without bias, divided by `samples` - 1 (VarGrad, arXiv:1810.03292).
    seed : int
    tolerance : float, optional
        Relative standard error to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    samples = positive_count("samples", samples)
    fewest, noise = fewest_draws(aggregate, samples), Noise(x, sigma, seed)
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scored = score(model, x, target, of, batch_size)
    quick = working_model(model, x, samples * len(x), precision)
    drawn = Aggregated(x.shape, aggregate)

    def noisy(sample: int, part: slice) -> Array:
        copies = noise.draw(sample, part)
        copies += x[sample]
        return copies

    for count in budget.rounds(samples, minimum=fewest):
        for sample, _, gradients in gradients_at(
            quick, noisy, budget.active, count, x.shape[1:], scored.resolved, of, batch_size
        ):
            drawn.add(sample, gradients)
        budget.report(drawn.error().relative)
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    return Attribution(drawn.values.astype(x.dtype), scored.scores, scored.target, drawn.error(), extras, budget)
