"""FullGrad: the input and every bias of the network, each with its gradient, seen as one map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Backend, Tensor
from ...errors import MethodError
from ..backpropagation.lrp.folding import Norms, find_norms
from ..backpropagation.rectifiers import refuse_programs
from ..cams.upsampling import resized
from ..checks import channels_second, check_flags, finite_gradient, finite_scores, pictures
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .full_gradients import FullGradients

# A map is flat if it varies by no more than so many times the precision of its largest value: by rounding.
_FLAT = 1000


@register(
    "fullgrad",
    family="gradients",
    paper="Full-Gradient Representation for Neural Network Visualization (Srinivas and Fleuret, 2019, "
    "arXiv:1905.00780)",
    needs="gradient",
    error="completeness residual: sum of the terms of the input and of all biases minus the explained score",
)
def fullgrad(
    model: Model,
    x: Array,
    target: Target,
    *,
    rescale: bool = True,
    of: Of = "logit",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``ψ(x ∂f/∂x) + Σ_l Σ_c ψ(b_c ∂f/∂z_c)`` over the channels c of all layers l, ψ = enlarge(rescale(|·|)).

    The layers are convolutions, called as layers or functions, and batch norms, whose bias is their shift in evaluation
    mode. The map has no sign. x is what enters the network: the picture after its preprocessing.

    Without ψ the terms add up to the score, ``f = Σ x ∂f/∂x + Σ b ∂f/∂z`` with the biases of linear layers, in networks
    of ReLUs, poolings and additions. Elsewhere the error says what is left out: activations other than ReLU, layer
    norms, products of activations, batch norms written as functions, and any `of` but the logit are not linear.
    ``extras["input"]`` and ``extras["biases"]`` are the two sums, signed; ``extras["input_map"]`` and
    ``extras["bias_map"]`` the two parts of the map.

    Parameters
    ----------
    rescale : bool
        Every map is moved and stretched to 0 to 1 before maps are added (the paper): all channels count alike, a flat
        one not at all. The authors' code stretches the channels of a layer together, as is done with those of the
        picture here. False adds them as they are, in the units of the score.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "fullgrad")
    check_flags(rescale=rescale)
    channels_second(model)
    refuse_programs(model)
    backend, listed = model.backend, per_sample(target, len(x))
    parts: list[dict[str, Array]] = []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.intercept({}):
        norms = find_norms(model, model.tensor(x[:1]), count=len(x) > 1)
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size, held=3)):
            parts.append(_terms(model, x[part], listed(part), of, norms, rescale))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scores, explained = finite_scores(found.pop("scores")), found.pop("explained")
    values = (found["input_map"] + found["bias_map"]).astype(x.dtype)
    error = ErrorEstimate(
        "completeness residual",
        found["input"] + found["biases"] - explained,
        "Sum of the terms of the input and of all biases, before ψ, minus the explained score (the scale). It is 0 up "
        "to rounding in networks of ReLUs and poolings; elsewhere it says how much of the score the map leaves out or "
        "invents.",
        explained,
    )
    extras = found | {name: found[name].astype(x.dtype) for name in ("input_map", "bias_map")}
    classes = None if callable(target) else class_targets(target, len(x), scores)
    return Attribution(values, scores, classes, error, extras)


def _terms(model: Model, x: Array, target: Target, of: Of, norms: Norms, rescale: bool) -> dict[str, Array]:
    """Scores, sums and maps of one chunk."""
    backend = model.backend
    leaf = backend.leaf(model.tensor(x))
    terms = FullGradients(model, norms, len(x), _sizes(backend, (2, 3), rescale))
    with terms.watched():
        scores = model.scores(leaf)
    if len(x) > 1 and norms.calls not in (None, terms.calls):
        raise MethodError(
            f"The network runs {terms.calls} linear layers and convolutions for {len(x)} samples, {norms.calls} for "
            "one: whose the terms of their biases are is not known.",
            "Pass batch_size=1, or write its forward without loops over the samples.",
        )
    explained = model.explained(scores, target, of)
    (gradient,) = backend.grad(backend.sum(explained), [leaf])
    finite_gradient(backend.numpy(gradient))
    # The channels of a picture belong together.
    picture = backend.numpy(_sizes(backend, (1, 2, 3), rescale)(terms.input))
    return {
        "scores": backend.numpy(scores),
        "explained": backend.numpy(explained).astype(np.float64),
        "input": backend.numpy(terms.input).sum(axis=(1, 2, 3), dtype=np.float64),
        "biases": terms.biases,
        "input_map": _enlarged([picture], x),
        "bias_map": _enlarged(terms.maps, x),
    }


def _sizes(backend: Backend, axes: tuple[int, ...], rescale: bool) -> Callable[[Tensor], Tensor]:
    """``Σ_c |·|``, maps (N, h, w) of native terms (N, C, h, w), brought to 0 to 1 along some axes before the sum."""

    def absolute(terms: Tensor) -> Tensor:
        return backend.sum(backend.abs(terms), 1)

    def rescaled(terms: Tensor) -> Tensor:
        sizes = backend.abs(terms)
        low, high = -backend.amax(-sizes, axes, keepdims=True), backend.amax(sizes, axes, keepdims=True)
        width = high - low
        flat = width <= _FLAT * float(np.finfo(backend.dtype(terms)).eps) * high
        # Not times a factor, which may be infinite for terms near the smallest numbers.
        return backend.sum(backend.where(flat, sizes * 0, (sizes - low) / backend.where(flat, width * 0 + 1, width)), 1)

    return rescaled if rescale else absolute


def _enlarged(maps: list[Array], x: Array) -> Array:
    """Sum of maps (N, h, w) of several sizes at the size of the pictures, (N, 1, H, W)."""
    total = np.zeros((len(x), *x.shape[2:]))
    for each in maps:
        total += resized(each.astype(np.float64), x.shape[2:])
    return total[:, None]
