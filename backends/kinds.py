"""One vocabulary for what a layer is, whichever framework it comes from."""

from __future__ import annotations

import re
import sys

# Acronyms that a general rule would cut in pieces.
_WORDS = {"ReLU": "Relu", "GELU": "Gelu", "SiLU": "Silu", "CELU": "Celu", "SELU": "Selu", "ELU": "Elu", "2D": "2d"}
_WORDS |= {"1D": "1d", "3D": "3d", "LSTM": "Lstm", "GRU": "Gru", "RNN": "Rnn", "UnPool": "Unpool"}
# Paddle's word, or torch's own long one, for what torch calls otherwise.
_ALIASES = {
    "swish": "silu",
    "conv1d_transpose": "conv_transpose1d",
    "conv2d_transpose": "conv_transpose2d",
    "conv3d_transpose": "conv_transpose3d",
    "simple_rnn": "rnn",
    "simple_rnn_cell": "rnn_cell",
    "layer_list": "module_list",
    "layer_dict": "module_dict",
    "multi_head_attention": "multihead_attention",
    "non_dynamically_quantizable_linear": "linear",
}


def kind_of(layer: object, framework: str) -> str:
    """Name the kind of a layer: ``Conv2d`` and ``Conv2D`` are both ``"conv2d"``.

    A subclass of a framework's layer has the kind of that layer; any other class its own name. Where the framework has
    a layer of that name too, which may keep its weights in another way, it is ``"own_linear"``.

    Parameters
    ----------
    layer : object
        A layer of either framework.
    framework : str
        The package that the framework's own layers live in, ``"torch"`` or ``"paddle"``.
    """
    classes = [cls for cls in type(layer).__mro__ if cls.__module__.startswith(f"{framework}.nn.")]
    known = next((cls for cls in classes if cls.__name__ not in ("Module", "Layer")), None)
    name = (known or type(layer)).__name__
    namesake = known is None and hasattr(sys.modules.get(f"{framework}.nn"), name)
    for word, plain in _WORDS.items():
        name = name.replace(word, plain)
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"own_{kind}" if namesake else _ALIASES.get(kind, kind)
