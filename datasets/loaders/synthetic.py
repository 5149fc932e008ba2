"""A synthetic stand-in for Food-11: emoji of food laid on textured backgrounds, with the mask of the object.

Each picture shows one object of one of the 11 classes; since its pixels are known, an explanation can be scored
against the truth. These are drawings: no figure measured on them says anything about photographs of food.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .backgrounds import add_shapes, texture
from .base import Array, PictureSet, Sample, check_count
from .emoji import ARTWORK, FOOD_EMOJI, OTHER_EMOJI, Sprite, sprite
from .food11_layout import FOOD11_CLASSES
from .packages import require
from .splits import SPLITS, canonical_split

OBJECT_SHARE = (0.18, 0.4)
"""The object's share of the picture's area is drawn from this range; long objects shrink further until they fit."""

_DISTRACTOR_SHARE = (0.015, 0.05)
_OPAQUE = 0.1
"""Less alpha than this counts as nothing, so that a pixel outside of the mask owes nothing to the object."""

_GRAIN = 0.03


@dataclass(frozen=True)
class _Placed:
    """A sprite as it will lie on the canvas: RGB multiplied by alpha, and alpha, and the box that these fill."""

    pixels: Array
    box: tuple[slice, slice]


class SyntheticFood(PictureSet):
    """Pictures made on the fly; the same ones for one seed, whatever is asked for first.

    Training, validation and testing draw from the same emoji and differ in everything else.

    Parameters
    ----------
    count : int
        Number of pictures. The labels take turns, so that classes differ by at most one picture; a larger set begins
        with the pictures of a smaller one.
    size : int
        Side of the pictures in pixels, at least 16.
    seed : int
        Non-negative.
    split : str
        "training", "validation" or "testing", or another usual name of them.

    Attributes
    ----------
    artwork : str
        Credit of the emoji's makers, to be printed with the pictures.

    Raises
    ------
    DataError
        If an argument is out of range.
    MissingPackageError
        If the package with the artwork, or OpenCV, is not installed.
    """

    synthetic = True
    artwork = ARTWORK

    def __init__(self, count: int, size: int = 64, seed: int = 0, split: str = "training") -> None:
        check_count("count", count)
        check_count("size", size, least=16)
        check_count("seed", seed, least=0)
        split = canonical_split(split)
        self._size = size
        self._entropy = (seed, list(SPLITS).index(split))
        # Loaded here so that a missing package shows before training begins, and not in a worker.
        self._food = [[sprite(code) for code in FOOD_EMOJI[name]] for name in FOOD11_CLASSES]
        self._other = [sprite(code) for code in OTHER_EMOJI]
        self.title = f"synthetic stand-in for Food-11 ({split}, seed {seed})"
        self.classes = list(FOOD11_CLASSES)
        self.labels = np.arange(count, dtype=np.int64) % len(self.classes)
        self.names = [f"synthetic_{split}_{index:05d}" for index in range(count)]

    def without_object(self, index: int) -> Array:
        """Make the same picture with the object left out.

        Parameters
        ----------
        index : int
            Which picture.

        Returns
        -------
        ndarray
            Shape (3, size, size), float32 in 0..1; equal to the picture outside of its mask.
        """
        index = self._checked(index)
        return self._photographed(self._scene(self._generator(index)), index)

    def _read(self, index: int) -> Sample:
        rng = self._generator(index)
        canvas = self._scene(rng)
        label = index % len(self.classes)
        kinds = self._food[label]
        mask = _lay(canvas, _placed(kinds[rng.integers(len(kinds))], rng, self._size, OBJECT_SHARE, turn=40, hue=12))
        return Sample(self._photographed(canvas, index), label, mask, self.names[index])

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._entropy, spawn_key=(index,)))

    def _photographed(self, canvas: Array, index: int) -> Array:
        """Add a sensor's grain. Flat colours would tie in max pooling, and rounding would choose among the winners."""
        rng = np.random.default_rng(np.random.SeedSequence(self._entropy, spawn_key=(index, 0)))
        grain = rng.random(canvas.shape, dtype=np.float32) * (2 * _GRAIN) - _GRAIN
        picture = np.clip(canvas, 0, 1) * (1 - 2 * _GRAIN) + _GRAIN + grain
        return np.ascontiguousarray(np.clip(picture, 0, 1).transpose(2, 0, 1))

    def _scene(self, rng: np.random.Generator) -> Array:
        """Everything but the object: background, shapes, and emoji that are no food."""
        canvas = texture(rng, self._size)
        add_shapes(canvas, rng)
        for _ in range(rng.integers(1, 4)):
            kind = self._other[rng.integers(len(self._other))]
            _lay(canvas, _placed(kind, rng, self._size, _DISTRACTOR_SHARE, turn=180, hue=180))
        return canvas


def _placed(
    kind: Sprite, rng: np.random.Generator, size: int, share: tuple[float, float], turn: float, hue: float
) -> _Placed:
    """Turn, scale, tint and move a sprite at random so that all of it lies in the picture.

    Angles `turn` and `hue` are the largest ones in degrees; `share` is the range of the covered area.
    """
    cv2 = require("cv2", "opencv-python", "make synthetic pictures")
    angle = np.deg2rad(rng.uniform(-turn, turn))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = kind.outline @ rotation.T
    low, high = outline.min(axis=0), outline.max(axis=0)
    scale = min(size * np.sqrt(rng.uniform(*share) / kind.area), (size - 3) / (high - low).max())
    # The sprite's middle may be anywhere between the places where its outline touches two borders.
    middle = rng.uniform(0.5 - scale * low, size - 1.5 - scale * high)
    # Smoothed edges reach a pixel of the sprite beyond the outline.
    first = np.clip(np.floor(middle + scale * (low - 1)), 0, size).astype(int)
    last = np.clip(np.ceil(middle + scale * (high + 1)) + 1, 0, size).astype(int)

    level = int(np.clip(np.floor(-np.log2(scale)), 0, len(kind.levels) - 1))
    pixels = _tinted(kind.levels[level], rng, hue)
    matrix = np.empty((2, 3))
    matrix[:, :2] = rotation * scale * 2**level
    matrix[:, 2] = middle - first - matrix[:, :2] @ np.full(2, (pixels.shape[0] - 1) / 2)
    placed = cv2.warpAffine(pixels, matrix, (last - first).tolist(), flags=cv2.INTER_LINEAR)
    return _Placed(placed, (slice(first[1], last[1]), slice(first[0], last[0])))


def _tinted(pixels: Array, rng: np.random.Generator, hue: float) -> Array:
    """Turn the colours about the grey axis by up to `hue` degrees, and change the brightness by up to a seventh."""
    angle = np.deg2rad(rng.uniform(-hue, hue))
    # Rodrigues' rotation formula for the axis (1, 1, 1) / sqrt(3).
    cosine, sine = np.cos(angle), np.sin(angle) / np.sqrt(3)
    turned = (1 - cosine) / 3 + cosine * np.eye(3) + sine * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    turned *= rng.uniform(6 / 7, 8 / 7)
    tinted = pixels.copy()
    tinted[:, :, :3] = np.clip(pixels[:, :, :3] @ turned.T.astype(np.float32), 0, pixels[:, :, 3:])
    return tinted


def _lay(canvas: Array, placed: _Placed) -> Array:
    """Lay a placed sprite on the canvas, in place; return the pixels that it changed, (size, size) bool."""
    opaque = placed.pixels[:, :, 3:] >= _OPAQUE
    colour, alpha = np.split(placed.pixels * opaque, [3], axis=2)
    canvas[placed.box] *= 1 - alpha
    canvas[placed.box] += colour
    mask = np.zeros(canvas.shape[:2], dtype=bool)
    mask[placed.box] = opaque[:, :, 0]
    return mask
