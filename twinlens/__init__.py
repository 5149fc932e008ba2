"""Explainable AI on PaddlePaddle and PyTorch alike.

>>> import twinlens as tl
>>> model = tl.wrap(net)                       # a torch.nn.Module or a paddle.nn.Layer
>>> tl.explain(model, pictures, method="integrated_gradients", target=3).plot()

Importing this package imports neither framework; each is loaded when a model of it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from .backends import Model, Normalise, available_backends, get_backend, wrap
    from .comparison import agreement, compare, convert, diff, parity, transfer, twin
    from .methods import Explanation, explain
    from .methods.layers import neuron
    from .methods.perturbation.submodular_pick import submodular_pick
    from .models import evaluate, fit, load_model

__version__ = "0.1.0"

_HOMES = {
    "Model": "backends",
    "Normalise": "backends",
    "available_backends": "backends",
    "get_backend": "backends",
    "wrap": "backends",
    "Explanation": "methods",
    "explain": "methods",
    "neuron": "methods.layers",
    "submodular_pick": "methods.perturbation.submodular_pick",
    "agreement": "comparison",
    "compare": "comparison",
    "convert": "comparison",
    "diff": "comparison",
    "parity": "comparison",
    "transfer": "comparison",
    "twin": "comparison",
    "evaluate": "models",
    "fit": "models",
    "load_model": "models",
}
# `tl.methods` is a package that can be called: `tl.methods()` is the table of methods.
_PACKAGES = ("backends", "comparison", "datasets", "figures", "grading", "methods", "models", "tasks")

__all__ = [
    "Explanation",
    "Model",
    "Normalise",
    "agreement",
    "available_backends",
    "compare",
    "convert",
    "diff",
    "errors",
    "evaluate",
    "explain",
    "fit",
    "get_backend",
    "load_model",
    "neuron",
    "parity",
    "submodular_pick",
    "transfer",
    "twin",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in _PACKAGES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'twinlens' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_PACKAGES})
