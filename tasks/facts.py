"""What a run records about where and how it was made."""

from __future__ import annotations

import platform

from ..backends import available_backends, get_backends
from ..distributions import installed
from ..errors import BackendError, suggest

_PACKAGES = ("twinlens", "torch", "paddlepaddle", "numpy", "lime", "shap", "xgboost", "scikit-learn", "opencv-python")


def versions() -> dict[str, object]:
    """The version of twinlens, of the packages it stands on, of Python and of the machine."""
    found = {package: None if (one := installed(package)) is None else one[1] for package in _PACKAGES}
    return {
        "twinlens": found["twinlens"],
        "versions": found,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def chosen_backends(choice: str) -> list[str]:
    """The frameworks that ``torch``, ``paddle`` or ``both`` asks for, imported in the order that keeps both fast.

    Raises
    ------
    BackendError
        If one is not known or not installed.
    """
    if choice not in ("torch", "paddle", "both"):
        raise BackendError(f"There is no backend '{choice}'.", suggest(choice, ("torch", "paddle", "both")))
    names = ["torch", "paddle"] if choice == "both" else [choice]
    missing = [name for name in names if name not in available_backends()]
    if choice == "both" and missing:
        raise BackendError(
            f"backend 'both' needs torch and paddle; {' and '.join(missing)} is not installed.",
            f"Install it, or use --backend {next((n for n in names if n not in missing), 'torch')}.",
        )
    get_backends(names)
    return names
