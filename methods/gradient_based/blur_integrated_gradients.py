"""Blur integrated gradients: the gradient summed along the path on which a picture comes into focus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..background import worth
from ..budget import Budget
from ..checks import non_negative, pictures
from ..estimates import completeness
from ..evaluation import gradients_at, score
from ..explanation import Array
from ..precision import precision_error, working_model
from ..quadrature import Rule, quadrature
from ..registry import Attribution, register
from .refining import refined
from .scale_space import ScaleSpace


@register(
    "blur_integrated_gradients",
    family="gradients",
    paper="Attribution in Scale and Space (Xu et al., 2020, arXiv:2004.03383)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - score of the blurred x)",
)
def blur_integrated_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 50,
    sigma: float = 50.0,
    rule: Rule = "gauss_legendre",
    of: Of = "logit",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``-∫ d score(L) / d L · d L / d s  ds``, L the picture under a Gaussian blur of s pixels, s from 0 to sigma.

    There is no colour that stands for "nothing there": what is blurred away is absent. The blur mirrors the picture at
    its edges. Steps are denser where the blur is small, because there the picture changes fastest.

    Parameters
    ----------
    steps : int
        Points on the path.
    sigma : float
        Standard deviation of the strongest blur, in pixels.
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        How the integral is approximated.
    of : {"logit", "probability", "log_probability", "loss"}
    tolerance : float, optional
        Relative completeness residual to reach: inputs that miss it are integrated again with twice as many steps;
        `steps` is then only the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    pictures(x, "blur_integrated_gradients")
    quadrature(rule, steps)
    sigma = non_negative("sigma", sigma)
    if sigma == 0:
        raise MethodError("sigma=0 blurs nothing.", "Pass the strongest blur in pixels, such as sigma=50.")
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    spaces = [ScaleSpace(picture) for picture in x]
    blurred = np.concatenate([space.at(np.array([sigma], dtype=x.dtype)) for space in spaces])
    scored = score(model, x, target, of, batch_size)
    promised = scored.explained - worth(model, blurred, scored.resolved, of, batch_size)
    quick = working_model(model, x, steps * len(x), precision)

    def integral(count: int, which: npt.NDArray[np.int64]) -> Array:
        points, weights = quadrature(rule, count)
        # s = sigma u², ds = 2 sigma u du: half of the steps fall on the first quarter of the blur.
        sigmas = (sigma * points**2).astype(x.dtype)
        widths = (-2 * sigma * points * weights).astype(x.dtype)
        found = np.zeros(x.shape)
        for sample, part, gradients in gradients_at(
            quick,
            lambda sample, part: spaces[sample].at(sigmas[part]),
            which,
            count,
            x.shape[1:],
            scored.resolved,
            of,
            batch_size,
        ):
            slopes = spaces[sample].slopes(sigmas[part])
            found[sample] += np.einsum("m,mchw,mchw->chw", widths[part], slopes, gradients)
        return found[which]

    values = refined(integral, budget, steps, promised, x.shape, minimum=2 if rule == "trapezoid" else 1)
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    return Attribution(
        values.astype(x.dtype), scored.scores, scored.target, completeness(values, promised), extras, budget
    )
