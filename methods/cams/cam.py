"""The class activation map of networks that end in global average pooling and one linear layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model, per_sample
from ...backends.objective import Target, class_targets
from ...errors import MethodError, TargetError
from ..checks import check_flags, pictures
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .running import finished, look, parts, settled
from .target_layer import check_layer

_CURE = 'Use method="gradcam", which needs no such ending.'


def weights(linear: Array, classes: Array) -> Array:
    """The rows of the linear layer's weights (classes, K) that belong to the classes: (N, K)."""
    return linear[classes]


@register(
    "cam",
    family="cams",
    paper="Learning Deep Features for Discriminative Localization (Zhou et al., 2015, arXiv:1512.04150)",
    needs="activations",
    error="completeness residual: mean of the map plus the linear layer's bias, minus the logit",
)
def cam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_k w_ck A_k``: the linear layer's weights of class c on the maps whose means it is given.

    Only for networks whose logits are one linear layer of the global average of A: then the map's mean plus the bias is
    the logit, which is checked on every sample. The values are signed maps (N, 1, H, W) in the units of the logit,
    neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the layer whose means the linear layer is given; ``extras["layer"]`` says which
        that is.
    relu : bool
        True keeps only what speaks for the class, which the paper does not.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "cam")
    check_flags(relu=relu, upsample=upsample)
    if callable(target):
        raise TargetError("cam explains the logit of a class, not a function.", "Pass class numbers, or use gradcam.")
    ending = _find_ending(model, x, layer)
    listed = per_sample(target, len(x))
    maps, said, missed = [], [], []
    for part in parts(model, x, batch_size):
        seen = look(model, x[part], ending.layer)
        said.append(seen.scores)
        classes = class_targets(listed(part), len(seen.scores), seen.scores)
        chosen = weights(ending.weight, classes)
        maps.append(np.einsum("nk,nkhw->nhw", chosen, seen.activation))
        logits = seen.scores[np.arange(len(classes)), classes].astype(np.float64)
        missed.append(np.stack([maps[-1].mean(axis=(1, 2)) + ending.bias[classes] - logits, logits], axis=1))
        size = np.einsum("nk,nk->n", np.abs(chosen), np.abs(seen.activation).mean(axis=(2, 3)))
        if (np.abs(missed[-1][:, 0]) > _tolerance(model) * (size + np.abs(ending.bias[classes]))).any():
            raise MethodError(
                f"The means of layer '{ending.layer}' are not what makes the logits: cam does not hold.", _CURE
            )
    residual, logits = np.concatenate(missed).T
    joined = np.concatenate(said)
    return finished(
        x,
        np.concatenate(maps),
        joined,
        settled(target, joined),
        ending.layer,
        relu=relu,
        upsample=upsample,
        error=ErrorEstimate(
            "completeness residual",
            residual,
            "Mean of the signed map at the layer's own size, plus the bias, minus the logit (the scale): rounding.",
            logits,
        ),
    )


@dataclass(frozen=True)
class _Ending:
    layer: str
    weight: Array
    bias: Array


def _tolerance(model: Model) -> float:
    return float(np.sqrt(np.finfo(model.dtype).eps))


def _find_ending(model: Model, x: Array, layer: str | None) -> _Ending:
    """The linear layer that makes the logits, and the layer whose means it is given, seen in one run."""
    backend = model.backend
    modules = backend.modules(model.net)
    ran: list[str] = []
    heads: dict[str, tuple[Array, Array]] = {}
    means: dict[str, Array] = {}

    def watcher(name: str) -> Callable[[Any, Any, Any], None]:
        def watch(native: Any, inputs: Any, output: Any) -> None:
            ran.append(name)
            if not backend.is_tensor(output):
                return
            shape = backend.shape(output)
            if backend.kind(native) == "linear" and len(shape) == 2:
                heads[name] = backend.numpy(inputs[0]), backend.numpy(output)
            elif len(shape) == 4 and (shape[2] * shape[3] > 1 or name == layer):
                means[name] = backend.numpy(output).astype(np.float64).mean(axis=(2, 3))

        return watch

    check_layer(model, layer)
    model.measure(x[:1], {module: watcher(name) for name, module in modules.items()})
    scores = model.forward(x[:1])
    head = next((name for name in reversed(ran) if name in heads and _alike(model, heads[name][1], scores)), None)
    if head is None:
        raise MethodError("cam needs logits that one linear layer makes; here none does.", _CURE)
    times = Counter(ran)
    given = heads[head][0]
    averaged = [name for name in ran if times[name] == 1 and name in means and _alike(model, means[name], given)]
    if layer is None and not averaged:
        raise MethodError(
            f"cam needs global average pooling right before the linear layer; '{head}' is given the means of no layer.",
            _CURE,
        )
    if layer is not None and layer in means and layer not in averaged:
        better = f"Pass layer='{averaged[-1]}'." if averaged else _CURE
        raise MethodError(f"cam does not hold: '{head}' is not given the means of layer '{layer}'.", better)
    state = backend.state(modules[head])
    if "weight" not in state:
        raise MethodError(f"The linear layer '{head}' has no plain weights.", _CURE)
    weight = state["weight"].astype(np.float64)
    return _Ending(layer or averaged[-1], weight, state.get("bias", np.zeros(len(weight))).astype(np.float64))


def _alike(model: Model, a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() <= _tolerance(model) * max(np.abs(b).max(), 1e-30))
