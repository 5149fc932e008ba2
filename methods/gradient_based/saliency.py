"""Saliency: the gradient of a score with respect to the input."""

from __future__ import annotations

from ...backends.chunks import BatchSize, chunk_size, chunks, joined
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target, class_targets
from ..checks import finite_gradient, finite_scores
from ..explanation import Array
from ..registry import Attribution, register


@register(
    "saliency",
    family="gradients",
    paper="Deep Inside Convolutional Networks (Simonyan et al., 2013, arXiv:1312.6034)",
    needs="gradient",
    error="none: the gradient is exact up to rounding",
)
def saliency(
    model: Model, x: Array, target: Target, *, of: Of = "logit", batch_size: BatchSize = "auto"
) -> Attribution:
    """Gradient of the score with respect to every input value: ``d score / d x``.

    The paper shows its absolute value, the course the absolute gradient of the loss: take ``of="loss"`` and
    ``abs(values)``. The sign is kept here.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    batch_size : int or "auto"
        How many samples run at once.
    """
    backend = model.backend
    listed = per_sample(target, len(x))
    values, scores = [], []
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            native, _, gradient = model.score_gradient(model.tensor(x[part]), listed(part), of)
            values.append(finite_gradient(backend.numpy(gradient)))
            scores.append(backend.numpy(native))
    all_scores = finite_scores(joined(scores))
    classes = None if callable(target) else class_targets(target, len(x), all_scores)
    return Attribution(joined(values), all_scores, classes)
