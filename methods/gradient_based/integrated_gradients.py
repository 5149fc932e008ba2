"""Integrated gradients: the gradient summed along the straight path from a baseline to the input."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import worth
from ..baselines import Baseline, baselines
from ..budget import Budget
from ..checks import check_flags, random_seed
from ..estimates import completeness
from ..evaluation import gradients_at, score
from ..explanation import Array
from ..precision import precision_error, working_model
from ..quadrature import Rule, quadrature
from ..registry import Attribution, register
from .adaptive import adaptive
from .refining import refined

PathRule: TypeAlias = Literal["adaptive"] | Rule


@register(
    "integrated_gradients",
    family="gradients",
    paper="Axiomatic Attribution for Deep Networks (Sundararajan et al., 2017, arXiv:1703.01365)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - score of the baseline)",
)
def integrated_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 50,
    baseline: Baseline = 0.0,
    rule: PathRule | None = None,
    of: Of = "logit",
    multiply_by_input: bool = True,
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``(x - baseline) · ∫₀¹ d score(baseline + α (x - baseline)) / d x  dα``.

    Parameters
    ----------
    steps : int
        Points on the path.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        Where the path starts: one number, one sample, or one per sample; 0 is black. Or the picture without detail, its
        mean colour, or uniform noise. A list asks for the mean over several.
    rule : {"adaptive", "gauss_legendre", "trapezoid", "midpoint", "left", "right"}, optional
        How the integral is approximated. ``"adaptive"`` halves the intervals on which the gradients do not add up to
        the rise of the score: trained networks rise within a small part of the path. ``extras["path_error"]`` is then
        the sum of what all intervals miss, each by its absolute value. Left out: adaptive with a tolerance,
        Gauss–Legendre without.
    of : {"logit", "probability", "log_probability", "loss"}
    multiply_by_input : bool
        False leaves out the factor ``x - baseline``, as the course's code does: a mean gradient in the units of the
        gradient, without completeness.
    seed : int
        Of the noise baseline.
    tolerance : float, optional
        Relative completeness residual to reach: inputs that miss it are given more steps, by other rules than the
        adaptive one by integrating again with twice as many; `steps` is then only the first round. It holds for the
        sum: single attributions may miss more, such as 14% of their L2 norm in a small network of ReLUs held to 1%.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    check_flags(multiply_by_input=multiply_by_input)
    if rule is None:
        rule = "gauss_legendre" if tolerance is None else "adaptive"
    fixed: Rule = "trapezoid" if rule == "adaptive" else rule
    quadrature(fixed, steps)
    starts = baselines(baseline, x, random_seed(seed))
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scored = score(model, x, target, of, batch_size)
    quick = working_model(model, x, steps * len(x) * len(starts), precision)
    means = np.zeros(x.shape)

    def mean_gradients(start: Array, count: int, which: npt.NDArray[np.int64]) -> Array:
        alphas, weights = (numbers.astype(x.dtype) for numbers in quadrature(fixed, count))

        def path(sample: int, part: slice) -> Array:
            points: Array = alphas[part].reshape((-1,) + (1,) * (x.ndim - 1)) * (x[sample] - start[sample])
            points += start[sample]
            return points

        found = np.zeros(x.shape)
        for sample, part, gradients in gradients_at(
            quick, path, which, count, x.shape[1:], scored.resolved, of, batch_size
        ):
            found[sample] += np.tensordot(weights[part], gradients, axes=1)
        return found[which]

    def integral(count: int, which: npt.NDArray[np.int64]) -> Array:
        products = np.zeros((len(which), *x.shape[1:]))
        means[which] = 0
        for start in starts:
            found = mean_gradients(start, count, which) / len(starts)
            means[which] += found
            products += (x[which] - start[which]) * found
        return products

    promised = scored.explained - np.mean(
        [worth(model, start, scored.resolved, of, batch_size) for start in starts], axis=0
    )
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    if rule == "adaptive":
        found = adaptive(quick, x, starts, scored, of, batch_size, budget, steps, promised)
        means = np.mean(found.means, axis=0)
        values = np.mean([(x - start) * mean for start, mean in zip(starts, found.means, strict=True)], axis=0)
        extras["path_error"] = found.missed
    else:
        values = refined(integral, budget, steps, promised, x.shape, len(starts), 2 if rule == "trapezoid" else 1)
    if not multiply_by_input:
        return Attribution(means.astype(x.dtype), scored.scores, scored.target, extras=extras, budget=budget)
    return Attribution(
        values.astype(x.dtype), scored.scores, scored.target, completeness(values, promised), extras, budget
    )
