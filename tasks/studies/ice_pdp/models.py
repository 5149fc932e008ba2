"""Models by name, trained on a table and asked for one number a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets.packages import require
from ....errors import ConfigError, ModelError, suggest
from ..table_encoding import Array, Encoding
from .curves import Answer

if TYPE_CHECKING:
    from ....datasets import Table
    from ...tables_split import Split

OWN = ("linear", "forest", "xgboost", "network")
_MODULES = ("ensemble", "linear_model", "neighbors", "neural_network", "svm", "tree", "gaussian_process", "naive_bayes")


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model of a table.

    Attributes
    ----------
    name : str
        As in figures, such as ``"network (torch)"``.
    answer : callable
        The predicted value of a regression, or the probability of the explained class.
    training, held_out : float
        R² or accuracy on the rows trained on and on those held out.
    framework : str
        That runs the network; empty for other models.
    """

    name: str
    answer: Answer
    training: float
    held_out: float
    framework: str = ""


def make_estimator(name: str, options: Mapping[str, Any], table: Table, seed: int) -> Any:
    """Make an estimator that takes the table's own rows.

    Parameters
    ----------
    name : str
        ``"linear"``, ``"forest"``, ``"xgboost"``, or a class of scikit-learn.
    options : mapping
        Arguments of its constructor.
    table : Table
        Decides between regression and classification.
    seed : int
        Given as ``random_state`` where the class takes one.

    Returns
    -------
    estimator
        Not fitted. Columns are standardised first, which trees do not mind.

    Raises
    ------
    ConfigError
        There is no such model for the table, or it does not take the options.
    MissingPackageError
        xgboost is not installed.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "xgboost":
        xgboost = require("xgboost", "xgboost", "train boosted trees")
        kind: Any = xgboost.XGBClassifier if table.class_names else xgboost.XGBRegressor
    else:
        kind = _sklearn_class(name, classes=bool(table.class_names))
    try:
        known = set(kind().get_params())
        strange = next((option for option in options if option not in known), None)
        if strange is not None:
            raise ConfigError(f"The model '{name}' has no option '{strange}'.", suggest(strange, known))
        given = {option: value for option, value in _defaults(name, seed).items() if option in known}
        estimator = kind(**given | dict(options))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The model '{name}' cannot be made ({error}).", "Check its options.") from error
    return Encoding.of(table).before(make_pipeline(StandardScaler(), estimator))


def train_estimator(name: str, estimator: Any, table: Table, split: Split, target: int | None) -> TrainedModel:
    """Fit an estimator to the training rows.

    Parameters
    ----------
    name : str
        What to call it.
    estimator : estimator
        From `make_estimator`.
    table, split
        What to learn from.
    target : int or None
        The class whose probability is the answer; None for a regression.

    Raises
    ------
    ModelError
        The estimator refuses the data or its options.
    """
    try:
        estimator.fit(table.data[split.train], table.target[split.train])
    except (TypeError, ValueError) as error:
        raise ModelError(f"The model '{name}' cannot be trained ({error}).", "Check its options.") from error
    return _asked(name, estimator, table, split, target)


def train_networks(
    options: Mapping[str, Any],
    table: Table,
    split: Split,
    target: int | None,
    *,
    backends: Sequence[str],
    seed: int,
    device: str,
) -> list[TrainedModel]:
    """Train one network and ask it on every framework; see `fit_table_networks` and `train_estimator`."""
    from ....models.table_network import fit_table_networks

    encoding = Encoding.of(table)
    networks = fit_table_networks(
        encoding.rows(table.data[split.train]),
        table.target[split.train],
        backends,
        class_names=table.class_names,
        seed=seed,
        device=device,
        standardise=encoding.numeric,
        **options,
    )
    return [
        _asked(f"network ({name})", _Encoded(encoding, network), table, split, target, name)
        for name, network in networks.items()
    ]


@dataclass(frozen=True, eq=False)
class _Encoded:
    """A network that takes the table's own rows."""

    encoding: Encoding
    network: Any

    def predict(self, rows: Array) -> Array:
        return np.asarray(self.network.predict(self.encoding.rows(rows)))

    def predict_proba(self, rows: Array) -> Array:
        return np.asarray(self.network.predict_proba(self.encoding.rows(rows)))


def _asked(name: str, model: Any, table: Table, split: Split, target: int | None, framework: str = "") -> TrainedModel:
    def answer(rows: Array) -> Array:
        found = model.predict(rows) if target is None else model.predict_proba(rows)[:, target]
        return np.asarray(found, dtype=np.float64)

    def score(rows: Array) -> float:
        predictions, wanted = model.predict(table.data[rows]), table.target[rows]
        if target is not None:
            return float((predictions == wanted).mean())
        return float(1 - np.square(predictions - wanted).sum() / np.square(wanted - wanted.mean()).sum())

    if target is not None and not hasattr(model, "predict_proba"):
        raise ModelError(f"The model '{name}' gives no probabilities.", "Choose a classifier that does.")
    return TrainedModel(name, answer, score(split.train), score(split.test), framework)


def _defaults(name: str, seed: int) -> dict[str, Any]:
    # One thread: tables of this size gain nothing from more, and other libraries' thread pools stay undisturbed.
    own: dict[str, dict[str, Any]] = {
        "xgboost": {"n_jobs": 1, "max_depth": 4, "learning_rate": 0.05, "n_estimators": 150},
        "linear": {"max_iter": 2000},
    }
    return {"random_state": seed, **own.get(name, {})}


def _sklearn_class(name: str, classes: bool) -> Any:
    from sklearn.base import ClassifierMixin, RegressorMixin

    own = {
        "linear": ("LinearRegression", "LogisticRegression"),
        "forest": ("RandomForestRegressor", "RandomForestClassifier"),
    }
    wanted = own[name][classes] if name in own else name
    mixin = ClassifierMixin if classes else RegressorMixin
    known: dict[str, Any] = {}
    for module in (import_module(f"sklearn.{part}") for part in _MODULES):
        found = {key: getattr(module, key) for key in module.__all__}
        known |= {key: kind for key, kind in found.items() if isinstance(kind, type) and issubclass(kind, mixin)}
        if wanted in known:
            return known[wanted]
    task = "classes" if classes else "values"
    raise ConfigError(f"There is no model '{name}' that predicts {task}.", suggest(name, [*OWN, *known]))
