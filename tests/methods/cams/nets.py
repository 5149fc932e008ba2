"""Small networks with a known end, and NumPy's own way to their activations and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinlens.backends import Backend, Model, wrap

from ...backends.nets import build, native_nn
from ...nets import randomise

SPELLINGS = ("module", "functional", "in place", "reused")
CLASSES = 4


def pooled_net(backend: Backend, spelling: str = "module", dtype: str = "float64", seed: int = 0) -> Model:
    """conv1, ReLU, conv2, ReLU, global average pooling, fc; `spelling` says how the ReLUs are written."""
    nn, functional = backend.nn, native_nn(backend).functional

    def forward(net: Any, x: Any) -> Any:
        first, second = {
            "module": lambda: (net.relu1, net.relu2),
            "functional": lambda: (functional.relu, functional.relu),
            "in place": lambda: (functional.relu_, functional.relu_),
            "reused": lambda: (net.relu, net.relu),
        }[spelling]()
        return net.fc(backend.mean(second(net.conv2(first(net.conv1(x)))), (2, 3)))

    relus = {"module": {"relu1": nn.ReLU(), "relu2": nn.ReLU()}, "reused": {"relu": nn.ReLU()}}.get(spelling, {})
    net = build(
        backend,
        forward,
        conv1=nn.Conv2d(3, 4, 3, padding=1),
        conv2=nn.Conv2d(4, 6, 3, stride=2, padding=1),
        fc=nn.Linear(6, CLASSES),
        **relus,
    )
    return randomise(wrap(net, dtype=dtype), seed)


def curved_net(backend: Backend, dtype: str = "float64", seed: int = 0) -> Model:
    """Two convolutions with batch norm, SiLU and tanh, global average pooling, one linear layer.

    What is behind the layer "5" has second derivatives on both frameworks, and they are not 0.
    """
    nn = backend.nn
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Identity(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Tanh(),
        nn.Module(lambda _net, x: backend.mean(x, (2, 3))),
        nn.Linear(8, CLASSES + 1),
    )
    return randomise(wrap(net, dtype=dtype), seed)


def around_net(backend: Backend, way: str, dtype: str = "float64") -> Model:
    """A network in which something goes round the layer "conv2", or counts the samples, before a linear layer."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        samples = x.shape[0]
        before = net.relu1(net.conv1(x))
        after = net.conv2(before)
        if way == "shortcut":
            after = after + before
        elif way == "concatenation":
            after = backend.concat([after, before], 1)
        flat = backend.reshape(after, (samples if way == "counted" else -1, net.features))
        return net.fc(net.relu2(net.hidden(flat)))

    channels = 8 if way == "concatenation" else 4
    net = build(
        backend,
        forward,
        conv1=nn.Conv2d(3, 4, 3, padding=1),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(4, 4, 3, padding=1),
        hidden=nn.Linear(channels * 30, 7),
        relu2=nn.ReLU(),
        fc=nn.Linear(7, CLASSES),
    )
    net.features = channels * 30
    return randomise(wrap(net, dtype=dtype))


def kill(model: Model, *channels: int, layer: str = "conv2") -> Model:
    """Make channels of a convolution 0 behind the ReLU, whatever the picture."""
    state = model.state()
    for channel in channels:
        state[f"{layer}.weight"][channel] = 0
        state[f"{layer}.bias"][channel] = -1
    model.load_state(state)
    return model


def activation_of(model: Model, x: np.ndarray, layer: str) -> np.ndarray:
    with model.capture([layer]) as seen:
        model.forward(x)
    return seen[layer]


def scores_behind(model: Model, x: np.ndarray, layer: str, outputs: np.ndarray) -> np.ndarray:
    """What the network says of one picture (1, C, H, W) when the layer returns each of `outputs` (M, K, h, w)."""
    with model.hook(layer, post=lambda _layer, _inputs, _output: model.tensor(outputs)):
        return model.forward(np.repeat(x, len(outputs), axis=0), batch_size=len(outputs))


def gradient_of(model: Model, x: np.ndarray, layer: str, targets: list[int], step: float = 1e-6) -> np.ndarray:
    """Central differences of the targets' logits by the layer's output: no automatic differentiation."""
    activation = activation_of(model, x, layer)
    gradients = np.zeros_like(activation)
    for i, target in enumerate(targets):
        moves = step * np.eye(activation[i].size).reshape(-1, *activation[i].shape)
        up, down = (scores_behind(model, x[i : i + 1], layer, activation[i] + sign * moves) for sign in (1, -1))
        gradients[i] = ((up - down)[:, target] / (2 * step)).reshape(activation[i].shape)
    return gradients


def bilinear(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of one map, pixel by pixel."""
    h, w = grid.shape
    large = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            z = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            top, left = int(y), int(z)
            low, right = min(top + 1, h - 1), min(left + 1, w - 1)
            upper = grid[top, left] * (1 - (z - left)) + grid[top, right] * (z - left)
            lower = grid[low, left] * (1 - (z - left)) + grid[low, right] * (z - left)
            large[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return large
