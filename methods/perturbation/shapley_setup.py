"""Who plays, what stands for those who are absent, and what everybody and nobody are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..background import background_rows, mean_worth, worth
from ..baselines import Baseline, baselines
from ..checks import random_seed
from ..evaluation import score
from ..explanation import Array
from ..players import Players, players_of
from .shapley_game import Games


def shapley_games(
    model: Model,
    x: Array,
    target: Target,
    *,
    segments: Any,
    segment_options: Mapping[str, Any] | None,
    baseline: Baseline | None,
    background: Any,
    of: Of,
    seed: int,
    batch_size: BatchSize,
    most: int | None = None,
) -> Games:
    """The games whose Shapley values are asked for; more players than `most` are refused.

    Raises
    ------
    MethodError, InputError
        If the players, or what stands for the absent ones, do not fit the samples.
    """
    seed = random_seed(seed)
    if baseline is not None and background is not None:
        raise MethodError("baseline and background both say what stands for absent players.", "Pass one of them.")
    players = several_players(x, segments, segment_options)
    largest = max(each.count for each in players)
    if most is not None and largest > most:
        raise MethodError(
            f"{largest} players have 2**{largest} coalitions: too many to run all of them.",
            f"Use kernelshap or shapley_sampling, or at most {most} players (segments=, segment_options=).",
        )
    if background is None:
        chosen = baselines(0.0 if baseline is None else baseline, x, seed)
        absent = [np.stack(rows) for rows in zip(*chosen, strict=True)]
    else:
        absent = [background_rows(model, background, x)] * len(x)
    scored = score(model, x, target, of, batch_size)
    if background is None:
        empty = np.mean([worth(model, rows, scored.resolved, of, batch_size) for rows in chosen], axis=0)
    else:
        empty = mean_worth(model, absent[0], scored.resolved, len(x), of, batch_size)
    return Games(model, x, scored, players, absent, empty, of, batch_size)


def several_players(x: Array, segments: Any, segment_options: Mapping[str, Any] | None) -> list[Players]:
    """Who plays, see `players_of`; a picture must have two superpixels at least."""
    players = players_of(x, segments, segment_options)
    if x.ndim == 4 and min(each.count for each in players) == 1:
        raise MethodError("The picture is a single superpixel.", "Ask for more or smaller segments.")
    return players
