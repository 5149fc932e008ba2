"""Explanation methods, each written once on the backend protocol.

The package itself can be called: ``twinlens.methods()`` is the table of methods by name.
"""

import sys
from types import ModuleType

from .explain import explain
from .explanation import ErrorEstimate, Explanation
from .registry import Method, get_method, methods

__all__ = ["ErrorEstimate", "Explanation", "Method", "explain", "get_method", "methods"]


class _CallablePackage(ModuleType):
    def __call__(self) -> dict[str, Method]:
        return methods()


sys.modules[__name__].__class__ = _CallablePackage
