"""Layer-wise relevance propagation as far as a layer: the relevance of its units."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..backpropagation.lrp.composites import CompositeName, First, composite_of
from ..backpropagation.lrp.lrp import propagated
from ..explanation import Array
from ..registry import Attribution, register
from .units import check_layer


@register(
    "layer_lrp",
    family="layers",
    paper=(
        "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation "
        "(Bach et al., 2015, doi:10.1371/journal.pone.0130140)"
    ),
    needs="gradient",
    error="conservation residual: sum of the relevance of the layer's units minus the relevance of the scores",
)
def layer_lrp(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    composite: CompositeName = "epsilon_gamma_box",
    first: First | None = None,
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    alpha: float = 2.0,
    beta: float = 1.0,
    low: Any = 0.0,
    high: Any = 1.0,
    gates: bool = False,
    of: Of = "logit",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``R_j = Σ_k p_jk / Σ_j p_jk · R_k`` from the score back to the units of a layer, with parts p by rule.

    What ``lrp`` hands on from there to the input; its rules, and what they hold for, are the same. The values have the
    shape of the layer's output. The books are those of the way from the scores to the layer: ``extras["biases"]``,
    ``extras["stabiliser"]``, and ``extras["elsewhere"]``, which holds what goes around the layer, too.

    A convolution or linear layer and the batch norm right after it are one layer, whose relevance is ``z c`` with z
    what the batch norm returns: asked for either of the two, the values are the same, but for channels that the batch
    norm multiplies with 0, whose relevance is found at the batch norm alone. A batch norm that stands elsewhere is a
    layer of its own.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself, where the relevance starts.
    composite : str
        As for ``lrp``.
    first : {"box", "flat", "w_squared", "same"}, optional
        Rule of the first layer in place of the composite's own. It concerns layers before that one alone, such as a
        normalisation, and so do `low` and `high`.
    epsilon : float
        Moves every denominator away from 0 (all rules but ``"zero"``).
    gamma : float
        How much positive parts are favoured (``"epsilon_gamma_box"``, ``"gamma"``).
    alpha : float
        Weight of positive parts (``"alpha_beta"``).
    beta : float
        Weight of negative parts (``"alpha_beta"``); ``alpha - beta`` must be 1.
    low : number or array
        Smallest value that an input can have: 0 for pictures.
    high : number or array
        Largest value that an input can have: 1 for pictures.
    gates : bool
        Outputs of sigmoid, hardsigmoid and softmax are constant factors that get no relevance.
    of : {"logit", "probability", "log_probability", "loss"}
        Relevance starts as score × derivative of this number by the score: for a logit, as the score.
    batch_size : int or "auto"
    """
    rules = composite_of(composite, first, epsilon, gamma, alpha, beta)
    check_layer(model, x, layer)
    return propagated(model, x, target, rules, low, high, gates, of, batch_size, layer)
