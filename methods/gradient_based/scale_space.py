"""Pictures blurred more and more, and how fast they change: heat that spreads and does not leave the picture."""

from __future__ import annotations

import numpy as np

from ..explanation import Array


class ScaleSpace:
    """One picture (C, H, W) at every Gaussian blur.

    A blur of σ pixels multiplies each cosine of frequency ω by ``exp(-σ² ω² / 2)``. The cosines mirror the picture at
    its edges, so that a blur of any size keeps its mean colour, and the formula has a derivative by σ at every σ.
    """

    def __init__(self, picture: Array) -> None:
        from scipy import fft

        self._spectrum = fft.dctn(picture, axes=(-2, -1), norm="ortho")
        rows, columns = (np.pi * np.arange(n) / n for n in picture.shape[-2:])
        self._squares = (rows[:, None] ** 2 + columns**2).astype(picture.dtype)

    def at(self, sigmas: Array) -> Array:
        """The picture blurred by each of `sigmas`: (M, C, H, W)."""
        return self._inverse(self._decayed(sigmas))

    def slopes(self, sigmas: Array) -> Array:
        """Derivative of `at` by σ: (M, C, H, W)."""
        return self._inverse(-sigmas[:, None, None, None] * self._squares * self._decayed(sigmas))

    def _decayed(self, sigmas: Array) -> Array:
        return np.exp(-(sigmas[:, None, None] ** 2) / 2 * self._squares)[:, None] * self._spectrum

    def _inverse(self, spectrum: Array) -> Array:
        from scipy import fft

        return np.asarray(fft.idctn(spectrum, axes=(-2, -1), norm="ortho", overwrite_x=True))
