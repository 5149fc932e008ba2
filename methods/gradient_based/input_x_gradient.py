"""Input × gradient: each value times the slope of the score in it."""

from __future__ import annotations

from dataclasses import replace

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .saliency import saliency


@register(
    "input_x_gradient",
    family="gradients",
    paper="Not Just a Black Box: Learning Important Features Through Propagating Activation Differences "
    "(Shrikumar et al., 2016, arXiv:1605.01713)",
    needs="gradient",
    error="none: the product is exact up to rounding",
)
def input_x_gradient(
    model: Model, x: Array, target: Target, *, of: Of = "logit", batch_size: BatchSize = "auto"
) -> Attribution:
    """``x · d score / d x``: what each value contributes if the score were linear all the way from 0.

    Of a network without biases whose activations are piecewise linear the sum is the score; of others it is not, and
    `integrated_gradients` keeps that promise.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    batch_size : int or "auto"
        How many samples run at once.
    """
    found: Attribution = saliency(model, x, target, of=of, batch_size=batch_size)
    return replace(found, values=x * found.values)
