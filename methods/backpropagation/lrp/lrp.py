"""Layer-wise relevance propagation: the method itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ....backends.chunks import BatchSize, chunk_size, chunks
from ....backends.layer_outputs import check_real
from ....backends.model import Model, per_sample
from ....backends.objective import Of, Target, class_targets
from ....backends.protocol import Net, Tensor
from ....errors import InputError, MethodError, NoGradientError
from ...checks import baseline_like, channels_second, finite_gradient, finite_scores
from ...explanation import Array, ErrorEstimate
from ...registry import Attribution, register
from .composites import Composite, CompositeName, First, composite_of
from .folding import Norms, ScaleShift, find_norms
from .propagation import Propagation, input_of_first_layer
from .rules import Box

Place: TypeAlias = tuple[Tensor, ScaleShift | None]
"""Where relevance is read off: the input or what a layer returned, and the batch norm that is part of that layer."""

# Layers with weights that no rule sees, and programs that a framework runs by itself.
_UNSEEN = {
    "conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "bilinear",
    "rnn", "lstm", "gru", "simple_rnn", "rnn_cell", "lstm_cell", "gru_cell",
    "recursive_script_module", "script_module", "top_level_traced_module", "traced_module", "translated_layer",
}  # fmt: skip


@register(
    "lrp",
    family="backpropagation",
    paper=(
        "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation "
        "(Bach et al., 2015, doi:10.1371/journal.pone.0130140)"
    ),
    needs="gradient",
    error="conservation residual: sum of the relevance minus the relevance of the scores (for a logit, the score)",
)
def lrp(
    model: Model,
    x: Array,
    target: Target,
    *,
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
    """``R_i = Σ_j p_ij / Σ_i p_ij · R_j`` from the score back to the input, layer by layer, with parts p by rule.

    ReLU and other activations hand relevance on, max pooling to the winner, additions and average pooling in proportion
    to what they add; a batch norm right after a convolution or linear layer counts as part of it. Batch norms elsewhere
    and a normalisation of the input are layers of their own with LRP-0. ``composite="zero"`` is gradient × input for a
    network of ReLUs.

    Products of two activations and layer norms do not conserve relevance. The result says how much was lost where:
    ``extras["biases"]`` and ``extras["stabiliser"]`` are what biases and epsilon took; ``extras["elsewhere"]`` is the
    rest of the residual, which is 0 up to rounding if every operation is covered.

    Parameters
    ----------
    composite : str
        Rules for convolutions and for linear layers, and for the first layer: ``"epsilon_gamma_box"`` (γ, ε, zB),
        ``"epsilon_plus"`` and ``"epsilon_plus_flat"`` (z⁺, ε, and flat), ``"epsilon_alpha2_beta1"`` and
        ``"epsilon_alpha2_beta1_flat"`` (α=2 β=1, ε, and flat); one rule for all layers: ``"zero"``, ``"epsilon"``,
        ``"gamma"``, ``"plus"`` (z⁺), ``"alpha_beta"``, ``"excitation_backprop"`` (z⁺ in which the layers' biases have
        no share, so that they take nothing; divided by the score it is the probability of Zhang et al., 2016,
        arXiv:1608.00507).
    first : {"box", "flat", "w_squared", "same"}, optional
        Rule of the first layer in place of the composite's own; ``"same"`` is that of the other layers.
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
        Outputs of sigmoid, hardsigmoid and softmax are constant factors that get no relevance, as in
        squeeze-and-excitation blocks and attention. Not for a network that ends with one of them.
    of : {"logit", "probability", "log_probability", "loss"}
        Relevance starts as score × derivative of this number by the score: for a logit, as the score.
    batch_size : int or "auto"
    """
    rules = composite_of(composite, first, epsilon, gamma, alpha, beta)
    return propagated(model, x, target, rules, low, high, gates, of, batch_size)


def propagated(
    model: Model,
    x: Array,
    target: Target,
    composite: Composite,
    low: Any,
    high: Any,
    gates: bool,
    of: Of,
    batch_size: BatchSize,
    layer: str | None = None,
) -> Attribution:
    """Relevance of the inputs, or of the units of a layer; the rest as for `lrp`.

    The books are those of the way from the scores to there.
    """
    backend = model.backend
    # A layer's rule keeps the parts that it shares out, beside the layer's output.
    size = chunk_size(model, x.shape[1:], len(x), batch_size, held=4)
    if layer is not None and not _comes_before_the_first(model, x[:size], layer):
        composite = replace(composite, first=None)
    bounds = _bounds(low, high, x, composite)
    _check_layers(model)
    listed = per_sample(target, len(x))
    parts: list[tuple[Array, Array, dict[str, Array]]] = []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.intercept({}):
        norms = find_norms(model, model.tensor(x[:1]), count=len(x) > 1)
        for part in chunks(len(x), size):
            limits = bounds[0][part], bounds[1][part]
            parts.append(_relevance(model, x[part], limits, listed(part), of, composite, norms, gates, layer))
    values, scores = (np.concatenate([piece[i] for piece in parts]) for i in (0, 1))
    books = {name: np.concatenate([piece[2][name] for piece in parts]) for name in parts[0][2]}
    started, scores = books.pop("started"), finite_scores(scores)
    residual = values.reshape(len(values), -1).sum(axis=1, dtype=np.float64) - started
    books["elsewhere"] = -residual - books["biases"] - books["stabiliser"]
    classes = None if callable(target) else class_targets(target, len(x), scores)
    estimate = ErrorEstimate(
        "conservation residual",
        residual,
        "Sum of the relevance minus that of the scores (the scale). Less the extras 'biases' and 'stabiliser', which "
        "say what these took, the extra 'elsewhere' is left: 0 up to rounding if every operation is covered"
        + ("." if layer is None else " and nothing goes around the layer."),
        started,
    )
    return Attribution(finite_gradient(values), scores, classes, estimate, books)


def _comes_before_the_first(model: Model, x: Array, layer: str) -> bool:
    """Whether what a layer returned reaches the first linear layer or convolution, whose rule then concerns it."""
    backend = model.backend
    outputs: list[Tensor] = []

    def keep(_layer: Net, _inputs: Any, output: Tensor) -> Tensor:
        check_real(backend.dtype(output), layer)
        outputs.append(output)
        return output * 1

    with backend.frozen(model.net), model.hook(layer, post=keep):
        received = input_of_first_layer(model, backend.leaf(model.tensor(x)))
        if received is None or not outputs:
            return False
        try:
            backend.grad(backend.sum(received), outputs)
        except NoGradientError:
            return False
    return True


def _relevance(
    model: Model,
    x: Array,
    bounds: tuple[Array, Array],
    target: Target,
    of: Of,
    composite: Composite,
    norms: Norms,
    gates: bool,
    layer: str | None,
) -> tuple[Array, Array, dict[str, Array]]:
    """Relevance, scores and books of one chunk."""
    backend = model.backend
    leaves = [backend.leaf(model.tensor(x))]
    propagation = Propagation(backend, composite, norms, leaves[0], gates)
    with _watched(model, propagation, layer) as watched:
        if composite.needs_box:
            leaves += [backend.leaf(model.tensor(bound)) for bound in bounds]
            propagation.box = input_of_first_layer(model, leaves[1]), input_of_first_layer(model, leaves[2])
        with propagation.rules():
            scores = model.scores(leaves[0])
    if propagation.calls == 0:
        raise MethodError(
            "The network has no linear layer or convolution that a rule could apply to.",
            "Write them as layers or functions (not as x @ w), or choose input_x_gradient.",
        )
    if norms.calls not in (None, propagation.calls):
        raise MethodError(
            f"The network runs {propagation.calls} linear layers and convolutions for {len(x)} samples, {norms.calls} "
            "for one: which of them is the first, or stands before a batch norm, depends on the batch.",
            "Pass batch_size=1, or write its forward without loops over the samples.",
        )
    propagation.start(scores)
    explained = model.explained(scores, target, of)
    places: list[Place] = [(leaf, None) for leaf in leaves] if layer is None else watched
    gradients = backend.grad(backend.sum(explained), [output for output, _ in places])
    values = sum(
        backend.numpy(propagation.relevance(output, norm, c))
        for (output, norm), c in zip(places, gradients, strict=True)
    )
    books = propagation.books
    booked = {"started": books.started, "biases": books.biases, "stabiliser": books.stabiliser}
    return (
        np.asarray(values, dtype=x.dtype),
        backend.numpy(scores),
        {name: backend.numpy(t).astype(np.float64) for name, t in booked.items()},
    )


@contextmanager
def _watched(model: Model, propagation: Propagation, layer: str | None) -> Iterator[list[Place]]:
    """What a layer returns in the runs meanwhile."""
    backend = model.backend
    found: list[Place] = []

    def keep(native: Net, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        check_real(backend.dtype(output), layer or native)
        # Behind an embedding of whole numbers the graph begins here; a gate, which cuts it, stays without relevance.
        real = [t for t in (output, *inputs) if backend.is_tensor(t) and "float" in backend.dtype(t)]
        if not any(map(backend.takes_gradient, real)):
            output = backend.leaf(output)
        found.append((output, propagation.norm_behind(output)))
        return propagation.copied(output)

    with nullcontext() if layer is None else model.hook(layer, post=keep):
        yield found


def _bounds(low: Any, high: Any, x: Array, composite: Composite) -> tuple[Array, Array]:
    """The box of the inputs; every input must lie in it if the rule is zB."""
    bounds = baseline_like(low, x), baseline_like(high, x)
    if not (bounds[0] < bounds[1]).all():
        raise MethodError(f"low={low!r} is not below high={high!r}.", "Pass low=0, high=1 for pictures, for example.")
    if not isinstance(composite.first, Box):
        return bounds
    slack = 1e-5 * (bounds[1] - bounds[0])
    outside = (x < bounds[0] - slack) | (x > bounds[1] + slack)
    if outside.any():
        raise InputError(
            f"The input holds {x[outside][0]:.3g}, outside of low={low!r} to high={high!r}, between which the rule of "
            "the first layer expects it.",
            'Pass low= and high= of your data, or first="w_squared", which knows no bounds.',
        )
    return bounds


def _check_layers(model: Model) -> None:
    channels_second(model)
    for name, layer in model.backend.modules(model.net).items():
        kind = model.backend.kind(layer)
        if kind in _UNSEEN:
            raise MethodError(
                f"{f'Layer {name!r}' if name else 'The network'} is a {type(layer).__name__}, for which there is no "
                "relevance rule.",
                "Choose integrated_gradients, which takes any network.",
            )
