"""Guided backpropagation: gradients that rectifiers let pass only where they are positive."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ..explanation import Array
from ..registry import Attribution, register
from .rectifiers import Rectifiers, rectified, ruled_gradients


@register(
    "guided_backprop",
    family="backpropagation",
    paper="Striving for Simplicity: The All Convolutional Net (Springenberg et al., 2014, arXiv:1412.6806)",
    needs="gradient",
    error="none: the rule is exact up to rounding",
)
def guided_backprop(
    model: Model,
    x: Array,
    target: Target,
    *,
    of: Of = "logit",
    rectifiers: Rectifiers = "relu",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``g -> [x > 0] max(g, 0)`` at every ReLU, the gradient's own rule elsewhere.

    The rule is for ReLU and ReLU6. The paper has none for other rectifiers, which keep their own gradient; those met
    are named in ``extras["without_rule"]``, PReLU, SELU, CELU and Mish if they are layers. What is spelled otherwise
    (``clamp(min=0)``, ``maximum``, a recurrent layer's own) is not seen. A network without any ReLU is refused: the
    result would be saliency.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is sent back.
    rectifiers : {"relu", "all"}
        ``"all"`` extends the rule to leaky ReLU, ELU, GELU, SiLU and hardswish: ``g -> f'(x) max(g, 0)``.
    batch_size : int or "auto"
        How many samples run at once.
    """
    return rectified(model, x, target, of, "guided_backprop", rectifiers, batch_size)


def guided_gradients(
    model: Model, x: Tensor, target: Target = None, of: Of = "logit", rectifiers: Rectifiers = "relu"
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (N, classes), the explained number per sample (N,), and its guided gradient, all native.

    The counterpart of `Model.score_gradient`: call it inside ``model.backend.frozen(model.net)``, with a native input
    that fits in memory.
    """
    scores, values, gradient, _ = ruled_gradients(model, x, target, of, "guided_backprop", rectifiers)
    return scores, values, gradient
