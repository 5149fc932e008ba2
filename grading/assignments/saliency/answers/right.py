"""Right answers, by the methods of twinlens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from twinlens.grading.protocol import Array, Arrays
from twinlens.grading.ways import as_pictures, laid_out, normalised

if TYPE_CHECKING:
    from twinlens import Model

Reduce: TypeAlias = Callable[[Array], Array]
"""Maps of gradients, or one array of several."""


def expected(task: str, model: Model, inputs: Arrays) -> Arrays:
    """What the driver returns for a right submission."""
    import twinlens as tl

    x, labels = laid_out(inputs["pictures"]), inputs["labels"].tolist()
    if task == "compute_saliency_maps":
        maps = largest(tl.explain(model, x, "saliency", target=labels).values)
        one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
        alone = largest(tl.explain(model, x[one], "saliency", target=labels[one]).values)
        return {"maps": maps, "again": maps, "alone": alone, "normalised": normalised(maps)}
    if task == "smooth_grad":
        copies = [x + laid_out(noise) for noise in inputs["noise"].astype(model.dtype)]
        maps = np.mean([largest(model.gradient(copy, target=labels)) for copy in copies], axis=0)
        return {"maps": maps, "again": maps}
    found = tl.explain(
        model,
        x,
        "integrated_gradients",
        target=labels,
        baseline=laid_out(inputs["baseline"]),
        steps=int(inputs["steps"]),
        rule="midpoint",
    )
    attributions = as_pictures(found.values)
    return {"attributions": attributions, "again": attributions}


def largest(gradient: Array) -> Array:
    """Largest absolute value over the channels of (N, 3, H, W)."""
    found: Array = np.abs(gradient).max(axis=1)
    return found
