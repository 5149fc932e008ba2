"""Load two networks and hold them against each other layer by layer: what ``twinlens diff`` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Model, available_backends, get_backends
from ..comparison.differences import Difference, diff
from ..datasets import PictureFiles
from ..errors import ConfigError
from ..files import write_whole
from ..models import load_model
from .setup import Say


def differ(
    models: Sequence[str],
    *,
    weights: Sequence[str | None] = (None, None),
    backends: Sequence[str | None] = (None, None),
    image: Path | None = None,
    size: int | None = None,
    seed: int = 0,
    teacher_forced: bool = False,
    tolerance: float | None = None,
    say: Say = lambda message: None,
) -> Difference:
    """Build both networks and compare them.

    Parameters
    ----------
    models : sequence of 2 str
        As for `load_model`.
    weights, backends : sequence of 2 str or None
    image : path, optional
        A picture; random numbers when left out.
    size : int, optional
        Side of the picture; the networks' own when left out.
    seed : int
        Of random weights and of the made-up input.
    teacher_forced, tolerance
        As for `diff`.
    say : callable
        Told what is going on.
    """
    get_backends(available_backends())  # both, in the order that keeps both fast
    built = []
    for spec, file, backend in zip(models, weights, backends, strict=True):
        say(f"building {spec}")
        built.append(load_model(spec, file, backend=backend, seed=seed))
    x = _input(built, image, size, seed)
    say("comparing")
    return diff(built[0], built[1], x, teacher_forced=teacher_forced, tolerance=tolerance, seed=seed)


def save(difference: Difference, path: Path) -> Path:
    """Write all numbers of a comparison as JSON."""
    text = json.dumps(difference.to_dict(), indent=2, allow_nan=False) + "\n"
    return write_whole(path, text.encode())


def _input(built: Sequence[Model], image: Path | None, size: int | None, seed: int) -> Any:
    """The picture, or random numbers; None where the networks know their own shape."""
    if image is None and size is None:
        return None
    shape: Any = next((model.input_shape for model in built if model.input_shape is not None), (3, size, size))
    if len(shape) != 3:
        raise ConfigError(f"'{built[0].name}' does not take pictures.", "Leave --image and --size out.")
    side = size if size is not None else shape[-1]
    if image is None:
        return np.random.default_rng(seed).random((1, shape[0], side, side))
    if side is None:
        raise ConfigError(f"The picture size that '{built[0].name}' wants is not known.", "Set --size.")
    return PictureFiles([image], size=int(side)).stack([0])[0]
