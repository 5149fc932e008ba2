"""Settings of the study ``ice_pdp``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError
from ...strict import Strict
from ..base import StudySettings
from ..table_choice import TableChoice

Share = Annotated[float, Field(ge=0, le=1)]


class ModelChoice(Strict):
    """A model: ``linear``, ``forest``, ``xgboost``, ``network``, or a class of scikit-learn such as ``SVR``.

    A text alone stands for the name. Options go to the constructor; ``network`` knows ``hidden``.
    """

    name: Annotated[str, Field(min_length=1)]
    options: dict[str, Any] = Field(default_factory=dict)

    @validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class IcePdp(StudySettings):
    """How a model's answer changes with one feature: a curve for each row, and their average.

    Attributes
    ----------
    table : TableChoice
    models : list of ModelChoice
        The same curves are drawn for each; a network is run on each framework.
    features : list of str, optional
        Columns to change. Left out: RM, LSTAT and AGE of the Boston table, the first three of any other.
    pairs : list of two names each, optional
        Columns of numbers to change together. Left out: RM and LSTAT of the Boston table, none of any other.
    explained_class : str, optional
        The class whose probability is shown. May be left out where there are two: the second is shown then.
    rows : int
        Longer tables are cut to so many rows, drawn at random.
    curves : int
        How many rows' curves are drawn; averages are over all rows.
    grid, pair_grid : int
        Values that a feature, or each feature of a pair, is set to.
    percentiles : two numbers from 0 to 1
        Where the values begin and end: beyond, there are few rows to learn from.
    interaction_rows : int
        Rows for the strength of interactions, whose cost grows with their square.
    held_out : float
        Share of the rows that scores come from. Curves are made of all rows.
    """

    table: TableChoice = TableChoice(name="boston")
    models: Annotated[list[ModelChoice], Field(min_length=1)] = [
        ModelChoice(name="forest"),
        ModelChoice(name="xgboost"),
        ModelChoice(name="network"),
    ]
    features: Annotated[list[str], Field(min_length=1, max_length=6)] | None = None
    pairs: list[tuple[str, str]] | None = None
    explained_class: str | None = None
    rows: Annotated[int, Field(ge=10)] = 1000
    curves: PositiveInt = 50
    grid: Annotated[int, Field(ge=3)] = 20
    pair_grid: Annotated[int, Field(ge=3)] = 12
    percentiles: tuple[Share, Share] = (0.05, 0.95)
    interaction_rows: Annotated[int, Field(ge=10)] = 60
    held_out: Annotated[float, Field(ge=0.05, le=0.5)] = 0.25

    @property
    def needs_networks(self) -> bool:
        """Whether one of the models is a network."""
        return any(model.name == "network" for model in self.models)

    @validator(mode="after")
    def _fits_together(self) -> IcePdp:
        low, high = self.percentiles
        if low >= high:
            raise ConfigError(f"ice_pdp.percentiles go from {low} to {high}.", "Give the smaller one first.")
        for key, names in (("features", self.features or []), ("models", [model.name for model in self.models])):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ConfigError(f"ice_pdp.{key} has '{twice}' twice.", "Name each once.")
        same = next((first for first, second in self.pairs or [] if first == second), None)
        if same is not None:
            raise ConfigError(f"A pair of ice_pdp.pairs is '{same}' and itself.", "Name two features.")
        return self
