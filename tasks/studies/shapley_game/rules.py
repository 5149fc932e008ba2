"""Other ways to share out what a game is worth, each of which gives up something that Shapley values keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.function_games import kernel_game, sampled_game, table_game
from ....methods.perturbation.shapley_game import Floats

Rule: TypeAlias = Callable[[Floats], Floats]
"""What coalitions are worth (2**K,), in the order of their bits, to what each player gets (K,)."""

_ORDERS = 20


def contributions(worth: Floats) -> Floats:
    """What each player adds to each coalition of the others: (K, 2**(K-1)), those coalitions in ascending order."""
    players = count_players(worth)
    halves = (np.moveaxis(worth.reshape(-1, 2, 1 << j), 1, 0) for j in range(players))
    return np.stack([(present - without).reshape(-1) for without, present in halves])


def count_players(worth: Floats) -> int:
    """How many players a table of coalitions has."""
    return len(worth).bit_length() - 1


def banzhaf_values(worth: Floats) -> Floats:
    """Mean contribution over all coalitions of the others, each counted the same (Banzhaf, 1965)."""
    values: Floats = contributions(worth).mean(axis=1)
    return values


def scaled_banzhaf_values(worth: Floats) -> Floats:
    """Banzhaf's values, scaled so that they add up."""
    values = banzhaf_values(worth)
    return values * (worth[-1] - worth[0]) / values.sum()


def alone(worth: Floats) -> Floats:
    """What each player adds to nobody."""
    return worth[1 << np.arange(count_players(worth))] - worth[0]


def joining_last(worth: Floats) -> Floats:
    """What each player adds to all the others: what is lost without it."""
    return worth[-1] - worth[len(worth) - 1 - (1 << np.arange(count_players(worth)))]


def in_listed_order(worth: Floats) -> Floats:
    """What each player adds when they join in the order of the list."""
    return np.diff(worth[(1 << np.arange(count_players(worth) + 1)) - 1])


def equal_shares(worth: Floats) -> Floats:
    """The same for everybody."""
    players = count_players(worth)
    return np.full(players, (worth[-1] - worth[0]) / players)


def over_all_orders(worth: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Every order of the players (K!, K), and what each player adds in it (K!, K)."""
    players = count_players(worth)
    orders = np.array(list(permutations(range(players))))
    before = np.cumsum(1 << orders, axis=1)
    added = np.diff(worth[before], axis=1, prepend=worth[0])
    found = np.empty_like(added)
    np.put_along_axis(found, orders, added, axis=1)
    return orders, found


def owen_values(worth: Floats, unions: Sequence[Sequence[int]]) -> Floats:
    """Mean contribution over the orders in which the members of a union come one after the other (Owen, 1977).

    Parameters
    ----------
    worth : ndarray (2**K,)
    unions : sequence of sequences of int
        A partition of the players.
    """
    values = np.zeros(count_players(worth))
    bits = [[1 << j for j in union] for union in unions]
    for here, union in enumerate(unions):
        others = [sum(members) for there, members in enumerate(bits) if there != here]
        for player in union:
            inside = [1 << j for j in union if j != player]
            for before, share in _weighted(others):
                for friends, weight in _weighted(inside):
                    place = before | friends
                    values[player] += share * weight * (worth[place | 1 << player] - worth[place])
    return values


def _weighted(groups: Sequence[int]) -> list[tuple[int, float]]:
    """Every choice of some groups, as the players in it, with the share of orders in which just they come before."""
    count = len(groups)
    chosen = [[group for g, group in enumerate(groups) if number >> g & 1] for number in range(1 << count)]
    return [(sum(some), 1 / ((count + 1) * math.comb(count, len(some)))) for some in chosen]


def _half_of_the_coalitions(worth: Floats) -> Floats:
    players = count_players(worth)
    return kernel_game(table_game(worth), players, max(2 * players, len(worth) // 2)).values


def _some_orders(worth: Floats) -> Floats:
    return sampled_game(table_game(worth), count_players(worth), _ORDERS).values


SHAPLEY = "Shapley values"

RULES: Mapping[str, Rule] = {
    SHAPLEY: shapley_values,
    "Banzhaf index": banzhaf_values,
    "Banzhaf index, scaled to add up": scaled_banzhaf_values,
    "joining in the listed order": in_listed_order,
    "equal shares": equal_shares,
    "each alone": alone,
    "each joining last": joining_last,
    "KernelSHAP on half of the coalitions": _half_of_the_coalitions,
    f"sampling of {_ORDERS} orders": _some_orders,
}
"""Ways to share by name; the last two estimate Shapley values."""
