"""Ablation-CAM: a convolution's maps, each weighted with how much the score falls without it."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ..budget import Budget
from ..checks import check_flags, finite_scores, pictures
from ..explanation import Array
from ..registry import Attribution, register
from .after_layer import AfterLayer
from .running import Seen, finished, look, parts, settled
from .target_layer import target_layer


def weights(score: float, ablated_scores: Array) -> Array:
    """How much the score falls without each channel (K,)."""
    return score - ablated_scores


@register(
    "ablationcam",
    family="cams",
    paper="Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization "
    "(Desai & Ramaswamy, 2020)",
    needs="activations",
    error="none: every channel is ablated, nothing is sampled, and the map promises no sum",
)
def ablationcam(
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
    """``ReLU(Σ_k w_k A_k)`` with ``w_k = score - score without A_k``, channel k set to 0 everywhere.

    The paper divides by the score: one number per sample, which would turn the map of a negative score upside down. It
    is left out here. Channels that are 0 need no run; for the others the network runs only from the layer on, where it
    allows that. The values are maps (N, 1, H, W), neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is the score.
    relu : bool
        False keeps what speaks against the class, too.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many ablated channels run at once.
    """
    pictures(x, "ablationcam")
    check_flags(relu=relu, upsample=upsample)
    name = target_layer(model, x, layer)
    listed = per_sample(target, len(x))
    budget = Budget(len(x))
    behind = AfterLayer(model, name)
    maps, said = [], []
    for part in parts(model, x, batch_size):
        seen = look(model, x[part], name)
        said.append(seen.scores)
        classes = settled(listed(part), seen.scores)
        for i, activation in enumerate(seen.activation):
            alive = np.flatnonzero(activation.any(axis=(1, 2)))
            chosen = target if classes is None else int(classes[i])
            falls = _falls(model, behind, x[part][i : i + 1], seen, i, alive, chosen, of, batch_size)
            maps.append(np.tensordot(falls, activation[alive], axes=1))
            budget.evaluations += len(alive)
    joined = np.concatenate(said)
    return finished(
        x, np.stack(maps), joined, settled(target, joined), name, relu=relu, upsample=upsample, budget=budget
    )


def _falls(
    model: Model,
    behind: AfterLayer,
    x: Array,
    seen: Seen,
    sample: int,
    alive: Array,
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Array:
    """The weights of the channels of one sample that are not 0."""
    backend = model.backend
    own = seen.activation[sample : sample + 1].astype(x.dtype)
    scores = seen.scores[sample : sample + 1]
    ablated = []
    with backend.frozen(model.net), backend.no_grad():
        whole = model.explained(backend.asarray(scores, device=model.device), target, of)
        size = chunk_size(model, x.shape[1:], len(alive), batch_size, held=1)
        for part in chunks(len(alive), size):
            outputs = np.repeat(own, part.stop - part.start, axis=0)
            outputs[np.arange(len(outputs)), alive[part]] = 0
            native = behind.scores(x, own, scores, outputs)
            ablated.append(finite_scores(backend.numpy(model.explained(native, target, of))).astype(np.float64))
        score = float(backend.numpy(whole)[0])
    return weights(score, np.concatenate(ablated)) if ablated else np.empty(0)
