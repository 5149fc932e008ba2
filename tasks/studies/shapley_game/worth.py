"""A game written down: what every coalition of a few players is worth, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from ....errors import ConfigError, suggest

FEWEST_PLAYERS, MOST_PLAYERS = 2, 8
NOBODY = "nobody"


def check_players(players: Sequence[str]) -> None:
    """Check who plays.

    Raises
    ------
    ConfigError
        Too few, too many, a name that is not one word, or the same name twice.
    """
    if not FEWEST_PLAYERS <= len(players) <= MOST_PLAYERS:
        raise ConfigError(
            f"The number of players in the game is {len(players)}.",
            f"Name {FEWEST_PLAYERS} to {MOST_PLAYERS}: K players have 2**K coalitions to write down.",
        )
    for name in players:
        if len(name.split()) != 1:
            raise ConfigError(
                f"The player '{name}' is not one word.",
                "Write names without spaces: coalitions are words side by side.",
            )
        if players.count(name) > 1:
            raise ConfigError(f"The player '{name}' is named twice.", "Name each player once.")


def worth_table(players: Sequence[str], worth: Mapping[str, float]) -> list[float]:
    """What coalitions are worth, in the order of their bits: player j is present where bit j of the place is set.

    Parameters
    ----------
    players : sequence of str
        Names, see `check_players`.
    worth : mapping of str to float
        By coalition: its players in any order, divided by spaces, ``""`` for nobody.

    Raises
    ------
    ConfigError
        A coalition is missing, is there twice, or has a player that does not play or comes twice.
    """
    written: dict[int, str] = {}
    table = [0.0] * (1 << len(players))
    for coalition, value in worth.items():
        place = _place(coalition, players)
        if place in written:
            raise ConfigError(
                f"The coalitions '{written[place]}' and '{coalition}' are the same, so it is worth two values.",
                "Keep one of them: the order of the players does not matter.",
            )
        written[place] = coalition
        table[place] = float(value)
    missing = [place for place in range(len(table)) if place not in written]
    if missing:
        named = coalition_name(missing[0], players, " ")
        others = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        raise ConfigError(
            f"The coalition '{'' if missing[0] == 0 else named}' has no worth{others}.",
            f"Give all {len(table)} coalitions of {len(players)} players a worth, '' (nobody) too.",
        )
    return table


def coalition_name(place: int, players: Sequence[str], between: str = " + ") -> str:
    """A coalition's players in words."""
    return between.join(name for j, name in enumerate(players) if place >> j & 1) or NOBODY


def by_size(players: int) -> list[int]:
    """Places of all coalitions, the small ones first."""
    return [
        sum(1 << j for j in members) for size in range(players + 1) for members in combinations(range(players), size)
    ]


def _place(coalition: str, players: Sequence[str]) -> int:
    place = 0
    for name in coalition.split():
        if name not in players:
            raise ConfigError(
                f"The coalition '{coalition}' has the player '{name}', who does not play.", suggest(name, players)
            )
        bit = 1 << players.index(name)
        if place & bit:
            raise ConfigError(f"The coalition '{coalition}' has the player '{name}' twice.", "Name each player once.")
        place |= bit
    return place
