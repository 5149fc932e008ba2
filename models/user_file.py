"""Networks that a user's own Python file builds."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ModelError, suggest


def module_of(path: str) -> ModuleType:
    """Run a Python file.

    The file's folder is on the import path while it runs, so that it can import its neighbours.

    Parameters
    ----------
    path : str
        The Python file.

    Returns
    -------
    module

    Raises
    ------
    ModelError
        If the file does not exist or does not run.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelError(f"There is no file '{path}'.", "Check the path before the colon.")
    module_name = f"_twinlens_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file.resolve())
    if spec is None or spec.loader is None:
        raise ModelError(f"'{path}' is not a Python file.", "Let its name end in '.py'.")
    module = importlib.util.module_from_spec(spec)
    # Classes defined in the file look themselves up here when they are copied or pickled.
    sys.modules[module_name] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise ModelError(f"'{path}' does not run: {described(error)}.", "Run it with Python alone first.") from error
    finally:
        sys.path.remove(str(file.resolve().parent))
    return module


def function_of(module: ModuleType, path: str, name: str) -> Callable[..., Any]:
    """One of the functions of a user's file.

    Parameters
    ----------
    module : module
        What `module_of` returned.
    path : str
        The Python file, for the error.
    name : str
        The function, or a class that is called like one.

    Raises
    ------
    ModelError
        If it does not exist.
    """
    functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if name not in functions:
        raise ModelError(f"'{path}' has no function '{name}'.", suggest(name, functions))
    found: Callable[..., Any] = getattr(module, name)
    return found


def takes_layers(function: Callable[..., Any]) -> bool:
    """Whether a function is an architecture, ``f(nn, ...)``, that can be built on either framework."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return bool(names) and names[0] == "nn"


def described(error: BaseException) -> str:
    """Kind and first line of an error that a user's code raised."""
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0]}"
