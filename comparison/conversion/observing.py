"""Run a network once: everything that it returns, the gradient of all of it, and what its layers compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends import Model
from ...backends.protocol import Array, Net, Tensor
from ...errors import NoGradientError
from ..probing import difference, relative

_LEAST_GRADIENT = 1e-4
"""Relative to the slope. At the limits of `verification` that is 1e-7 in single and 1e-13 in double precision."""


@dataclass(frozen=True)
class Observation:
    """What a network returns for an input, and what changes it.

    Attributes
    ----------
    outputs : list of ndarray
    gradient : ndarray or None
        Input gradient of a random sum of the outputs; None where it has none.
    slope : float
        The largest output over the largest input: how large a gradient may be expected to be.
    """

    outputs: list[Array]
    gradient: Array | None
    slope: float

    @property
    def finite(self) -> bool:
        """Whether there is no NaN or infinity in it."""
        arrays = self.outputs if self.gradient is None else [*self.outputs, self.gradient]
        return all(bool(np.isfinite(array).all()) for array in arrays)

    def apart(self, other: Observation) -> tuple[float, list[float]]:
        """How far another's scores are off, and its gradient for each sample, relative to the largest of this one's."""
        scores = difference(self.outputs, other.outputs)
        if self.gradient is None or other.gradient is None:
            return scores, [0.0 if self.gradient is other.gradient else float("inf")]
        # The gradient may be 0 but for rounding, as behind the sum of a softmax: rounding is not held against that.
        least = _LEAST_GRADIENT * self.slope
        return scores, [relative(a, b, least) for a, b in zip(self.gradient, other.gradient, strict=True)]


def observe(model: Model, x: Array) -> Observation:
    """Run a network and differentiate it, in evaluation mode.

    Parameters
    ----------
    model : Model
    x : ndarray (N, ...)
        Whole numbers, such as tokens, are given to the network as they are.
    """
    backend = model.backend
    with backend.frozen(model.net):
        native = backend.asarray(x, None if x.dtype.kind in "iu" else model.dtype, model.device)
        leaf = native if x.dtype.kind in "iu" else backend.leaf(native)
        outputs = _returned(model, leaf)
        gradient = None if leaf is native else _gradient(model, outputs, leaf)
        arrays = [backend.numpy(t) for t in outputs]
        largest = max((float(np.abs(array).max(initial=0.0)) for array in arrays), default=0.0)
        return Observation(arrays, gradient, largest / (float(np.abs(x).max(initial=0.0)) or 1.0))


def _returned(model: Model, native: Tensor) -> list[Tensor]:
    # A copy, because a network may begin with an operation in place.
    copied = native * 1
    output = model.net(copied if model.preprocess is None else model.preprocess(copied))
    return _tensors(model, output if model.output is None else model.output(output))


def _tensors(model: Model, output: Any) -> list[Tensor]:
    if model.backend.is_tensor(output):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    return [t for item in output for t in _tensors(model, item)] if isinstance(output, (list, tuple)) else []


def _gradient(model: Model, outputs: list[Tensor], leaf: Tensor) -> Array | None:
    backend, rng = model.backend, np.random.default_rng(0)
    total: Any = 0.0
    for t in outputs:
        weights = rng.normal(size=backend.shape(t))
        if "float" in backend.dtype(t):
            total = total + backend.sum(t * backend.asarray(weights, backend.dtype(t), model.device))
    try:
        return backend.numpy(backend.grad(total, [leaf])[0])
    except (NoGradientError, AttributeError):
        return None


def first_divergence(source: Model, built: Model, x: Array, limit: float) -> str:
    """Name the first layer whose output differs, as the end of a sentence; empty where no layer of its own does."""
    expected, found = (_activations(model, x) for model in (source, built))
    for name, value in expected.items():
        if name in found and difference([value], [found[name]]) > limit:
            kind = source.backend.kind(source.layer(name))
            return f"; the first layer to differ is '{name}' ({kind})" if name else ""
    return ""


def _activations(model: Model, x: Array) -> dict[str, Array]:
    """What each layer computes the first time that it runs, in the order in which they finish."""
    kept: dict[str, Array] = {}

    def keeper(name: str) -> Callable[[Net, Any, Any], None]:
        def keep(_layer: Net, _inputs: Any, output: Any) -> None:
            if name not in kept and model.backend.is_tensor(output):
                kept[name] = model.backend.numpy(output)

        return keep

    handles = [model.backend.on_exit(layer, keeper(name)) for name, layer in model.backend.modules(model.net).items()]
    try:
        observe(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return kept
