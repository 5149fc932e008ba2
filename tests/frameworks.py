"""Which frameworks the tests run on: what needs one that is not installed is skipped, and says so."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from twinlens.backends import Backend, available_backends, get_backend, get_backends

BOTH = ("torch", "paddle")
ANY = next(iter(available_backends()), "torch")
"""The framework of a test that needs one, no matter which."""


def need(name: str) -> Backend:
    """The backend of a framework; without the framework the test is skipped."""
    if name not in available_backends():
        pytest.skip(f"{name} is not installed")
    return get_backend(name)


class _Missing:
    """Stands for a framework's module: a test that reaches for anything in it is skipped."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest looks at every name of a module for marks of its own, and would skip all of the module's tests.
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        need(self._name)


def _module(name: str) -> Any:
    return importlib.import_module(name) if name in available_backends() else _Missing(name)


# Through the backends, which import the two in the order that keeps both fast.
get_backends(available_backends())
torch, paddle = (_module(name) for name in BOTH)
