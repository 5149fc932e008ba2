"""Score-CAM: a convolution's maps, each weighted with the score of the picture seen through it."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ..budget import Budget
from ..checks import check_flags, pictures
from ..evaluation import values_at
from ..explanation import Array
from ..registry import Attribution, register
from .running import finished, look, parts, settled
from .target_layer import target_layer
from .upsampling import resized


def weights(masked_scores: Array) -> Array:
    """Softmax over the channels of the masked pictures' scores (K,)."""
    powers = np.exp(masked_scores - masked_scores.max())
    shares: Array = powers / powers.sum()
    return shares


def masks(maps: Array, size: tuple[int, ...]) -> Array:
    """Maps (M, h, w) enlarged to (M, H, W) and brought to 0 to 1, each by itself; 0 where a map is constant."""
    large = resized(maps, size)
    low, high = (bound(large, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    constant = np.ptp(maps, axis=(1, 2))[:, None, None] == 0
    large -= low
    large /= np.where(constant | (high == low), np.inf, high - low)
    return large


@register(
    "scorecam",
    family="cams",
    paper="Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks "
    "(Wang et al., 2019, arXiv:1910.01279)",
    needs="activations",
    error="none: every channel's score is computed, nothing is sampled, and the map promises no sum",
)
def scorecam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    relu: bool = True,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``ReLU(Σ_k α_k A_k)``, ``α = softmax_k score(x · M_k)``, ``M_k`` the map ``A_k`` enlarged and brought to 0 to 1.

    One run of the network per channel and sample. The paper takes the score of a baseline picture from every
    ``score(x · M_k)``, which the softmax does not notice. Channels that are the same everywhere, as dead ones, have the
    mask 0 and share one run, of the picture multiplied by 0. The values are maps (N, 1, H, W) in the units of the
    activations, neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is the score.
    relu : bool
        False keeps the activations' negative parts.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many pictures run at once.
    """
    pictures(x, "scorecam")
    check_flags(relu=relu, upsample=upsample)
    name = target_layer(model, x, layer)
    listed = per_sample(target, len(x))
    budget = Budget(len(x))
    quick: Model | None = None
    maps, said = [], []
    for part in parts(model, x, batch_size):
        seen = look(model, x[part], name)
        said.append(seen.scores)
        quick = quick or model.streamlined(x, len(x) * seen.activation.shape[1])
        classes = settled(listed(part), seen.scores)
        chosen = target if classes is None else classes
        for scores, activation in zip(
            _masked_scores(quick, x[part], seen.activation, chosen, of, batch_size, budget),
            seen.activation,
            strict=True,
        ):
            maps.append(np.tensordot(weights(scores), activation, axes=1))
    joined = np.concatenate(said)
    return finished(
        x, np.stack(maps), joined, settled(target, joined), name, relu=relu, upsample=upsample, budget=budget
    )


def _masked_scores(
    model: Model,
    x: Array,
    activations: Array,
    target: Target,
    of: Of,
    batch_size: BatchSize,
    budget: Budget,
) -> list[Array]:
    """The explained number of every sample behind the mask of every channel: (K,) each."""
    chosen, places = zip(*map(_distinct, activations), strict=True)

    def masked(sample: int, part: slice) -> Array:
        mask = masks(activations[sample, chosen[sample][part]], x.shape[2:]).astype(x.dtype)
        product: Array = x[sample] * mask[:, None]
        return product

    counts = [len(channels) for channels in chosen]
    budget.evaluations += sum(counts)
    found: list[list[Array]] = [[] for _ in x]
    for sample, _, values in values_at(model, masked, range(len(x)), counts, x.shape[1:], target, of, batch_size):
        found[sample].append(values.astype(np.float64))
    return [np.concatenate(values)[place] for values, place in zip(found, places, strict=True)]


def _distinct(activation: Array) -> tuple[Array, Array]:
    """The channels (K, h, w) to run, one for all constant ones, and for each of the K where its run is among them."""
    constant = np.ptp(activation, axis=(1, 2)) == 0
    representative = np.where(constant, np.argmax(constant), np.arange(len(activation)))
    channels, place = np.unique(representative, return_inverse=True)
    return channels, place
