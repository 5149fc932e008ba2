"""The models that the study `lime_tables` explains: scikit-learn's forests, and one network on every framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets.packages import require
from ...tables_lime import Answer
from ...tables_split import Split
from ..table_encoding import Encoding

if TYPE_CHECKING:
    from ....datasets import Table


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was fitted to rows of a table.

    Attributes
    ----------
    name : str
        As a reader knows it.
    answer : callable
        The table's rows to probabilities.
    accuracy : float or None
        Share of the held-out rows that it gets right; None if none was held out.
    backend : str or None
        The framework of a network.
    """

    name: str
    answer: Answer
    accuracy: float | None
    backend: str | None = None


def fit_models(
    table: Table,
    split: Split,
    forests: Sequence[str],
    hidden: Sequence[int],
    backends: Sequence[str],
    seed: int,
    device: str,
) -> list[Fitted]:
    """Fit scikit-learn's forests, and a network that every backend then holds with the same weights.

    Parameters
    ----------
    table : Table
        A classification.
    split : Split
        The rows to learn from, and the rows to score with.
    forests : sequence of str
        Keys of `FORESTS`.
    hidden : sequence of int
        Widths of the network's hidden layers.
    backends : sequence of str
        Empty for no network.
    seed : int
    device : str

    Returns
    -------
    list of Fitted
        The forests, then one network a backend.
    """
    encoding = Encoding.of(table, every=True)
    rows, labels = table.data[split.train], np.asarray(table.target)[split.train]
    answers: list[tuple[str, Answer, str | None]] = []
    for name in forests:
        model = encoding.before(FORESTS[name](seed)).fit(rows, labels)
        answers.append((name.replace("_", " "), model.predict_proba, None))
    if backends:
        from ....models.table_network import fit_table_networks

        networks = fit_table_networks(
            encoding.rows(rows),
            labels,
            backends,
            class_names=table.class_names,
            hidden=hidden,
            seed=seed,
            device=device,
            standardise=encoding.numeric,
        )
        for backend, network in networks.items():
            answers.append((f"network, {backend}", _on_codes(encoding, network.predict_proba), backend))
    return [Fitted(name, answer, _accuracy(answer, table, split), backend) for name, answer, backend in answers]


def _random_forest(seed: int) -> Any:
    return require("sklearn.ensemble", "scikit-learn", "grow a forest").RandomForestClassifier(random_state=seed)


def _gradient_boosting(seed: int) -> Any:
    return require("sklearn.ensemble", "scikit-learn", "grow a forest").GradientBoostingClassifier(random_state=seed)


FORESTS: dict[str, Callable[[int], Any]] = {
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
}


def _on_codes(encoding: Encoding, predict_proba: Answer) -> Answer:
    return lambda rows: predict_proba(encoding.rows(rows))


def _accuracy(answer: Answer, table: Table, split: Split) -> float | None:
    if not len(split.test):
        return None
    return float((answer(table.data[split.test]).argmax(axis=1) == np.asarray(table.target)[split.test]).mean())
