"""Optional packages: found by name, and missed in one line that says how to get them."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError


def require(module: str, install: str, purpose: str) -> Any:
    """Import a package that only some calls need.

    Parameters
    ----------
    module : str
        Name to import, such as ``"cv2"``.
    install : str
        What follows ``pip install``, such as ``"opencv-python"``.
    purpose : str
        What the package is needed for, to complete "... is needed to".

    Returns
    -------
    module
        The imported package.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"Package '{module}' is needed to {purpose}, and cannot be imported ({error}).",
            f"Install it with: pip install {install}",
        ) from None


def require_shap(purpose: str) -> Any:
    """Import shap, as `require` does, without the warning that it gives on the way."""
    with warnings.catch_warnings():
        # It sets its colour maps in a way that Matplotlib is going to retire.
        warnings.filterwarnings("ignore", r"The set_(bad|over|under) function", PendingDeprecationWarning)
        return require("shap", "shap", purpose)


def package_folder(module: str, install: str, purpose: str) -> Path:
    """Folder of an installed package, found without importing it.

    Parameters
    ----------
    module, install, purpose : str
        As in `require`.

    Returns
    -------
    Path
        The folder that holds the package's files.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            f"Package '{module}' is needed to {purpose}, and is not installed.",
            f"Install it with: pip install {install}",
        )
    return Path(spec.submodule_search_locations[0])
