"""Layers computed once more in NumPy, with whatever settings an experiment asks for: the third opinion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends.protocol import Array
from .lab_elementwise import ELEMENTWISE
from .lab_norms import batch_norm, group_norm, instance_norm, layer_norm
from .lab_resize import upsample
from .lab_windows import adaptive_pool, avg_pool, conv, max_pool, pad

Formula = Callable[[Array, Mapping[str, Any], Mapping[str, Array]], Array]


def _linear(x: Array, settings: Mapping[str, Any], weights: Mapping[str, Array]) -> Array:
    return x @ weights["weight"].T + weights.get("bias", 0.0)


def _dropout(x: Array, settings: Mapping[str, Any], weights: Mapping[str, Array]) -> Array:
    return x * (1 - settings["p"]) if settings.get("mode") == "downscale_in_infer" else x


FORMULAS: dict[str, Formula] = {
    "linear": _linear,
    "conv": conv,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": lambda x, s, w: adaptive_pool(x, s, np.mean),
    "adaptive_max_pool": lambda x, s, w: adaptive_pool(x, s, np.max),
    "pad": pad,
    "upsample": upsample,
    "dropout": _dropout,
} | ELEMENTWISE


@dataclass(frozen=True)
class Recipe:
    """What a layer computes: a family of layers, its settings, its weights in torch's layout."""

    family: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Array]

    def changed(self, weights: Mapping[str, Array] | None = None, **settings: Any) -> Recipe:
        """The same with other settings or weights."""
        return replace(
            self,
            settings={**self.settings, **settings},
            weights=self.weights if weights is None else {**self.weights, **weights},
        )

    def compute(self, x: Array) -> Array | None:
        """The layer's output in float64; None where the recipe is not known or does not fit `x`."""
        if self.family not in FORMULAS:
            return None
        weights = {name: np.asarray(array, dtype=np.float64) for name, array in self.weights.items()}
        try:
            with np.errstate(all="ignore"):
                return FORMULAS[self.family](np.asarray(x, dtype=np.float64), self.settings, weights)
        except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, MemoryError):
            return None
