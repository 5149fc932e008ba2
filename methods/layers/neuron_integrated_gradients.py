"""Neuron integrated gradients: integrated gradients of one neuron inside the network."""

from __future__ import annotations

from dataclasses import replace

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..baselines import Baseline
from ..checks import finite_scores
from ..explanation import Array
from ..gradient_based.integrated_gradients import integrated_gradients
from ..quadrature import Rule
from ..registry import Attribution, register
from .neuron_model import NeuronModel
from .units import Neuron


@register(
    "neuron_integrated_gradients",
    family="layers",
    paper="Axiomatic Attribution for Deep Networks (Sundararajan et al., 2017, arXiv:1703.01365)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (neuron at x - neuron at the baseline)",
    targeted=False,
)
def neuron_integrated_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    neuron: Neuron,
    steps: int = 50,
    baseline: Baseline = 0.0,
    rule: Rule = "gauss_legendre",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``(x - baseline) · ∫₀¹ d neuron(baseline + α (x - baseline)) / d x  dα``.

    There is no target: the neuron takes its place. Its value for every sample is in ``extras["neuron"]``.

    Parameters
    ----------
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis. One that leaves axes over, such as the channel of a
        convolution, means the sum of all its units.
    steps : int
        Points on the path.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        Where the path starts, as for ``integrated_gradients``.
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        How the integral is approximated.
    seed : int
        Of the noise baseline.
    tolerance : float, optional
        Relative completeness residual to reach; `steps` is then only the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    batch_size : int or "auto"
    """
    found = integrated_gradients(
        NeuronModel(model, layer, neuron),
        x,
        0,
        steps=steps,
        baseline=baseline,
        rule=rule,
        seed=seed,
        tolerance=tolerance,
        max_evaluations=max_evaluations,
        max_seconds=max_seconds,
        batch_size=batch_size,
    )
    scores = finite_scores(model.forward(x, batch_size))
    return replace(found, scores=scores, target=None, extras={"neuron": found.scores[:, 0]})
