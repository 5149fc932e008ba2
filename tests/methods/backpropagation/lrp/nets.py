"""Networks for relevance propagation, built from a backend's layers with one seed for both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twinlens.backends import Backend, Model, wrap

COMPOSITES = (
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "zero",
    "epsilon",
    "gamma",
    "plus",
    "alpha_beta",
    "excitation_backprop",
)


def signed(model: Model, seed: int = 0) -> Model:
    """Weights, biases and scales of batch norms of both signs, from a seed."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, array in sorted(model.state().items()):
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, array.shape)
        elif array.ndim == 1:
            state[name] = rng.normal(0, 0.5, array.shape)
        else:
            state[name] = rng.normal(0, (2 / np.prod(array.shape[1:])) ** 0.5, array.shape)
    model.load_state(state)
    return model


def sequential(backend: Backend, *layers: Any, seed: int = 0, dtype: str = "float64") -> Model:
    return signed(wrap(backend.nn.Sequential(*layers), dtype=dtype), seed)


def network(
    backend: Backend, forward: Callable[[Any, Any], Any], seed: int = 0, dtype: str = "float64", **layers: Any
) -> Model:
    """Named layers joined by a function."""
    return signed(wrap(backend.nn.Module(forward, **layers), dtype=dtype), seed)


def like(backend: Backend, forward: Callable[[Any, Any], Any], model: Model, **layers: Any) -> Model:
    """Another network with the same names and weights."""
    other = wrap(backend.nn.Module(forward, **layers), dtype=model.dtype)
    other.load_state(model.state())
    return other


def folded_state(state: dict[str, np.ndarray], pairs: dict[str, str]) -> dict[str, np.ndarray]:
    """Weights of the network without its batch norms: ``{layer: batch norm that follows}`` computed by hand."""
    state = dict(state)
    for layer, norm in pairs.items():
        eps = float(np.float32(1e-5))
        scale = state.pop(f"{norm}.weight") / np.sqrt(state.pop(f"{norm}.running_var") + eps)
        mean, shift = state.pop(f"{norm}.running_mean"), state.pop(f"{norm}.bias")
        weight = state[f"{layer}.weight"]
        bias = state.get(f"{layer}.bias", np.zeros(len(weight)))
        state[f"{layer}.weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        state[f"{layer}.bias"] = (bias - mean) * scale + shift
    return state


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-10) -> bool:
    """Whether two maps differ by less than a share of the largest value."""
    return bool(np.abs(a - b).max() <= tolerance * np.abs(b).max())
