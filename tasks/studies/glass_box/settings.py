"""Settings of the study ``glass_box``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ..base import StudySettings
from ..table_choice import TableChoice


class GlassBox(StudySettings):
    """Models that explain themselves: linear coefficients, a forest's impurity importance, and what is wrong with it.

    Attributes
    ----------
    tables : list of TableChoice
    rows : int
        Longer tables are cut to so many rows, drawn at random.
    held_out : float
        Share of the rows that no model is trained on.
    linear_rows : {"all", "train"}
        The rows whose coefficients are shown. Scores always come from rows held out of a fit of its own.
    resamples : int
        Bootstrap samples for the standard errors of logistic regression.
    vif_limit : float
        Coefficients of columns with a larger variance inflation factor are marked as doubtful.
    trees : int
        Of each forest.
    permutations : int
        How often each column is permuted.
    forests : int
        Forests with fresh random columns each.
    random_values : list of int
        A random column for each entry, with so many different values; a continuous one comes on top.
    correlation : float
        Columns with a larger absolute rank correlation are also permuted together.
    """

    tables: Annotated[list[TableChoice], Field(min_length=1)] = [TableChoice(name="boston"), TableChoice(name="iris")]
    rows: Annotated[int, Field(ge=10)] = 2000
    held_out: Annotated[float, Field(ge=0.05, le=0.5)] = 0.25
    linear_rows: Literal["all", "train"] = "all"
    resamples: Annotated[int, Field(ge=2)] = 30
    vif_limit: Annotated[float, Field(gt=1)] = 5.0
    trees: PositiveInt = 100
    permutations: Annotated[int, Field(ge=2)] = 10
    forests: Annotated[int, Field(ge=2)] = 5
    random_values: list[Annotated[int, Field(ge=2)]] = [2, 4, 16, 64]
    correlation: Annotated[float, Field(gt=0, lt=1)] = 0.7
