"""Small networks built natively on either framework: same formula, same weights, same answers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from twinlens.backends import Backend, Model, wrap

PICTURE = (3, 8, 8)
CLASSES = 5


def random_state(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Weights of moderate size and batch-norm statistics unlike the initial 0 and 1, the same for every framework."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in sorted(shapes.items()):
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("running_mean"):
            state[name] = rng.normal(0, 0.1, shape)
        elif len(shape) == 1:
            state[name] = rng.normal(1 if name.endswith("weight") else 0, 0.1, shape)
        else:
            state[name] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
    return state


def randomise(model: Model, seed: int = 0) -> Model:
    model.load_state(random_state({name: array.shape for name, array in model.state().items()}, seed))
    return model


def small_net(backend: Backend, seed: int = 0, dtype: str = "float32", channels: int = 3) -> Model:
    """Convolution, batch norm, ReLU and max pooling twice, then a linear layer: pictures of `channels` x 8 x 8."""
    nn, torch = _nn(backend)
    convolution, norm, pool = (
        (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d) if torch else (nn.Conv2D, nn.BatchNorm2D, nn.MaxPool2D)
    )
    net = nn.Sequential(
        convolution(channels, 6, 3, padding=1),
        norm(6),
        nn.ReLU(),
        pool(2),
        convolution(6, 8, 3, padding=1),
        norm(8),
        nn.ReLU(),
        pool(2),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )
    return randomise(wrap(net, dtype=dtype), seed)


def pooled_net(backend: Backend, seed: int = 0, dtype: str = "float32") -> Model:
    """Two convolutions with batch norm and ReLU, global average pooling, one linear layer: what CAM asks for."""
    nn, torch = _nn(backend)
    convolution, norm, pool = (
        (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d)
        if torch
        else (nn.Conv2D, nn.BatchNorm2D, nn.AdaptiveAvgPool2D)
    )
    net = nn.Sequential(
        convolution(3, 6, 3, padding=1),
        norm(6),
        nn.ReLU(),
        nn.Identity(),
        convolution(6, 8, 3, padding=1),
        norm(8),
        nn.ReLU(),
        pool(1),
        nn.Flatten(),
        nn.Linear(8, CLASSES),
    )
    return randomise(wrap(net, dtype=dtype), seed)


def linear_net(backend: Backend, weights: np.ndarray, bias: np.ndarray | None = None, dtype: str = "float64") -> Model:
    """``scores = weights @ x + bias`` with weights (classes, features), by the framework's own linear layer."""
    nn, _ = _nn(backend)
    classes, features = weights.shape
    model = wrap(nn.Sequential(nn.Flatten(), nn.Linear(features, classes)), dtype=dtype)
    model.load_state({"1.weight": weights, "1.bias": np.zeros(classes) if bias is None else bias})
    return model


def power_net(backend: Backend, weights: np.ndarray, power: int, dtype: str = "float64") -> Model:
    """``scores[c] = Σ_i weights[c, i] x_i ** power``."""
    return formula_net(backend, lambda u, w: (u**power) @ w, weights.T, dtype)


def formula_net(
    backend: Backend, formula: Callable[[Any, Any], Any], weights: np.ndarray, dtype: str = "float64"
) -> Model:
    """``scores = formula(flattened x, weights)``; operators that both frameworks have keep the formulas common."""
    cls = _torch_formula() if backend.name == "torch" else _paddle_formula()
    model = wrap(cls(formula, weights.shape), dtype=dtype)
    model.load_state({"weight": weights})
    return model


def segment_mean_net(backend: Backend, cut: np.ndarray, planted: int, slope: float = 4.0) -> Model:
    """Two classes; the score of class 1 is ``slope`` times the mean of one superpixel, nothing else counts."""
    weights = np.zeros((2, 3, *cut.shape))
    weights[1][:, cut == planted] = slope / (3 * (cut == planted).sum())
    return linear_net(backend, weights.reshape(2, -1))


def pictures(samples: int, seed: int = 0, shape: tuple[int, ...] = PICTURE) -> np.ndarray:
    """Random pictures in 0 to 1, float32."""
    return np.random.default_rng(seed).random((samples, *shape), dtype=np.float32)


def _nn(backend: Backend) -> tuple[Any, bool]:
    return importlib.import_module(f"{backend.name}.nn"), backend.name == "torch"


def _torch_formula() -> Any:
    import torch

    class Formula(torch.nn.Module):
        def __init__(self, formula: Callable[[Any, Any], Any], shape: tuple[int, ...]) -> None:
            super().__init__()
            self.formula = formula
            self.weight = torch.nn.Parameter(torch.zeros(shape))

        def forward(self, x: Any) -> Any:
            return self.formula(x.flatten(1), self.weight)

    return Formula


def _paddle_formula() -> Any:
    import paddle

    class Formula(paddle.nn.Layer):
        def __init__(self, formula: Callable[[Any, Any], Any], shape: tuple[int, ...]) -> None:
            super().__init__()
            self.formula = formula
            self.weight = self.create_parameter(list(shape))

        def forward(self, x: Any) -> Any:
            return self.formula(x.flatten(1), self.weight)

    return Formula
