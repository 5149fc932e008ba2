"""Random-CAM: a convolution's maps with weights that know nothing, the control that every other map has to beat."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..checks import check_flags, pictures, random_seed
from ..explanation import Array
from ..registry import Attribution, register
from .running import finished, look, parts, settled
from .target_layer import target_layer


@register(
    "randomcam",
    family="cams",
    paper="PyTorch library for CAM methods (Gildenblat and contributors, 2021)",
    needs="activations",
    error="none: the weights are drawn, not estimated, and there is nothing that they could be far from",
)
def randomcam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    seed: int = 0,
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_k w_k A_k``, each weight drawn from the uniform distribution on -1 to 1.

    A control: what a measure says of this map it says of any that shows the layer's activations. No class is explained:
    the target is not used, and none is recorded. The weights of sample i are the first K numbers of
    ``numpy.random.default_rng([seed, i]).uniform(-1, 1, K)``. The values are maps (N, 1, H, W), neither shifted nor
    scaled. Their mean over many seeds is 0: look at several seeds one by one.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    seed : int
        Of the weights.
    relu : bool
        True sets negative values to 0, as the library does: for a comparison with methods that do so.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "randomcam")
    check_flags(relu=relu, upsample=upsample)
    seed = random_seed(seed)
    name = target_layer(model, x, layer)
    maps, scores = [], []
    for part in parts(model, x, batch_size):
        seen = look(model, x[part], name)
        for sample, activation in enumerate(seen.activation, start=part.start):
            weights = np.random.default_rng([seed, sample]).uniform(-1, 1, len(activation))
            maps.append(np.einsum("k,khw->hw", weights, activation))
        scores.append(seen.scores)
    joined = np.concatenate(scores)
    if target is not None:
        settled(target, joined)
    return finished(x, np.stack(maps), joined, None, name, relu=relu, upsample=upsample)
