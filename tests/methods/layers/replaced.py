"""What the network of the DeepLIFT tests says when a convolution returns something else, written in NumPy."""

from __future__ import annotations

import numpy as np

from ..backpropagation.nets import Twin, windows

SHAPES = {"first": (3, 6, 6), "second": (3, 3, 3)}


def output(twin: Twin, x: np.ndarray, layer: str) -> np.ndarray:
    """What the convolution returns for one sample."""
    z, _, p, k, _ = twin.run(x)
    return (z if layer == "first" else k - p).reshape(SHAPES[layer])


def scores_after(twin: Twin, x: np.ndarray, layer: str, replaced: np.ndarray) -> np.ndarray:
    """Scores of a sample with another output of the convolution; the shortcut around the second stays as it was."""
    if layer == "second":
        k = replaced.ravel() + twin.run(x)[2]
    else:
        h = twin.f(replaced.ravel())
        p = np.array([h[window].max() for window in windows()])
        k = twin.second @ p + twin.biases[1] + p
    scores: np.ndarray = twin.head @ twin.f(k) + twin.head_bias
    return scores
