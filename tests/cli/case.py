"""One mistake and what its error has to say; and the sound configuration that mistakes are made in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from ..frameworks import ANY

Content = bytes | Callable[[], bytes]

CNN: dict[str, Any] = {"name": "small_cnn", "options": {"size": 32, "widths": [4, 8]}}
TRAINED = CNN | {"training": {"epochs": 1, "pictures": 44, "validation_pictures": 22}}
ONE: dict[str, Any] = {"source": "synthetic", "pictures": 1}
ONLY_SALIENCY: dict[str, Any] = {"smoothgrad": None, "integrated_gradients": None}
# Training is asked for, so that a mistake that shows only after it is found out.
BASE: dict[str, Any] = {"backend": ANY, "model": TRAINED, "data": ONE, "saliency": ONLY_SALIENCY}
UNTRAINED = BASE | {"model": CNN}


@dataclass(frozen=True)
class Case:
    """One mistake.

    `cause` and `cure` are pieces of the line that the command line prints; `needs` are the frameworks without which
    another line is right.
    """

    name: str
    cause: str
    cure: str
    config: Mapping[str, Any] | bytes | None = field(default_factory=lambda: BASE)
    args: Sequence[str] = ()
    files: Mapping[str, Content] = field(default_factory=dict)
    needs: Sequence[str] = ()


def jpeg() -> bytes:
    """A small sound picture."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])
