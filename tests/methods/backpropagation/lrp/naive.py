"""Layer-wise relevance propagation in NumPy, connection by connection: R itself is carried, by two loops per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LOW, HIGH, GAMMA, ALPHA, BETA = 0.0, 1.0, 0.4, 3.0, 2.0
FACTORS = {"plus": (1, 0), "alpha2_beta1": (2, 1), "alpha_beta": (ALPHA, BETA)}


@dataclass
class Dense:
    """``x @ weights + bias``; only what is `connected` is an input of an output."""

    weights: np.ndarray
    bias: np.ndarray
    connected: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weights + self.bias


def dense(weights: np.ndarray, bias: np.ndarray) -> Dense:
    """A linear layer with weights (outputs, inputs)."""
    return Dense(weights.T, bias, np.ones(weights.T.shape, dtype=bool))


def convolution(kernel: np.ndarray, bias: np.ndarray, size: int, padding: int, stride: int = 1) -> Dense:
    """A convolution of pictures (C, size, size), flattened, as one matrix written entry by entry."""
    outputs, inputs, k, _ = kernel.shape
    out = (size + 2 * padding - k) // stride + 1
    weights = np.zeros((inputs, size, size, outputs, out, out))
    connected = np.zeros(weights.shape, dtype=bool)
    for o, r, c, i, a, b in np.ndindex(outputs, out, out, inputs, k, k):
        row, column = r * stride + a - padding, c * stride + b - padding
        if 0 <= row < size and 0 <= column < size:
            weights[i, row, column, o, r, c] = kernel[o, i, a, b]
            connected[i, row, column, o, r, c] = True
    shape = (inputs * size * size, outputs * out * out)
    return Dense(weights.reshape(shape), np.repeat(bias, out * out), connected.reshape(shape))


@dataclass
class MaxPool:
    """Windows of 2 x 2 in pictures (C, size, size), flattened."""

    size: int

    def windows(self, x: np.ndarray) -> list[np.ndarray]:
        half = self.size // 2
        numbers = np.arange(x.size).reshape(-1, half, 2, half, 2)
        return list(numbers.transpose(0, 1, 3, 2, 4).reshape(-1, 4))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.array([x[window].max() for window in self.windows(x)])


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def over(share: float, denominator: float, epsilon: float) -> float:
    """A share of a denominator that is moved away from 0; nothing of nothing."""
    moved = denominator + (epsilon if denominator >= 0 else -epsilon)
    return share / moved if moved != 0 else 0.0


def handed_down(rule: str, layer: Dense, x: np.ndarray, relevance: np.ndarray, epsilon: float) -> np.ndarray:
    """Relevance of the inputs of one layer from that of its outputs."""
    result = np.zeros(len(x))
    for j, w in enumerate(layer.weights.T):
        b, z, among = layer.bias[j], x * w, layer.connected[:, j]
        total = z.sum() + b
        above, below = z[z > 0].sum() + max(b, 0), z[z < 0].sum() + min(b, 0)
        box = z - LOW * np.maximum(w, 0) - HIGH * np.minimum(w, 0)
        for i in np.flatnonzero(among):
            if rule == "zero":
                share = over(z[i], total, 0)
            elif rule == "epsilon":
                share = over(z[i], total, epsilon)
            elif rule == "gamma" and total > 0:
                share = over(z[i] + GAMMA * max(z[i], 0), total + GAMMA * above, epsilon)
            elif rule == "gamma":
                share = over(z[i] + GAMMA * min(z[i], 0), total + GAMMA * below, epsilon)
            elif rule in FACTORS:
                alpha, beta = FACTORS[rule]
                share = alpha * over(max(z[i], 0), above, epsilon) - beta * over(min(z[i], 0), below, epsilon)
            elif rule == "excitation_backprop":
                share = over(max(z[i], 0), z[z > 0].sum(), epsilon)
            elif rule == "box":
                share = over(box[i], box[among].sum(), epsilon)
            elif rule == "flat":
                share = over(1, among.sum(), epsilon)
            else:
                share = over(w[i] ** 2, (w**2).sum(), epsilon)
            result[i] += share * relevance[j]
    return result


def propagated(
    layers: Sequence[Any], rules: Sequence[str], x: np.ndarray, target: int, epsilon: float
) -> tuple[np.ndarray, float]:
    """Relevance of the flattened input, and the score: `rules` are those of the dense layers in order."""
    activations = [x]
    for layer in layers:
        activations.append(layer(activations[-1]))
    relevance = np.zeros(len(activations[-1]))
    relevance[target] = activations[-1][target]
    left = list(rules)
    for layer, before in zip(reversed(layers), reversed(activations[:-1]), strict=True):
        if isinstance(layer, Dense):
            relevance = handed_down(left.pop(), layer, before, relevance, epsilon)
        elif isinstance(layer, MaxPool):
            after, relevance = relevance, np.zeros(len(before))
            for window, arriving in zip(layer.windows(before), after, strict=True):
                relevance[window[before[window].argmax()]] += arriving
    return relevance, float(activations[-1][target])
