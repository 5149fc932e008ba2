"""The neighbours of a row that LIME asks a model about, and the rules that it tells them apart by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.packages import require

if TYPE_CHECKING:
    from ..datasets import Table


@dataclass(frozen=True)
class Rule:
    """One category or interval of one column.

    Attributes
    ----------
    text : str
        Such as ``"odor=foul"`` or ``"petal length (cm) <= 1.60"``.
    value : float
        What stands in a row for which it holds: the code of the category, or the median of the interval's rows.
    share : float
        The share of the rows known to LIME for which it holds; LIME draws its neighbours in these shares.
    """

    text: str
    value: float
    share: float


class Neighbours:
    """LIME's explainer of a table, for any row, model and seed.

    Categories are drawn as often as the rows hold them. Columns of numbers are cut at the quartiles of the rows.

    Parameters
    ----------
    table : Table
        Names of features, categories and classes.
    background : (n, d) float64
        The rows that LIME knows.
    """

    def __init__(self, table: Table, background: np.ndarray) -> None:
        tabular = require("lime.lime_tabular", "lime", "explain a row of a table")
        names, categorical = list(table.feature_names), sorted(table.categories)
        self._discretizer = _quartiles(background, categorical, names)
        self._explainer = tabular.LimeTabularExplainer(
            background,
            feature_names=names,
            class_names=list(table.class_names),
            categorical_features=categorical,
            categorical_names={column: list(known) for column, known in table.categories.items()},
            discretizer=self._discretizer,
            # All features are asked for, so there is nothing to select; LIME's search would only cost time.
            feature_selection="none",
            # Replaced for each draw; without it LIME holds on to NumPy's global generator.
            random_state=0,
        )
        self._rules = [self._column_rules(table, background, column) for column in range(len(names))]

    def draw(self, values: np.ndarray, answer: Any, target: int, samples: int, seed: int) -> Any:
        """Draw neighbours of a row and fit LIME's linear model to a model's answers.

        Parameters
        ----------
        values : (d,) float64
            The row.
        answer : callable
            Rows (n, d) to probabilities (n, c).
        target : int
            The class to explain.
        samples, seed : int
            How many neighbours, and where they come from: the same seed gives every model the same ones.

        Returns
        -------
        lime.explanation.Explanation
        """
        from sklearn.utils import check_random_state

        # One generator for both, as LIME has it: two with one seed would draw numbers that depend on each other.
        self._explainer.random_state = self._discretizer.random_state = check_random_state(seed)
        return self._explainer.explain_instance(
            values, answer, labels=(target,), num_features=len(values), num_samples=samples
        )

    def rules(self, values: np.ndarray) -> list[tuple[Rule | None, list[Rule]]]:
        """For each column the rule that holds for a row (None if no row known to LIME obeys it), and all others."""
        codes = self._discretizer.discretize(values)
        return [
            (known.get(float(code)), [rule for other, rule in known.items() if other != code])
            for code, known in zip(codes, self._rules, strict=True)
        ]

    def _column_rules(self, table: Table, background: np.ndarray, column: int) -> dict[float, Rule]:
        """Rules that hold for some row, by LIME's code."""
        name, categories = table.feature_names[column], table.categories.get(column)
        codes = self._discretizer.discretize(background)[:, column]
        found = {}
        for code in np.unique(codes):
            here = codes == code
            if categories is None:
                text, value = self._discretizer.names[column][int(code)], float(np.median(background[here, column]))
            else:
                text, value = f"{name}={categories[int(code)]}", float(code)
            found[float(code)] = Rule(text, value, float(here.mean()))
        return found


def _quartiles(background: np.ndarray, categorical: list[int], names: list[str]) -> Any:
    discretize = require("lime.discretize", "lime", "explain a row of a table")

    class Quartiles(discretize.QuartileDiscretizer):  # type: ignore[name-defined]
        """LIME's quartiles; for an interval of a single value LIME 0.2.0.1 draws 0 where that value is meant."""

        def get_undiscretize_values(self, feature: int, values: np.ndarray) -> np.ndarray:
            drawn: np.ndarray = super().get_undiscretize_values(feature, values)
            low, high = (np.asarray(ends[feature])[values] for ends in (self.mins, self.maxs))
            return np.where(low == high, low, drawn)

    return Quartiles(background, categorical, names, random_state=0)
