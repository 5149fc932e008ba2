"""Build a network of one framework anew in the other, and make sure that it is the same network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ...backends import Model, get_backend
from ...backends.protocol import Array
from ...errors import BackendError, ModelError
from ..networks import whole
from ..probing import example_input
from .verification import verified

_BUILDERS = {
    ("torch", "paddle"): ("from_torch", "paddle_network"),
    ("paddle", "torch"): ("from_paddle", "torch_network"),
}


def convert(model: Model | Any, backend: str | None = None, x: Any = None) -> Model:
    """Build the counterpart of a network layer by layer, with the same weights under the same names.

    Parameters
    ----------
    model : Model or native network
        It comes back as it was.
    backend : {"torch", "paddle"}, optional
        The other framework.
    x : array (N, ...), optional
        An input, where neither `model.input_shape` nor the first layer says what the network takes. Conditions on
        shapes are decided by it.

    Returns
    -------
    Model
        With the source's preprocessing, labels, output, input shape and name. It was compared with its source: scores
        within 1e-4 and input gradients within 1e-3 in its own precision, within 1e-10 and 1e-9 in float64, but for
        what Paddle itself rounds.

    Raises
    ------
    ModelError
        Listing every layer and function that has no counterpart; or if the two networks differ.
    BackendError
        If the other framework is not installed, or it is the network's own.

    Examples
    --------
    >>> there = convert(tl.wrap(MyTorchNet()), x=pictures)
    >>> there.net  # a paddle.nn.Layer with the same layers
    """
    source = whole(model)
    other = get_backend(backend or next(b for a, b in _BUILDERS if a == source.backend.name))
    if (source.backend.name, other.name) not in _BUILDERS:
        raise BackendError(f"'{source.name}' is a network of {other.name} already.", "Leave backend out.")
    if source.dtype not in ("float32", "float64"):
        raise ModelError(
            f"'{source.name}' computes in {source.dtype}, which cannot be compared.", "Convert it to float32 first."
        )
    example = _example(source, x)
    module, function = _BUILDERS[source.backend.name, other.name]
    build = getattr(import_module(f".{module}", __package__), function)
    built = Model(
        build(source.net, _preprocessed(source, example)),
        other,
        source.preprocess,
        source.labels,
        source.output,
        source.input_shape,
        source.name,
    )
    if source.device in other.devices():
        other.to(built.net, source.device)
    built.load_state(source.state())
    verified(source, built, example)
    return built


def _example(source: Model, x: Any) -> Array:
    found = example_input(source, source) if x is None else x
    if found is None:
        shape = source.input_shape
        raise ModelError(
            f"Nothing says what input '{source.name}' takes."
            if shape is None
            else f"'{source.name}' does not run on an input of shape {(2, *shape)}.",
            "Pass x=, one batch of samples.",
        )
    array = np.asarray(source.backend.numpy(found) if source.backend.is_tensor(found) else found)
    return array if array.dtype.kind in "iu" and array.dtype != np.uint8 else source.check_input(array)


def _preprocessed(source: Model, x: Array) -> Any:
    """The input as the network itself gets it, native."""
    native = source.backend.asarray(x, None if x.dtype.kind in "iu" else source.dtype, source.device)
    return native if source.preprocess is None else source.preprocess(native)
