"""A pretrained network for other classes: its layers stay as they are, and a new last layer is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends import Model
from ..errors import DataError, ModelError
from .evaluation import Data, as_samples

# Far below every fitted score: a class without a single picture is never predicted.
_NEVER = -30.0


def fit_head(pretrained: Model, fresh: Model, training_set: Data, regularisation: float = 1.0) -> None:
    """Give `fresh` the layers of `pretrained` and a last linear layer fitted by logistic regression.

    Runs the network forward only, once per picture, and finds the optimum of a convex loss: quick, and the same on
    both frameworks up to rounding.

    Parameters
    ----------
    pretrained : Model
        Ends in a linear layer, as image classifiers do.
    fresh : Model
        The same architecture with one output per class; its weights are replaced.
    training_set : picture set or (inputs, labels)
    regularisation : float
        Inverse strength of the L2 penalty, scikit-learn's ``C``.

    Raises
    ------
    ModelError
        If the network does not end in a linear layer.
    DataError
        If there are fewer than two classes, or labels that `fresh` has no output for.
    """
    from sklearn.linear_model import LogisticRegression

    state, head = fresh.state(), last_linear(fresh)
    features, labels = _features(pretrained, last_linear(pretrained), training_set)
    outputs = len(state[f"{head}.bias"])
    present = np.unique(labels)
    if len(present) < 2 or present[0] < 0 or present[-1] >= outputs:
        raise DataError(
            f"The labels {present.tolist()} cannot train a layer of {outputs} outputs.",
            f"Give pictures of at least two classes, labelled 0 to {outputs - 1}.",
        )
    fitted = LogisticRegression(C=regularisation, max_iter=2000).fit(features, labels)
    weight, bias = np.zeros((outputs, features.shape[1])), np.full(outputs, _NEVER)
    # For two classes scikit-learn keeps one row, the difference of both.
    signs = [-0.5, 0.5] if len(present) == 2 else [1.0] * len(present)
    rows = [0, 0] if len(present) == 2 else range(len(present))
    for label, row, sign in zip(present, rows, signs, strict=True):
        weight[label], bias[label] = sign * fitted.coef_[row], sign * fitted.intercept_[row]
    body = {name: array for name, array in pretrained.state().items() if not name.startswith(f"{head}.")}
    fresh.load_state(body | {f"{head}.weight": weight, f"{head}.bias": bias})


def last_linear(model: Model) -> str:
    """Name of the linear layer that the network ends in, as far as its list of layers shows.

    Raises
    ------
    ModelError
        If it has none.
    """
    backend = model.backend
    linear = [name for name, layer in backend.modules(model.net).items() if backend.kind(layer) == "linear"]
    if not linear or f"{linear[-1]}.bias" not in model.state():
        raise _no_linear_end(model)
    return linear[-1]


def _no_linear_end(model: Model) -> ModelError:
    return ModelError(f"'{model.name}' does not end in a linear layer.", "Train all its layers instead.")


def _features(model: Model, head: str, dataset: Data) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    backend, features, labels = model.backend, [], []
    last: list[Any] = []

    def keep(_layer: Any, inputs: tuple[Any, ...], output: Any) -> None:
        features.append(backend.numpy(inputs[0]))
        last.append(backend.numpy(output))

    with model.hook(head, post=keep):
        for pictures, numbers in as_samples(dataset).batches(32):
            last.clear()
            scores = model.forward(pictures)
            if not last or not np.array_equal(np.concatenate(last), scores):
                raise _no_linear_end(model)
            labels.append(numbers)
    return np.concatenate(features).astype(np.float64), np.concatenate(labels)
