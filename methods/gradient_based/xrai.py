"""XRAI: regions instead of pixels, ordered by how much integrated gradients they hold per pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError
from ..baselines import Baseline
from ..checks import pictures
from ..explanation import Array
from ..players import players_of
from ..registry import Attribution, register
from .integrated_gradients import integrated_gradients
from .regions import parts_of, ranked, regions_of


@register(
    "xrai",
    family="gradients",
    paper="XRAI: Better Attributions Through Regions (Kapishnikov et al., 2019, arXiv:1906.02825)",
    needs="gradient",
    error="completeness residual: sum of the pixels' attributions minus (score of x - mean score of the baselines)",
)
def xrai(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 100,
    baseline: Baseline = (0.0, 1.0),
    segments: Any = None,
    of: Of = "logit",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Mean integrated gradients, from black and from white, of the region that each pixel belongs to: (N, 1, H, W).

    Felzenszwalb's superpixels of six sizes overlap. The one with the most attribution per pixel is taken first, and of
    the others what is left of them, until the picture is covered. The values add up to what the pixels' attributions,
    summed over the channels, add up to. ``extras["segments"]`` numbers the parts, 0 for the one with the highest value;
    ``extras["pixels"]`` holds the integrated gradients themselves.

    Parameters
    ----------
    steps : int
        Points on the path from each baseline.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        Where the paths start, as for `integrated_gradients`; black and white, so that neither dark nor light pixels are
        passed over.
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        One partition instead of the superpixels of six sizes: (H, W) for all pictures, or (N, 1, H, W).
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    tolerance : float, optional
        Relative completeness residual of the integrated gradients to reach; `steps` is then only the first round.
    max_evaluations : int, optional
        Gradients that may be taken in all.
    max_seconds : float, optional
        After how many seconds no round begins.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    pictures(x, "xrai")
    cuts = None if segments is None else [each.labels for each in players_of(x, segments)]
    if cuts is not None and any(len(cut) > 1 for cut in cuts):
        raise InputError("The segments tell the channels of a pixel apart.", "Pass one number per pixel: (H, W).")
    found: Attribution = integrated_gradients(
        model,
        x,
        target,
        steps=steps,
        baseline=baseline,
        of=of,
        seed=seed,
        tolerance=tolerance,
        max_evaluations=max_evaluations,
        max_seconds=max_seconds,
        precision=precision,
        batch_size=batch_size,
    )
    values, order = zip(
        *(
            ranked(found.values[i].sum(axis=0), regions_of(x[i]))
            if cuts is None
            else ranked(found.values[i].sum(axis=0), parts_of(cuts[i][0]), smallest=1)
            for i in range(len(x))
        ),
        strict=True,
    )
    extras = {**found.extras, "segments": np.stack(order), "pixels": found.values}
    return replace(found, values=np.stack(values)[:, None].astype(x.dtype), extras=extras)
