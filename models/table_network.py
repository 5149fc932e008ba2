"""A small network for a table: fitted once with scikit-learn, then the same weights on every framework."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends import Model, get_backends, wrap
from ..errors import DataError
from .loading import load_model

_PENALTY = 1e-3
_ITERATIONS = 500


@dataclass(frozen=True, eq=False)
class TableNetwork:
    """A network on raw rows, with what scikit-learn, lime and shap ask of a model.

    Attributes
    ----------
    model : Model
        Rows (N, D), in the table's own units, to logits (N, classes), or to one value (N, 1) for a regression.
    classes_ : ndarray of int
        Numbers of the classes; empty for a regression.
    """

    model: Model
    classes_: npt.NDArray[np.int64]

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """Class numbers (N,), or the values (N,) of a regression."""
        scores = self.model.forward(_rows(rows))
        return self.classes_[scores.argmax(axis=1)] if len(self.classes_) else scores[:, 0]

    def predict_proba(self, rows: Any) -> npt.NDArray[Any]:
        """Probabilities (N, classes).

        Raises
        ------
        DataError
            If the network predicts a value and no class.
        """
        if not len(self.classes_):
            raise DataError("A regression has no probabilities.", "Use predict, or a table with classes.")
        return self.model.probabilities(_rows(rows))


def fit_table_networks(
    data: Any,
    target: Any,
    backends: Sequence[str],
    *,
    class_names: Sequence[str] = (),
    hidden: Sequence[int] = (32, 32),
    seed: int = 0,
    device: str = "cpu",
    dtype: str | None = None,
    standardise: npt.ArrayLike = True,
) -> dict[str, TableNetwork]:
    """Fit one multilayer perceptron to a table and put its weights on every named framework.

    The columns are standardised for the fit, unless told otherwise. The first layer then takes the scaling in, so that
    the networks take raw rows and gradients are in the table's own units; the last layer does the same for the values
    of a regression.

    Parameters
    ----------
    data : ndarray (N, D)
    target : ndarray (N,)
        Numbers of the classes from 0, or the values of a regression.
    backends : sequence of str
        ``"torch"``, ``"paddle"``.
    class_names : sequence of str
        One per class; empty for a regression.
    hidden : sequence of int
        Widths of the hidden layers.
    seed : int
        Of the first weights and of the order of the rows.
    device : str
    dtype : str, optional
        ``"float64"`` for networks in double precision.
    standardise : bool or ndarray of bool (D,)
        False fits columns as they are, all of them or some. For columns in one unit, such as word frequencies, zeros
        and ones: a word of every text has hardly any spread, and divided by it the network would take the word's
        absence for an enormous change.

    Returns
    -------
    dict of str to TableNetwork
        One per framework, all with the same weights.

    Raises
    ------
    DataError
        If there is nothing to fit: no rows, NaN or infinite numbers, a target that is always the same, or a class that
        has no name.
    """
    rows, wanted = _rows(data), np.asarray(target)
    _check(rows, wanted, class_names)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(np.ptp(rows, axis=0) > 0, scale, 1.0)
    mean, scale = np.where(standardise, mean, 0.0), np.where(standardise, scale, 1.0)
    layers = _fitted((rows - mean) / scale, wanted, class_names, hidden, seed)
    weight, bias = layers[0]
    layers[0] = (weight / scale, bias - weight @ (mean / scale))
    names = [*(f"hidden{number}" for number in range(1, len(layers))), "output"]
    state: dict[str, npt.ArrayLike] = {}
    for layer, (weight, bias) in zip(names, layers, strict=True):
        state |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
    found = {}
    shape = {"classes": len(layers[-1][1]), "features": rows.shape[1], "hidden": tuple(hidden)}
    for name in (backend.name for backend in get_backends(backends)):
        net = load_model("mlp", backend=name, device=device, **shape).net
        model = wrap(net, labels=list(class_names) or None, dtype=dtype, input_shape=rows.shape[1:])
        model.name = "mlp"
        model.load_state(state)
        found[name] = TableNetwork(model, np.arange(len(class_names)))
    return found


def _rows(data: Any) -> npt.NDArray[np.float64]:
    return np.asarray(data, dtype=np.float64)


def _check(rows: npt.NDArray[np.float64], target: npt.NDArray[Any], class_names: Sequence[str]) -> None:
    if rows.ndim != 2 or not rows.size or len(rows) != len(target):
        raise DataError(
            f"Rows of shape {rows.shape} and {len(target)} targets do not fit together.",
            "Give rows (N, D) and one target per row.",
        )
    if not np.isfinite(rows).all() or not np.isfinite(target.astype(np.float64)).all():
        raise DataError("The table holds NaN or infinite numbers.", "Remove those rows or fill them in.")
    if np.ptp(target) == 0:
        raise DataError(f"All {len(target)} targets are {target[0]}.", "Give at least two classes or values.")
    if len(class_names) and not np.isin(target, np.arange(len(class_names))).all():
        raise DataError(
            f"There are {len(class_names)} class names, but the targets go from {target.min()} to {target.max()}.",
            f"Number the classes from 0 to {len(class_names) - 1}.",
        )


def _fitted(
    rows: npt.NDArray[np.float64],
    target: npt.NDArray[Any],
    class_names: Sequence[str],
    hidden: Sequence[int],
    seed: int,
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Weight (out, in) and bias (out,) of every layer, for standardised rows and the target in its own units."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPClassifier if len(class_names) else MLPRegressor
    perceptron = kind(
        hidden_layer_sizes=tuple(hidden),
        alpha=_PENALTY,
        learning_rate_init=1e-2,
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    centre, spread = (0.0, 1.0) if len(class_names) else (float(target.mean()), float(target.std()))
    with warnings.catch_warnings():
        # How good the network is, the study measures; that it could be fitted longer says nothing of it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        perceptron.fit(rows, target if len(class_names) else (target - centre) / spread)
    layers = [(w.T, b) for w, b in zip(perceptron.coefs_, perceptron.intercepts_, strict=True)]
    weight, bias = layers[-1]
    layers[-1] = (weight * spread, bias * spread + centre)
    if len(class_names):
        layers[-1] = _with_every_class(*layers[-1], perceptron.classes_, len(class_names))
    return layers


def _with_every_class(
    weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64], present: npt.NDArray[Any], count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One logit per named class: scikit-learn has one for two classes, and none for a class without rows."""
    if len(present) == 2:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    # Far below every fitted logit: a class without a row is never predicted.
    all_weight, all_bias = np.zeros((count, weight.shape[1])), np.full(count, -30.0)
    all_weight[present], all_bias[present] = weight, bias
    return all_weight, all_bias
