"""Shapley-CAM: a convolution's maps, each weighted with its mean gradient and what curvature takes off it."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.failures import in_one_line, raised_by
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...backends.protocol import Backend, Tensor
from ...errors import MethodError
from ..explanation import Array
from ..registry import Attribution, register
from .gradcam import weights
from .running import map_by_gradient, weighted


def second_order(backend: Backend, total: Tensor, activation: Tensor) -> Tensor:
    """``g - H A / 2`` of a native scalar: its gradient by the activation, and the product of its Hessian with that.

    Shapley values share ``U(A) - U(0)`` out; of the utility's expansion around A up to the second order they are this,
    times A.
    """
    try:
        (gradient,) = backend.grad(total, [activation], create_graph=True)
        # Where the gradient is the same for all activations its graph may end before them; the 0 leads there.
        along = backend.sum(gradient * backend.detach(activation)) + 0 * backend.sum(activation)
        (product,) = backend.grad(along, [activation])
    except Exception as error:  # each framework, and each of their operations, refuses in another way
        if not raised_by(error, backend.name):
            raise
        raise MethodError(
            f"shapleycam differentiates twice, which fails here: {in_one_line(error)}.",
            'Choose a layer behind that operation, method="gradcam", or the network in the other framework: '
            "twinlens.twin(model).",
        ) from error
    return gradient - product * 0.5


@register(
    "shapleycam",
    family="cams",
    paper="CAMs as Shapley Value-based Explainers (Cai, 2025, arXiv:2501.06261)",
    needs="gradient",
    error="completeness residual: sum of the signed map minus (score - score with the layer's output set to 0)",
)
def shapleycam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    relu: bool = True,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``ReLU(Σ_k w_k A_k)`` with ``w_k`` the mean over space of ``(g - H A / 2)_k``, g and H the derivatives by A.

    g is the gradient of the score and H its Hessian. For a logit of a network that is piecewise linear behind A, as
    ReLU, pooling and linear layers are, H is 0 and the map is that of gradcam; a probability is curved in every
    network. Every operation behind A has to have a second derivative. Torch lacks few of them, Paddle many: of those,
    batch, layer and group norm, maximum pooling, flatten, softmax, dropout, depthwise convolution and the common
    activations are differentiated in another way here. What is left, as resizing, PReLU, Mish and ``x[::2]`` on Paddle,
    is refused by name, and so is Paddle 2.6. The values are maps in the units of the score, (N, 1, H, W), neither
    shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        False keeps what speaks against the class, too.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    with model.backend.twice_differentiable():
        return map_by_gradient(
            model,
            x,
            target,
            weighted(weights),
            "shapleycam",
            layer=layer,
            of=of,
            relu=relu,
            upsample=upsample,
            batch_size=batch_size,
            shares_score=True,
            to_gradient=lambda total, activation: second_order(model.backend, total, activation),
            held=4,
        )
