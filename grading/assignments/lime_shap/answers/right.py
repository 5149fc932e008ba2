"""Right answers; with other arguments than its own each function gives a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays
from twinlens.methods.perturbation.exact_shapley import shapley_values

from .cases import COLUMNS


def expected(task: str, model: Model, inputs: Arrays) -> dict[str, Array]:
    """What the driver returns for a right submission."""
    functions: dict[str, Callable[[Model, Arrays], dict[str, Array]]] = {
        "classifier_function": classify,
        "lime_weights": lime,
        "shap_values": shap,
    }
    return functions[task](model, inputs)


def softmax(scores: Array, axis: int = 1) -> Array:
    """Probabilities from scores."""
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    shares: Array = powers / powers.sum(axis, keepdims=True)
    return shares


def log_softmax(scores: Array) -> Array:
    """Logarithms of the probabilities."""
    shifted = scores - scores.max(1, keepdims=True)
    logarithms: Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logarithms


def scaled(pictures: Array) -> Array:
    """Values of 0 to 1, from bytes or from such values."""
    return pictures / 255.0 if pictures.dtype == np.uint8 else pictures


def channels_first(pictures: Array) -> Array:
    """(N, H, W, C) to (N, C, H, W)."""
    return pictures.transpose(0, 3, 1, 2)


def classify(
    model: Model,
    inputs: Arrays,
    scale: Callable[[Array], Array] = scaled,
    arrange: Callable[[Array], Array] = channels_first,
    training: bool = False,
    output: Callable[[Array], Array] = softmax,
) -> dict[str, Array]:
    """Probabilities of pictures, of bytes and of floating-point numbers, and of one alone.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    scale : callable
        To values of 0 to 1.
    arrange : callable
        To the network's axes.
    training : bool
    output : callable
        Of the scores.
    """
    calls = {"of_bytes": inputs["bytes"], "of_floats": inputs["floats"], "alone": inputs["floats"][:1]}
    return {name: output(_scores(model, arrange(scale(given)), training)) for name, given in calls.items()}


def lime(
    model: Model,
    inputs: Arrays,
    shift: int = 0,
    predicted: bool = False,
    inverted: bool = False,
    black: bool = False,
    arrange: Callable[[Array], Array] = channels_first,
    training: bool = False,
    output: Callable[[Array], Array] = softmax,
    importance: Callable[[Array, float], Array] | None = None,
    penalty: Callable[[float], float] = lambda given: given,
    intercept: bool = True,
    finish: Callable[[Array], Array] = lambda found: found,
) -> dict[str, Array]:
    """Coefficients (P, K) of a weighted ridge regression for each picture.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    shift : int
        Added to the label.
    predicted : bool
        Explain the network's prediction in place of the label.
    inverted : bool
        Hide what the mask shows.
    black : bool
        Hide by black in place of the colour.
    arrange, training, output
        As for `classify`.
    importance : callable, optional
        Of the neighbours, from masks and kernel width.
    penalty : callable
        Of the given one.
    intercept : bool
    finish : callable
        Of the coefficients of one picture.
    """
    width, ridge = float(inputs["kernel_width"]), penalty(float(inputs["penalty"]))
    fill = 0 * inputs["fill"] if black else inputs["fill"]
    found = []
    for picture, segments, masks, label in zip(
        inputs["pictures"], inputs["segments"], inputs["masks"], inputs["labels"], strict=True
    ):
        shown = (masks == 0 if inverted else masks == 1)[:, segments][..., None]
        scores = _scores(model, arrange(np.where(shown, picture, fill)), training)
        # The first mask shows everything.
        column = int(scores[0].argmax()) if predicted else int(label) + shift
        worth = output(scores)[:, column]
        found.append(finish(regression(masks, worth, (importance or nearness)(masks, width), ridge, intercept)))
    return {"weights": np.stack(found)}


def nearness(masks: Array, width: float) -> Array:
    """Weights of the neighbours, as in the package ``lime``."""
    distance = 1 - np.sqrt(masks.mean(1))
    found: Array = np.sqrt(np.exp(-(distance**2) / width**2))
    return found


def regression(masks: Array, worth: Array, importance: Array, penalty: float, intercept: bool = True) -> Array:
    """Coefficients (K,) of a weighted ridge regression; the intercept is not penalised."""
    rows, wanted = masks.astype(np.float64), worth.astype(np.float64)
    if intercept:
        shares = importance / importance.sum()
        rows, wanted = rows - shares @ rows, wanted - shares @ wanted
    moment = rows.T @ (importance[:, None] * rows) + penalty * np.eye(rows.shape[1])
    found: Array = np.linalg.solve(moment, rows.T @ (importance * wanted))
    return found


def shap(
    model: Model,
    inputs: Arrays,
    background: Callable[[Array], Array] = lambda rows: rows,
    shift: int = 0,
    predicted: bool = False,
    output: Callable[[Array], Array] = lambda scores: scores,
    share: Callable[[Array], Array] = shapley_values,
) -> dict[str, Array]:
    """Values (N, D) of the columns.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    background : callable
        What absent columns are taken from, made from the rows of the background.
    shift : int
        Added to the labels.
    predicted : bool
        Explain the network's predictions in place of the labels.
    output : callable
        Of the scores.
    share : callable
        Values (D,) from what every coalition is worth (2^D,); column j takes part where bit j is set.
    """
    rows, others = inputs["rows"], background(inputs["background"])
    labels = model.forward(rows).argmax(1) if predicted else inputs["labels"] + shift
    present = (np.arange(2**COLUMNS)[:, None] >> np.arange(COLUMNS)) & 1 == 1
    mixed = np.where(present[:, None], rows[:, None, None], others)
    scores = output(model.forward(mixed.reshape(-1, COLUMNS))).reshape(*mixed.shape[:3], -1)
    worth = scores.astype(np.float64).mean(2)
    return {"values": np.stack([share(worth[i, :, label]) for i, label in enumerate(labels)])}


def _scores(model: Model, pictures: Array, training: bool) -> Array:
    backend = model.backend
    # In training mode, with the driver's seed of dropout.
    with (
        backend.training(model.net) if training else backend.frozen(model.net),
        backend.seeded(0) if training else nullcontext(),
        backend.no_grad(),
    ):
        return backend.numpy(model.scores(model.tensor(model.check_input(pictures))))
