"""Rebuild a Paddle network in torch and hold both against each other in double precision."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinlens.backends import get_backend
from twinlens.comparison.conversion.from_paddle import torch_network

from ...frameworks import need


@dataclass(frozen=True)
class Gap:
    """The largest differences of outputs and input gradients, relative to the largest number."""

    values: float
    gradient: float
    built: Any


Observed = tuple[list[np.ndarray], np.ndarray | None]
"""Output tensors, and the gradient of a random sum of them."""


def formula(forward: Callable[..., Any], **parts: Any) -> Any:
    """A network whose forward is ``forward(net, x)``, or ``forward(x)`` where it has no layers and weights."""
    paddle = importlib.import_module("paddle")

    class Formula(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, x: Any) -> Any:
            return forward(self, x) if parts else forward(x)

    return Formula()


def tensors(output: Any) -> list[Any]:
    """All tensors in a structure, in order."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [t for part in output for t in tensors(part)]
    return [output] if hasattr(output, "shape") else []


def randomised(net: Any, seed: int = 0, dtype: str = "float64") -> Any:
    """A copy in evaluation mode with other weights and statistics than a fresh network has."""
    backend, rng = need("paddle"), np.random.default_rng(seed)
    net = backend.converted(net, dtype)
    net.eval()
    for name, t in net.state_dict().items():
        array = t.numpy()
        if name.endswith("_variance"):
            t.set_value(rng.uniform(0.5, 1.5, array.shape).astype(array.dtype))
        elif array.dtype.kind == "f" and array.ndim < 2:
            t.set_value((array + rng.normal(0, 0.1, array.shape)).astype(array.dtype))
    return net


def side_by_side(parts: dict[str, Any]) -> Any:
    """A network that gives its input to many layers or functions and returns what each makes of it."""
    paddle = importlib.import_module("paddle")

    class SideBySide(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.layers = paddle.nn.LayerList([part for part in parts.values() if isinstance(part, paddle.nn.Layer)])

        def forward(self, x: Any) -> Any:
            return {name: part(x) for name, part in parts_of(self).items()}

    def parts_of(net: Any) -> dict[str, Any]:
        layers = iter(net.layers)
        return {name: next(layers) if isinstance(part, paddle.nn.Layer) else part for name, part in parts.items()}

    return SideBySide()


def rebuilt(net: Any, x: np.ndarray) -> Any:
    """The torch network with the weights of `net`; `x` is converted to the type that these have."""
    paddle, torch = need("paddle"), need("torch")
    types = {array.dtype for array in paddle.state(net).values()}
    if x.dtype.kind == "f" and len(types) == 1:
        x = x.astype(types.pop())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = torch_network(net, x)
    torch.load(built, paddle.state(net))
    return built.eval()


def gap(net: Any, x: np.ndarray, other: np.ndarray | None = None) -> Gap:
    """Rebuild `net` for `x` and compare on `other` (on `x` where it is not given)."""
    built = rebuilt(net, x)
    return compared(net, built, x if other is None else other)[""]


def gaps(net: Any, x: np.ndarray, other: np.ndarray | None = None) -> dict[str, Gap]:
    """The same, for each entry of the dictionary that `net` returns."""
    built = rebuilt(net, x)
    return compared(net, built, x if other is None else other)


def compared(net: Any, built: Any, x: np.ndarray) -> dict[str, Gap]:
    """Hold two networks against each other, each entry of what they return (``""`` where it is no dictionary)."""
    expected, found = (_observed(each, x) for each in (net, built))
    assert expected.keys() == found.keys()
    return {name: _gap(expected[name], found[name], built) for name in expected}


def _gap(expected: Observed, found: Observed, built: Any) -> Gap:
    (values, gradient), (others, other) = expected, found
    assert [(v.shape, v.dtype) for v in values] == [(v.shape, v.dtype) for v in others]
    apart = max(_relative(a, b) for a, b in zip(values, others, strict=True))
    assert (gradient is None) == (other is None)
    return Gap(apart, 0.0 if gradient is None or other is None else _relative(gradient, other), built)


def _observed(net: Any, x: np.ndarray) -> dict[str, Observed]:
    backend = get_backend(net)
    with backend.frozen(net):
        real = x.dtype.kind == "f"
        leaf = backend.leaf(backend.asarray(x)) if real else backend.asarray(x)
        # A leaf could not be changed in place.
        returned = net(leaf * 1)
        entries = returned if isinstance(returned, dict) else {"": returned}
        return {
            name: (
                [backend.numpy(t) for t in tensors(output)],
                _gradient(backend, tensors(output), leaf) if real else None,
            )
            for name, output in entries.items()
        }


def _gradient(backend: Any, outputs: list[Any], leaf: Any) -> np.ndarray | None:
    rng, total = np.random.default_rng(1), None
    for t in outputs:
        weights = rng.normal(size=backend.shape(t))
        if "float" in backend.dtype(t):
            part = backend.sum(t * backend.asarray(weights, backend.dtype(t)))
            total = part if total is None else total + part
    if total is None or not (total.requires_grad if backend.name == "torch" else not total.stop_gradient):
        return None
    grad = importlib.import_module({"torch": "torch.autograd", "paddle": "paddle"}[backend.name]).grad
    (gradient,) = grad(total, [leaf], retain_graph=True, allow_unused=True)
    return None if gradient is None else backend.numpy(gradient)


def _relative(expected: np.ndarray, found: np.ndarray) -> float:
    expected, found = np.asarray(expected, "float64"), np.asarray(found, "float64")
    assert np.array_equal(np.isnan(expected), np.isnan(found))
    if expected.size == 0:
        return 0.0
    return float(np.nanmax(np.abs(expected - found)) / max(np.nanmax(np.abs(expected)), 1e-30))
