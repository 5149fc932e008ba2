"""β-smoothing: the gradient of the network with its ReLUs rounded off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ...backends.protocol import Backend, OperationRule, Tensor
from ...errors import MethodError
from ..checks import check_flags, finite, finite_gradient, finite_scores
from ..evaluation import score
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .rectifiers import RELUS, counted_rules, without_rule


@register(
    "beta_smooth",
    family="backpropagation",
    paper="Explanations can be manipulated and geometry is to blame (Dombrowski et al., 2019, arXiv:1906.07983)",
    needs="gradient",
    error="smoothing gap: explained score of the smoothed network minus that of the network itself",
)
def beta_smooth(
    model: Model,
    x: Array,
    target: Target,
    *,
    beta: float = 10.0,
    forward: bool = True,
    of: Of = "logit",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Gradient of the network with ``log(1 + exp(βx)) / β`` in the place of ``max(x, 0)``.

    Its slope is ``sigmoid(βx)`` in the place of a step, so that the gradient does not jump between neighbouring inputs.
    ReLU6, which is ``max(x, 0) - max(x - 6, 0)``, is rounded off at both ends. The network itself chooses the class.
    With a small β the smoothed network says other things than the network does: the error tells how far the two are
    apart, and ``extras["smoothed_scores"]`` what it says.

    Other rectifiers stay as they are; those met are named in ``extras["without_rule"]``, as by `guided_backprop`. A
    network without any ReLU is refused: the result would be saliency.

    Parameters
    ----------
    beta : float
        The larger, the nearer to the plain gradient.
    forward : bool
        False leaves the way forward as it is and takes ``sigmoid(βx)`` for the slope of its ReLUs, as zennit does: no
        network's gradient, but the scores stay. For a single layer of ReLUs the two are the same.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    batch_size : int or "auto"
        How many samples run at once.
    """
    beta = finite("beta", beta)
    if beta <= 0:
        raise MethodError(f"beta={beta:g} is not above 0.", "Pass beta=10, for example; large ones change little.")
    if beta > np.sqrt(np.finfo(model.dtype).max):
        raise MethodError(
            f"beta={beta:g} times an activation goes beyond {model.dtype}.",
            "Pass beta=1000, for example, or choose saliency, to which large ones come.",
        )
    check_flags(forward=forward)
    backend = model.backend
    scored = score(model, x, target, of, batch_size)
    listed = per_sample(scored.resolved, len(x))
    rounded = _rounded if forward else _rounded_slope
    rules = {name: rounded(backend, beta, corners) for name, corners in zip(RELUS, ((0,), (0, 6)), strict=True)}
    values, explained, scores, met = [], [], [], Counter[str]()
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size, held=4)):
            with counted_rules(model, "beta_smooth", rules, "Choose saliency: these are smooth already.") as met:
                native, numbers, gradient = model.score_gradient(model.tensor(x[part]), listed(part), of)
            values.append(finite_gradient(backend.numpy(gradient)))
            explained.append(backend.numpy(numbers))
            scores.append(backend.numpy(native))
    gap = ErrorEstimate(
        "smoothing gap",
        np.concatenate(explained).astype(np.float64) - scored.explained,
        "Explained score of the smoothed network minus that of the network itself (the scale). A larger beta makes it "
        "smaller.",
        scored.explained.astype(np.float64),
    )
    extras = {
        "without_rule": without_rule(model, met, RELUS),
        "smoothed_scores": finite_scores(np.concatenate(scores)),
    }
    return Attribution(np.concatenate(values), scored.scores, scored.target, gap, extras)


def _rounded(backend: Backend, beta: float, corners: tuple[int, ...]) -> OperationRule:
    """``Σ ± log(1 + exp(β (x - corner))) / β``, signs in turn."""

    def rule(call: Callable[..., Tensor], x: Tensor) -> Tensor:
        parts = [-_shares(backend, backend.log_softmax, beta, x - corner)[1] / beta for corner in corners]
        return parts[0] if len(parts) == 1 else parts[0] - parts[1]

    return rule


def _rounded_slope(backend: Backend, beta: float, corners: tuple[int, ...]) -> OperationRule:
    """The operation itself, with ``Σ ± sigmoid(β (x - corner))`` for its slope."""

    def rule(call: Callable[..., Tensor], x: Tensor) -> Tensor:
        z = backend.detach(x) * 1

        def vjp(signal: Tensor) -> list[Tensor]:
            slopes = [_shares(backend, backend.softmax, beta, z - corner)[0] for corner in corners]
            return [signal * (slopes[0] if len(slopes) == 1 else slopes[0] - slopes[1])]

        return backend.with_vjp(call(x), [x], vjp, own=True)

    return rule


def _shares(backend: Backend, softmax: Callable[[Tensor, int], Tensor], beta: float, x: Tensor) -> Tensor:
    """A softmax, or its logarithm, of βx against 0: the first of the two is sigmoid(βx), whatever overflows."""
    both = backend.reshape(beta * x, (1, *backend.shape(x)))
    return softmax(backend.concat([both, both * 0]), 0)
