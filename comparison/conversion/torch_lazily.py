"""PyTorch's modules for tables that are read where PyTorch may be missing: imported when first used."""

from __future__ import annotations

import importlib
from typing import Any


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


torch = _Module("torch")
nn = _Module("torch.nn")
F = _Module("torch.nn.functional")
