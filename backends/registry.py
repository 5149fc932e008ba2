"""Find the backend of a name, a tensor or a network without importing a framework that is not needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache

from ..errors import BackendError, suggest
from .protocol import Backend

# In this order: PyTorch slows down to half its speed when Paddle's threading library is loaded before its own.
_BACKENDS = {"torch": "TorchBackend", "paddle": "PaddleBackend"}

_INSTALL = {
    "torch": "Install it with: pip install torch torchvision.",
    "paddle": "Install it with: pip install paddlepaddle (or paddlepaddle-gpu).",
}


def available_backends() -> list[str]:
    """Names of the frameworks that are installed, found without importing them."""
    return [name for name in _BACKENDS if importlib.util.find_spec(name) is not None]


@cache
def _load(name: str) -> Backend:
    if name not in available_backends():
        raise BackendError(f"The framework '{name}' is not installed.", _INSTALL[name])
    module = importlib.import_module(f".{name}_backend", __package__)
    return getattr(module, _BACKENDS[name])()


def get_backend(thing: object) -> Backend:
    """Return the backend that a name, tensor or network belongs to.

    Parameters
    ----------
    thing : str, tensor, network or Backend
        ``"torch"`` or ``"paddle"``, or anything that one of the two frameworks made.

    Returns
    -------
    Backend

    Raises
    ------
    BackendError
        If the name is unknown, the framework is not installed, the object belongs to neither, or Paddle is in static
        mode.
    """
    if isinstance(thing, Backend):
        return thing
    if isinstance(thing, str) and thing not in _BACKENDS:
        raise BackendError(f"There is no backend '{thing}'.", suggest(thing, _BACKENDS))
    found = _load(thing) if isinstance(thing, str) else owner(thing)
    if found is None:
        raise BackendError(
            f"An object of type '{type(thing).__name__}' is neither a PyTorch nor a Paddle tensor or network.",
            "Pass a torch.nn.Module or a paddle.nn.Layer.",
        )
    found.check_mode()
    return found


def owner(thing: object) -> Backend | None:
    """The backend whose framework made a tensor or network, or None."""
    for name in _BACKENDS:
        # An object of a framework can only exist once the framework is imported.
        if name in sys.modules and _load(name).owns(thing):
            return _load(name)
    return None


def default_backend() -> Backend:
    """The framework to work on where none is named: torch where it is installed, else Paddle.

    Raises
    ------
    BackendError
        If neither is installed.
    """
    return get_backend(next(iter(available_backends()), "torch"))


def get_backends(names: Sequence[str]) -> list[Backend]:
    """Load several frameworks in the order that keeps both fast; returned in the order of `names`."""
    for name in sorted(names, key=lambda name: list(_BACKENDS).index(name) if name in _BACKENDS else len(_BACKENDS)):
        get_backend(name)
    return [get_backend(name) for name in names]
