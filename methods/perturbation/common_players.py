"""Players that all samples share, so that numbers of one sample can be set beside those of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..explanation import Array
from ..players import Players


def common_players(players: Sequence[Players]) -> Players | None:
    """The one partition of all samples, or None if they have several."""
    first = players[0]
    alike = all(each is first or np.array_equal(each.labels, first.labels) for each in players)
    return first if alike else None


def weight_of_each(values: Array, players: Players) -> Array:
    """The numbers (N, K) that `Players.spread` put at the players' places."""
    first = np.unique(players.labels, return_index=True)[1]
    weights: Array = values.reshape(len(values), -1)[:, first]
    return weights
