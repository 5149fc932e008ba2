"""Which distribution holds a package, where several may, and its version."""

from __future__ import annotations

import importlib.metadata

# Either of them fills the place of the first; pip does not know that they exclude each other.
_STAND_INS = {
    "paddlepaddle": ("paddlepaddle-gpu",),
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
}


def installed(package: str) -> tuple[str, str] | None:
    """The name and version of what is installed under a package's name or in its place; None where nothing is."""
    for candidate in (package, *_STAND_INS.get(package, ())):
        try:
            return candidate, importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
