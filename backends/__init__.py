"""The frameworks behind one set of calls; nothing is imported before it is asked for."""

from .model import Model, wrap
from .preprocessing import Normalise
from .protocol import Backend
from .registry import available_backends, default_backend, get_backend, get_backends

__all__ = [
    "Backend",
    "Model",
    "Normalise",
    "available_backends",
    "default_backend",
    "get_backend",
    "get_backends",
    "wrap",
]
