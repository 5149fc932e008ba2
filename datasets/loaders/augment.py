"""Random changes to training pictures that leave the class as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .base import Array


@dataclass(frozen=True)
class Augmentation:
    """Mirror, shift, brighten and stretch the contrast of one picture at random.

    Attributes
    ----------
    flip : float
        Probability of mirroring left and right, 0..1.
    shift : float
        Largest shift in each direction as a share of the side, 0..0.5; what enters is the mirrored border.
    brightness : float
        Largest amount added to or taken from all values, 0..1.
    contrast : float
        Largest relative change of the distance from the picture's mean, 0..1.

    Raises
    ------
    DataError
        If a value is out of its range.
    """

    flip: float = 0.5
    shift: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.2

    def __post_init__(self) -> None:
        for name, value, most in (
            ("flip", self.flip, 1),
            ("shift", self.shift, 0.5),
            ("brightness", self.brightness, 1),
            ("contrast", self.contrast, 1),
        ):
            if not 0 <= value <= most:
                raise DataError(f"Augmentation {name}={value} is out of range.", f"Use a number from 0 to {most}.")

    def __call__(self, image: Array, rng: np.random.Generator) -> Array:
        """Change one picture.

        Parameters
        ----------
        image : ndarray
            Shape (3, H, W), values in 0..1; it is not written to.
        rng : numpy.random.Generator
            The same state gives the same change.

        Returns
        -------
        ndarray
            Shape (3, H, W), float32 in 0..1.
        """
        # All draws first: switching one change off leaves the others as they were.
        mirrored = rng.random() < self.flip
        share_y, share_x, light, stretch = rng.uniform(-1, 1, 4).tolist()
        changed = image[:, :, ::-1] if mirrored else image
        height, width = image.shape[1:]
        changed = shifted(changed, round(share_y * self.shift * height), round(share_x * self.shift * width))
        mean = float(changed.mean(dtype=np.float64))
        changed = (changed - mean) * (1 + stretch * self.contrast) + mean + light * self.brightness
        result: Array = np.clip(changed, 0, 1).astype(np.float32, copy=False)
        return result


def shifted(image: Array, down: int, right: int) -> Array:
    """Move a picture; its mirrored border fills what becomes free.

    Parameters
    ----------
    image : ndarray
        Shape (C, H, W).
    down, right : int
        Pixels to move by, each less than the side; negative values move up and left.

    Returns
    -------
    ndarray
        Shape (C, H, W).
    """
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (abs(down),) * 2, (abs(right),) * 2), mode="symmetric")
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top : top + height, left : left + width]
