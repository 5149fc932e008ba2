"""Finer-CAM: Grad-CAM of what sets a class apart from those that are most like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target, class_targets
from ...backends.protocol import Tensor
from ...errors import MethodError, TargetError
from ..checks import finite, positive_count
from ..explanation import Array
from ..registry import Attribution, register
from .gradcam import AVERAGING, weights
from .running import map_by_gradient, weighted


def most_alike(scores: Array, classes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """The classes, nearest first, whose scores (N, classes) are closest to that of a sample's own class: (N, count)."""
    rows = np.arange(len(classes))
    distance = np.abs(scores - scores[rows, classes][:, None])
    distance[rows, classes] = -1
    return np.argsort(distance, axis=1, kind="stable")[:, 1 : count + 1]


@register(
    "finercam",
    family="cams",
    paper="Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation "
    "(Zhang et al., 2025, arXiv:2501.11309)",
    needs="gradient",
    error="averaging residual: how far the map is from activation times gradient, place by place",
)
def finercam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    alpha: float = 1.0,
    similar: int = 3,
    relu: bool = True,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_d w_d (y_c - α y_d)``, explained by Grad-CAM: the logit of class c less those of the classes d like it.

    These are the classes whose logits are closest to that of c, above it or below; ``extras["similar"]`` says which
    (N, similar), the nearest first. ``w_d`` is the softmax of their logits, which is differentiated too, as in the
    authors' code. The values are maps in the units of the logit, (N, 1, H, W), neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    alpha : float
        How much of the other classes is taken off. 0 is gradcam; more than that shows finer details.
    similar : int
        How many other classes.
    relu : bool
        False keeps what speaks for the other classes, too.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    count, strength, backend = positive_count("similar", similar), finite("alpha", alpha), model.backend
    if callable(target):
        raise TargetError(
            "finercam compares the logits of classes, not a function.", "Pass class numbers, or use gradcam."
        )

    def difference(scores: Tensor, chosen: Target) -> Tensor:
        own = model.explained(scores, chosen, "logit")
        said = backend.numpy(scores)
        others = said.shape[1] - 1
        if others < count:
            raise MethodError(
                f"similar={count} other classes are asked for, and the network has {others}.",
                f"Pass similar={others}." if others else 'Use method="gradcam": one output is compared with nothing.',
            )
        alike = most_alike(said, class_targets(chosen, len(said), said), count)
        theirs = backend.concat([backend.reshape(backend.pick(scores, each), (len(said), 1)) for each in alike.T], 1)
        return own - strength * backend.sum(backend.softmax(theirs, 1) * theirs, 1)

    found = map_by_gradient(
        model,
        x,
        target,
        weighted(weights),
        "finercam",
        layer=layer,
        of="logit",
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        estimate=AVERAGING,
        to_number=difference,
    )
    assert found.target is not None
    return replace(found, extras={**found.extras, "similar": most_alike(found.scores, found.target, count)})
