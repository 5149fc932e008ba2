"""What a network expects of its pixels, kept inside the graph so that gradients are those of the picture itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .protocol import Tensor


class Normalise:
    """Subtract a mean and divide by a standard deviation, channel by channel.

    Parameters
    ----------
    mean, std : float or sequence of float
        One number, or one per channel, in the units of the picture (0 to 1).
    """

    def __init__(self, mean: npt.ArrayLike, std: npt.ArrayLike) -> None:
        self.mean = np.asarray(mean, dtype=np.float64)
        self.std = np.asarray(std, dtype=np.float64)

    def __call__(self, x: Tensor) -> Tensor:
        from .registry import get_backend

        backend = get_backend(x)
        shape = (1, -1) + (1,) * (len(backend.shape(x)) - 2)

        def constant(values: npt.NDArray[np.float64]) -> Tensor:
            return backend.asarray(values.reshape(shape), backend.dtype(x), backend.tensor_device(x))

        return (x - constant(self.mean)) / constant(self.std)

    def __repr__(self) -> str:
        return f"Normalise(mean={self.mean.tolist()}, std={self.std.tolist()})"
