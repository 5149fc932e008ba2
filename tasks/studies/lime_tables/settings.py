"""Settings of the study ``lime_tables``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError
from ...strict import Strict
from ..base import StudySettings
from ..table_choice import TableChoice

Forest = Literal["random_forest", "gradient_boosting"]


class TableNetworkSettings(Strict):
    """A small network on every framework of the run, explained on the same rows with the same neighbours."""

    hidden: Annotated[list[PositiveInt], Field(min_length=1)] = [32, 32]


class PlantedTable(Strict):
    """Made-up tables whose classes follow from known columns, each from a seed; LIME should find those columns."""

    seeds: PositiveInt = 20
    rows: Annotated[int, Field(ge=100)] = 400
    noise: PositiveInt = 9
    samples: Annotated[int, Field(ge=100)] = 1000


class LimeTables(StudySettings):
    """LIME on tables with categories: which of a row's values made a model decide.

    Attributes
    ----------
    table : TableChoice
    bins : int
        A target of real numbers is cut at its quantiles into so many classes.
    rows : list of int or mapping
        Row numbers, or rows of one's own as column: value, with every column.
    label : str, optional
        Name of the class to explain; for each model and row the predicted one if left out.
    models : list of str
        Classifiers of scikit-learn, on one column of zeros and ones per category.
    network : TableNetworkSettings, optional
        Left out with null.
    split, test_rows
        As in `tables`; a quarter of the rows is held out if left out.
    train_rows : int
        Longer tables are learnt from by so many rows, drawn at random.
    samples, repeats : int
        Neighbours a draw, and draws.
    flips : int
        How many of the heaviest rules of each explanation are checked by changing the row.
    planted : PlantedTable, optional
        Left out with null.
    """

    table: TableChoice = TableChoice(name="mushrooms")
    bins: Annotated[int, Field(ge=2, le=10)] = 3
    rows: Annotated[list[NonNegativeInt | dict[str, Any]], Field(min_length=1)] = [0]
    label: str | None = None
    models: Annotated[list[Forest], Field(min_length=1)] = ["random_forest", "gradient_boosting"]
    network: TableNetworkSettings | None = TableNetworkSettings()
    split: Literal["stratified", "ordered", "none"] = "stratified"
    test_rows: PositiveInt | None = None
    train_rows: Annotated[int, Field(ge=10)] = 10_000
    samples: Annotated[int, Field(ge=100)] = 3000
    repeats: Annotated[int, Field(ge=2)] = 5
    flips: PositiveInt = 3
    planted: PlantedTable | None = PlantedTable()

    @property
    def needs_networks(self) -> bool:
        """Whether a network is explained beside the forests."""
        return self.network is not None

    @validator(mode="after")
    def _differ(self) -> LimeTables:
        for what, entries in (("models", self.models), ("rows", self.rows)):
            twice = next((entry for place, entry in enumerate(entries) if entry in entries[:place]), None)
            if twice is not None:
                raise ConfigError(f"lime_tables.{what} holds {twice} twice.", "Name it once.")
        return self
