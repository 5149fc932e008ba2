"""SmoothTaylor: first-order Taylor expansions of the score around noisy copies of the input, averaged."""

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
from .moments import Moments
from .noise import Noise


@register(
    "smooth_taylor",
    family="gradients",
    paper="Understanding Integrated Gradients with SmoothTaylor for Deep Neural Network Attribution "
    "(Goh et al., 2020, arXiv:2004.10484)",
    needs="gradient",
    error="relative standard error of the mean over the noisy copies",
)
def smooth_taylor(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 150,
    sigma: float = 0.15,
    of: Of = "logit",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Mean of ``(x - z) · d score(z) / d z`` over noisy copies z of x.

    Each copy is a root of a Taylor expansion: its products add up to how much the score of x is above that of z, as far
    as the score is linear between the two. The noise is that of `smoothgrad`.

    Parameters
    ----------
    samples : int
        Noisy copies per sample (the paper: 150). The error is NaN, unknown, of a single one.
    sigma : float
        Standard deviation of the noise as a share of the sample's range. Large noise reaches past the flat top of a
        saturated score, small noise stays where the expansion holds.
    of : {"logit", "probability", "log_probability", "loss"}
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
    samples, noise = positive_count("samples", samples), Noise(x, sigma, seed)
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scored = score(model, x, target, of, batch_size)
    quick = working_model(model, x, samples * len(x), precision)
    moments = Moments(x.shape)
    drawn: dict[tuple[int, int], Array] = {}

    def roots(sample: int, part: slice) -> Array:
        drawn[sample, part.start] = noise.draw(sample, part)
        return x[sample] + drawn[sample, part.start]

    for count in budget.rounds(samples):
        for sample, part, gradients in gradients_at(
            quick, roots, budget.active, count, x.shape[1:], scored.resolved, of, batch_size
        ):
            moments.add(sample, -drawn.pop((sample, part.start)) * gradients)
        budget.report(moments.mean_error().relative)
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    return Attribution(moments.mean.astype(x.dtype), scored.scores, scored.target, moments.mean_error(), extras, budget)
