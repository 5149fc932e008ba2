"""Settings of the study ``shap_tables``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError, suggest
from ....methods import get_method, methods
from ...strict import Strict
from ..base import StudySettings

OWN = ("background", "baseline", "of", "segments", "segment_options")
"""Parameters of the methods that the study has a say in, so that all explain the same columns by the same rows."""


class TableChoice(Strict):
    """A table, and what of it is shown.

    ``table``, ``target``, ``without`` and ``classes`` are those of `load_table`. ``label`` is the class that is
    explained, the row's own if left out.
    """

    table: str
    target: str | None = None
    without: list[str] = []
    classes: bool | None = None
    row: NonNegativeInt = 0
    label: str | None = None
    dependence: str | None = None
    interaction: str | None = None


class Forest(Strict):
    """Scikit-learn's random forest."""

    trees: PositiveInt = 100
    max_depth: PositiveInt = 6


class Boosting(Strict):
    """XGBoost's trees."""

    trees: PositiveInt = 150
    max_depth: PositiveInt = 4
    learning_rate: PositiveFloat = 0.05


class Networks(Strict):
    """A small network on every framework, explained by our methods on some of the rows.

    Exact Shapley values are computed beside them for tables of at most ``exact_features`` columns.
    """

    hidden: list[PositiveInt] = [32, 32]
    rows: Annotated[int, Field(ge=2)] = 10
    methods: Annotated[dict[str, dict[str, Any]], Field(min_length=1)] = {
        "deepshap": {},
        "expected_gradients": {"samples": 2000},
        "kernelshap": {"samples": 1000},
    }
    exact_features: Annotated[int, Field(ge=0, le=16)] = 13

    @validator(mode="after")
    def _parameters_exist(self) -> Networks:
        possible = [name for name, method in methods().items() if "background" in method.defaults]
        for name, given in self.methods.items():
            if name not in possible:
                raise ConfigError(f"No method '{name}' explains rows by background rows.", suggest(name, possible))
            known = [key for key in get_method(name).defaults if key not in OWN]
            for key in given:
                if key not in known:
                    raise ConfigError(f"The method '{name}' has no parameter '{key}' here.", suggest(key, known))
        return self


class ShapTables(StudySettings):
    """Shapley values of forests, boosted trees and networks on tables."""

    tables: Annotated[list[TableChoice], Field(min_length=1)] = [TableChoice(table="boston"), TableChoice(table="iris")]
    forest: Forest = Forest()
    boosting: Boosting = Boosting()
    absent: Literal["path_dependent", "interventional"] = "path_dependent"
    rows: Annotated[int, Field(ge=10)] = 200
    background: Annotated[int, Field(ge=5)] = 40
    split: Literal["stratified", "ordered", "none"] = "stratified"
    test_rows: PositiveInt = 30
    networks: Networks | None = Networks()

    @property
    def needs_networks(self) -> bool:
        """Whether networks are asked for."""
        return self.networks is not None
