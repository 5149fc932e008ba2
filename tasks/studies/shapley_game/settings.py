"""Settings of the study ``shapley_game``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError, suggest
from ...strict import Strict
from ..base import StudySettings
from ..table_choice import TableChoice
from .worth import MOST_PLAYERS, check_players, worth_table

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Width = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Game(Strict):
    """A game written down: who plays, and what every coalition is worth.

    Players of one union come one after the other in the Owen values; a player in none is a union of its own.
    """

    title: str = "The game"
    players: list[str]
    worth: dict[str, Number]
    unit: str = ""
    unions: list[list[str]] = []

    @validator(mode="before")
    @classmethod
    def _is_whole(cls, value: Any) -> Any:
        for key in ("players", "worth"):
            if isinstance(value, dict) and key not in value:
                raise ConfigError(f"The game has no {key}.", f"Give it {key}: see configs/shapley_game.yaml.")
        return value

    @validator(mode="after")
    def _is_a_game(self) -> Game:
        check_players(self.players)
        worth_table(self.players, self.worth)
        together = [name for union in self.unions for name in union]
        for name, times in Counter(together).items():
            if name not in self.players:
                raise ConfigError(f"A union has the player '{name}', who does not play.", suggest(name, self.players))
            if times > 1:
                raise ConfigError(f"The player '{name}' is in two unions.", "Put each player into one union at most.")
        return self

    @property
    def partition(self) -> list[list[int]]:
        """The unions, and who is in none as one of their own, by the players' numbers."""
        unions = [[self.players.index(name) for name in union] for union in self.unions if union]
        together = {number for union in unions for number in union}
        return unions + [[number] for number in range(len(self.players)) if number not in together]

    @property
    def table(self) -> list[float]:
        """What coalitions are worth, in the order of their bits."""
        return worth_table(self.players, self.worth)


STREET_BAND = Game(
    title="A street band",
    players=["drums", "guitar", "singer"],
    unit="roubles",
    worth={
        "": 0,
        "drums": 4000,
        "guitar": 4800,
        "singer": 5000,
        "drums guitar": 9000,
        "drums singer": 8500,
        "guitar singer": 9500,
        "drums guitar singer": 15000,
    },
    unions=[["guitar", "singer"]],
)
"""What a band of three collects in the street in one evening, by who plays."""


class Retrained(Strict):
    """Columns of a table as players: a model is fitted anew on every subset of them."""

    table: TableChoice = TableChoice(name="boston")
    rows: PositiveInt = 1000
    features: Annotated[list[str], Field(min_length=2)] | None = ["LSTAT", "RM", "PTRATIO", "DIS", "NOX"]
    model: Literal["forest", "boosting", "linear"] = "forest"
    row: NonNegativeInt = 0
    test_rows: PositiveInt = 100
    repeats: Annotated[int, Field(ge=2)] = 4
    background: PositiveInt = 50

    @validator(mode="after")
    def _are_few(self) -> Retrained:
        if self.features is not None and len(self.features) > MOST_PLAYERS:
            raise ConfigError(
                f"The model would be fitted on 2**{len(self.features)} subsets of {len(self.features)} features.",
                f"Choose {MOST_PLAYERS} features at most.",
            )
        return self


class Convergence(Strict):
    """How fast estimates come near the exact values, on the row of a network and on a game of chance."""

    table: TableChoice = TableChoice(name="boston", without=["B"])
    rows: PositiveInt = 1000
    features: Annotated[list[str], Field(min_length=3)] | None = None
    row: NonNegativeInt = 0
    background: PositiveInt = 20
    evaluations: Annotated[list[PositiveInt], Field(min_length=3)] = [30, 60, 125, 250, 500, 1000, 2000]
    seeds: Annotated[int, Field(ge=2)] = 15
    chance_players: Annotated[int, Field(ge=3, le=14)] = 12


class Axioms(Strict):
    """Random games on which the axioms are checked."""

    games: PositiveInt = 20
    players: Annotated[int, Field(ge=2, le=8)] = 5


class Kernels(Strict):
    """KernelSHAP's weights beside LIME's."""

    players: Annotated[int, Field(ge=3, le=14)] = 12
    widths: Annotated[list[Width], Field(min_length=1, max_length=3)] = [0.25, 0.75]


class ShapleyGame(StudySettings):
    """Shapley values as a game: of a band, of columns that a model is retrained without, of a network's row."""

    game: Game = STREET_BAND
    axioms: Axioms = Axioms()
    kernels: Kernels = Kernels()
    retrained: Retrained | None = Retrained()
    convergence: Convergence | None = Convergence()

    @property
    def needs_networks(self) -> bool:
        """Whether the convergence, which runs a network, is asked for."""
        return self.convergence is not None
