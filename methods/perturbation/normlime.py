"""NormLIME: LIME's weights of many samples made into one importance of each feature for each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..baselines import Baseline
from ..explanation import LOCAL_FIT, Array, ErrorEstimate
from ..players import Players, players_of
from ..registry import Attribution, register
from .common_players import common_players, weight_of_each
from .lime import lime


@register(
    "normlime",
    family="perturbation",
    paper="NormLIME: A New Feature Importance Metric for Explaining Deep Neural Networks "
    "(Ahern et al., 2019, arXiv:1909.04200)",
    needs="scores",
    error="local R²: share of the variance of the explained number that LIME's lines explain, "
    "the mean over the samples of the class",
    access="model-agnostic",
    scope="global",
)
def normlime(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 1000,
    segments: Any = None,
    segment_options: dict[str, Any] | None = None,
    hide_colour: float | None = None,
    baseline: Baseline | None = None,
    background: Any = None,
    kernel_width: float | None = None,
    of: Of = "probability",
    seed: int = 0,
    batch_size: BatchSize = "auto",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
) -> Attribution:
    """``I_c(j) = mean over the samples i of class c of w_ij² / Σ_k |w_ik|``, w_i the weights of `lime` at sample i.

    Each weight counts by its share of the L1 norm of its sample's weights: a feature is important to a class where it
    has large weights that stand out from the others. The importances are 0 or more and do not say for or against;
    their unit is that of LIME's weights. The paper's mean is over the explanations that use feature j, which with
    LIME's ridge are all of them. A sample whose weights are all 0 adds 0.

    The samples are the batch, each counted for its own target: more of a class make its importances more certain.
    Features must be the same in all samples: the columns of a table, or one partition for all pictures. ``values``
    holds for every sample the importances of its class, in the shape of `lime`'s: (N, D), or (N, 1, H, W).

    ``extras`` holds ``classes`` (C,), those that occur, in order; ``counts`` (C,), samples of each; ``importance``
    (C, K) of the K features; ``standard_error``, of the importances as means over samples, in the shape of the values,
    NaN, unknown, for a class with a single sample; and ``segments`` (N, H, W) of pictures. The error estimate is the
    mean local R² of `lime` over the samples of the class.

    LIME's draws for a sample depend on its place in the batch: in another order the same samples have slightly other
    importances, unless `samples` are as many as there are masks of a picture, when nothing is drawn.

    Parameters
    ----------
    samples : int
        LIME's neighbours per sample, the sample itself included.
    segments : "grid" or array of int (H, W), optional
        How all pictures are cut alike ("grid" when left out), or a partition of your own.
    segment_options : dict, optional
        For the grid, such as ``{"cells": 4}``, see `superpixels`.
    hide_colour : float, optional
        What a hidden part of a picture is filled with; its own mean colour when left out.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these, optional
        What a hidden part shows instead of a colour; the mean is taken over several.
    background : array (B, ...), optional
        For tables, which need it: rows that tell how wide each column spreads.
    kernel_width : float, optional
        How far away neighbours count: 0.25 in cosine distance for pictures; for D columns 0.75 √D standard deviations.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    batch_size : int or "auto"
    tolerance : float, optional
        Relative standard error of LIME's weights to reach at every sample; `samples` is then only the first round.
    max_evaluations : int, optional
        How many inputs may go through the network.
    max_seconds : float, optional
        After how many seconds no round begins.
    """
    if callable(target):
        raise MethodError("normlime explains classes.", "Pass a class number, one per sample, or None as target.")
    if x.ndim == 4 and segments is None:
        segments = "grid"
    features = _shared(x, segments, segment_options)
    found = lime(
        model,
        x,
        target,
        samples=samples,
        segments=segments,
        segment_options=segment_options,
        hide_colour=hide_colour,
        baseline=baseline,
        background=background,
        kernel_width=kernel_width,
        of=of,
        seed=seed,
        batch_size=batch_size,
        tolerance=tolerance,
        max_evaluations=max_evaluations,
        max_seconds=max_seconds,
    )
    assert found.target is not None
    assert found.error is not None
    parts = _normalised(weight_of_each(found.values, features).astype(np.float64))
    classes, place, counts = np.unique(found.target, return_inverse=True, return_counts=True)
    members = [place == number for number in range(len(classes))]
    importance = np.stack([parts[those].mean(axis=0) for those in members])
    spread = np.stack([_standard_error(parts[those]) for those in members])
    fit = np.array([found.error.values[those].mean() for those in members])
    extras = {
        "classes": classes,
        "counts": counts,
        "importance": importance.astype(x.dtype),
        "standard_error": features.spread(spread[place]).astype(x.dtype),
    }
    if "segments" in found.extras:
        extras["segments"] = found.extras["segments"]
    return Attribution(
        features.spread(importance[place]).astype(x.dtype),
        found.scores,
        found.target,
        ErrorEstimate(
            LOCAL_FIT,
            fit[place],
            "Mean over the samples of the class: 1 is perfect local fits; below about 0.5 their weights mean little, "
            "or there are too few samples.",
        ),
        extras,
        found.budget,
    )


def _shared(x: Array, segments: Any, segment_options: dict[str, Any] | None) -> Players:
    """The features that all samples have in common."""
    cure = 'Pass segments="grid", or one partition (H, W) for all pictures.'
    if isinstance(segments, str) and segments != "grid":
        raise MethodError(f"segments={segments!r} does not cut all pictures alike, and normlime averages them.", cure)
    shared = common_players(players_of(x, segments, segment_options))
    if shared is None:
        raise MethodError("The segments differ from sample to sample, and normlime averages over samples.", cure)
    return shared


def _normalised(weights: Array) -> Array:
    """``w² / |w|₁`` of each row; 0 where all weights are."""
    size = np.abs(weights)
    # In units of the largest: sums of large numbers overflow.
    largest = size.max(axis=1, keepdims=True)
    share = size / np.where(largest > 0, largest, 1)
    total = share.sum(axis=1, keepdims=True)
    normalised: Array = size * (share / np.where(total > 0, total, 1))
    return normalised


def _standard_error(parts: Array) -> Array:
    """Of the mean over rows; NaN for a single one."""
    if len(parts) == 1:
        return np.full(parts.shape[1], np.nan)
    # In units of the largest: squares of large numbers overflow.
    unit = parts.max() or 1.0
    error: Array = unit * ((parts / unit).std(axis=0, ddof=1) / np.sqrt(len(parts)))
    return error
