"""Paddle's layers and torch's, one line each.

An entry makes the torch layer from the attributes of the Paddle layer, or says None where torch's layer has no such
setting; the layer is then rebuilt from the operations inside it. Numbers that Paddle keeps in single precision are
rounded to it, so that both networks agree in double precision as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...backends import get_backend
from ...backends.protocol import Net
from .from_paddle_entries import rrelu_slopes, single, softplus_number, torch_dtype
from .from_paddle_layer_settings import (
    adaptive,
    avg_pool,
    batch_norm,
    channels_first,
    conv,
    dropout,
    embedding,
    group_norm,
    instance_norm,
    layer_norm,
    linear,
    max_pool,
    pad,
    prelu,
    recurrent,
    selu,
    upsample,
)
from .torch_lazily import nn

_TRUSTED = ("paddle.nn.", "twinlens.backends.paddle_layers")
_RECURRENT_INPUTS = {"inputs", "initial_states"}
_MORE_INPUTS = {"LSTM": _RECURRENT_INPUTS, "GRU": _RECURRENT_INPUTS, "SimpleRNN": _RECURRENT_INPUTS}


def leaf_layer(layer: Net, inputs: Mapping[str, Any] | None = None) -> Any:
    """The torch layer that does the same, or None.

    Parameters
    ----------
    layer : paddle.nn.Layer
    inputs : mapping, optional
        What it is called with, by name. None: it is never called.
    """
    classes = type(layer).__mro__
    cls = next((each for each in classes if each.__name__ in LAYERS and each.__module__.startswith(_TRUSTED)), None)
    if cls is None or not _is_own_forward(layer, classes):
        return None
    given = [value for value in (inputs or {}).values() if value is not None]
    if len(given) > 1 and not set(inputs or ()) <= _MORE_INPUTS.get(cls.__name__, set()):
        return None
    x = given[0] if given else None
    try:
        module = LAYERS[cls.__name__](layer, x)
    except AttributeError:  # another release of Paddle, whose layer keeps its settings elsewhere
        return None
    if module is not None:
        for t in layer._parameters.values():
            if t is not None:
                module = module.to(torch_dtype(t))
                break
    return module


def _is_own_forward(layer: Net, classes: tuple[type, ...]) -> bool:
    """Whether the framework's forward runs, and not one that a subclass or the object itself brings along."""
    definer = next(each for each in classes if "forward" in vars(each))
    replaced = vars(layer).get("forward")
    # A double-precision copy averages by paddle.mean, see PaddleBackend.converted: the same layer, more exact.
    averages = getattr(getattr(replaced, "func", None), "__name__", "") == "mean"
    return definer.__module__.startswith(_TRUSTED) and (replaced is None or averages)


LAYERS: dict[str, Callable[[Net, Any], Any]] = {
    "Linear": linear,
    "Conv1D": conv(1),
    "Conv2D": conv(2),
    "Conv3D": conv(3),
    "Conv1DTranspose": conv(1, transposed=True),
    "Conv2DTranspose": conv(2, transposed=True),
    "Conv3DTranspose": conv(3, transposed=True),
    "BatchNorm": batch_norm(None),
    "BatchNorm1D": lambda layer, x: batch_norm(1)(layer, x),
    "BatchNorm2D": batch_norm(2),
    "BatchNorm3D": batch_norm(3),
    "LayerNorm": layer_norm,
    "GroupNorm": group_norm,
    "InstanceNorm1D": instance_norm(1),
    "InstanceNorm2D": instance_norm(2),
    "InstanceNorm3D": instance_norm(3),
    "LocalResponseNorm": lambda a, x: nn.LocalResponseNorm(a.size, a.alpha, a.beta, a.k) if channels_first(a) else None,
    "Embedding": embedding,
    "LSTM": recurrent("LSTM"),
    "GRU": recurrent("GRU"),
    "SimpleRNN": recurrent("RNN"),
    "MaxPool1D": max_pool(1),
    "MaxPool2D": max_pool(2),
    "MaxPool3D": max_pool(3),
    "AvgPool1D": avg_pool(1),
    "AvgPool2D": avg_pool(2),
    "AvgPool3D": avg_pool(3),
    "AdaptiveAvgPool1D": adaptive("AdaptiveAvgPool1d"),
    "AdaptiveAvgPool2D": adaptive("AdaptiveAvgPool2d"),
    "AdaptiveAvgPool3D": adaptive("AdaptiveAvgPool3d"),
    "AdaptiveMaxPool1D": adaptive("AdaptiveMaxPool1d"),
    "AdaptiveMaxPool2D": adaptive("AdaptiveMaxPool2d"),
    "AdaptiveMaxPool3D": adaptive("AdaptiveMaxPool3d"),
    "Dropout": dropout,
    "Dropout2D": lambda a, x: nn.Dropout2d(a.p) if channels_first(a) else None,
    "Dropout3D": lambda a, x: nn.Dropout3d(a.p) if channels_first(a) else None,
    "AlphaDropout": lambda a, x: nn.AlphaDropout(a.p),
    "Identity": lambda a, x: nn.Identity(),
    "Flatten": lambda a, x: nn.Flatten(a.start_axis, a.stop_axis),
    "Unflatten": lambda a, x: nn.Unflatten(a.axis, tuple(a.shape)),
    "Upsample": upsample,
    "UpsamplingNearest2D": upsample,
    "UpsamplingBilinear2D": upsample,
    "Pad1D": pad(1),
    "Pad2D": pad(2),
    "Pad3D": pad(3),
    "ZeroPad1D": pad(1),
    "ZeroPad2D": pad(2),
    "ZeroPad3D": pad(3),
    "PixelShuffle": lambda a, x: nn.PixelShuffle(a._upscale_factor) if channels_first(a) else None,
    "PixelUnshuffle": lambda a, x: nn.PixelUnshuffle(a._downscale_factor) if channels_first(a) else None,
    "ChannelShuffle": lambda a, x: nn.ChannelShuffle(a._groups) if channels_first(a) else None,
    "CELU": lambda a, x: nn.CELU(single(a._alpha)),
    "ELU": lambda a, x: nn.ELU(single(a._alpha)),
    "GELU": lambda a, x: nn.GELU("tanh" if a._approximate in (True, "tanh") else "none"),
    "GLU": lambda a, x: nn.GLU(a._axis),
    "Hardshrink": lambda a, x: nn.Hardshrink(single(a._threshold)),
    "Hardsigmoid": lambda a, x: nn.Hardsigmoid(),
    "Hardswish": lambda a, x: nn.Hardswish(),
    "Hardtanh": lambda a, x: nn.Hardtanh(single(a._min), single(a._max)),
    "LeakyReLU": lambda a, x: nn.LeakyReLU(a._negative_slope),
    "LogSigmoid": lambda a, x: nn.LogSigmoid(),
    "LogSoftmax": lambda a, x: nn.LogSoftmax(a._axis),
    "Mish": lambda a, x: nn.Mish(),
    "PReLU": prelu,
    "ReLU": lambda a, x: nn.ReLU(),
    "ReLU6": lambda a, x: nn.ReLU6(),
    "RReLU": lambda a, x: nn.RReLU(*rrelu_slopes(a._lower, a._upper)),
    "SELU": selu,
    "Sigmoid": lambda a, x: nn.Sigmoid(),
    "Silu": lambda a, x: nn.SiLU(),
    "Softmax": lambda a, x: nn.Softmax(a._axis),
    "Softmax2D": lambda a, x: nn.Softmax2d(),
    "Softplus": lambda a, x: nn.Softplus(softplus_number(a._beta), softplus_number(a._threshold)),
    "Softshrink": lambda a, x: nn.Softshrink(single(a._threshold)),
    "Softsign": lambda a, x: nn.Softsign(),
    "Swish": lambda a, x: nn.SiLU(),
    "Tanh": lambda a, x: nn.Tanh(),
    "Tanhshrink": lambda a, x: nn.Tanhshrink(),
    "ThresholdedReLU": lambda a, x: nn.Threshold(single(a._threshold), single(a._value)),
    "SamePad2d": lambda a, x: get_backend("torch").nn.SamePad2d(a.kernel_size, a.stride),
}
