"""Mistakes in `shap_values`."""

from __future__ import annotations

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays, Mistake
from twinlens.grading.variants import variant
from twinlens.methods.perturbation.exact_shapley import shapley_values

from .cases import COLUMNS
from .hints import labels, row_total
from .right import log_softmax, shap, softmax


def _mean_row(rows: Array) -> Array:
    return rows.mean(0, keepdims=True)


def _first_row(rows: Array) -> Array:
    return rows[:1]


def _zeros(rows: Array) -> Array:
    return np.zeros_like(rows[:1])


def _negative(worth: Array) -> Array:
    return -shapley_values(worth)


def _contributions(worth: Array, column: int) -> Array:
    """What the column adds to each coalition of the others."""
    parts = worth.reshape(-1, 2, 1 << column)
    return (parts[:, 1] - parts[:, 0]).ravel()


def _taken_away(worth: Array) -> Array:
    return np.array([_contributions(worth, column)[-1] for column in range(COLUMNS)])


def _put_in(worth: Array) -> Array:
    return np.array([_contributions(worth, column)[0] for column in range(COLUMNS)])


def _all_alike(worth: Array) -> Array:
    return np.array([_contributions(worth, column).mean() for column in range(COLUMNS)])


def _gradient_times_input(model: Model, inputs: Arrays) -> dict[str, Array]:
    rows = inputs["rows"]
    return {"values": model.gradient(rows, target=inputs["labels"].tolist()) * rows}


WRONG_SHAP_VALUES: list[Mistake] = [
    variant(
        shap,
        "mean_row",
        0.5,
        "The values of the first row sum to {total:.2f}, its score minus that of the background's mean row: "
        "average the scores of the background's rows, not the rows.",
        row_total,
        background=_mean_row,
    ),
    variant(
        shap,
        "first_row",
        0.4,
        "The values of the first row sum to {total:.2f}, its score minus that of the background's first row: "
        "average over all rows of the background.",
        row_total,
        background=_first_row,
    ),
    variant(
        shap,
        "zeros",
        0.4,
        "The values of the first row sum to {total:.2f}, its score minus that of a row of zeros: absent columns "
        "take their values from the background.",
        row_total,
        background=_zeros,
    ),
    variant(
        shap,
        "predicted_label",
        0.5,
        "You explained the prediction; use the given label, such as {label:d} for the first row.",
        labels,
        predicted=True,
    ),
    variant(
        shap,
        "next_label",
        0.5,
        "The first row is explained for class {next:d}, its label is {label:d}; labels start at 0.",
        labels,
        shift=1,
    ),
    variant(
        shap,
        "probability",
        0.5,
        "The values of the first row sum to {total:.2f}: matches the probability; explain the score, without softmax.",
        row_total,
        output=softmax,
    ),
    variant(
        shap,
        "loss",
        0.5,
        "The values of the first row sum to {total:.2f}: matches the cross-entropy loss; explain the score.",
        row_total,
        output=lambda scores: -log_softmax(scores),
    ),
    variant(
        shap,
        "log_probability",
        0.5,
        "The values of the first row sum to {total:.2f}: matches the logarithm of the probability; explain the score.",
        row_total,
        output=log_softmax,
    ),
    variant(
        shap,
        "negative",
        0.6,
        "The signs are the wrong way round: a value is the score with the column minus the one without it. The "
        "first row sums to {total:.2f}.",
        row_total,
        share=_negative,
    ),
    variant(
        shap,
        "taken_away",
        0.4,
        "The values of the first row sum to {total:.2f}: each column is only taken away from the whole row. "
        "Average over all orders in which the columns can join.",
        row_total,
        share=_taken_away,
    ),
    variant(
        shap,
        "put_in",
        0.4,
        "The values of the first row sum to {total:.2f}: each column only joins the empty coalition. Average over "
        "all orders in which the columns can join.",
        row_total,
        share=_put_in,
    ),
    variant(
        shap,
        "coalitions_alike",
        0.6,
        "The values of the first row sum to {total:.2f}: all coalitions have the same weight. It is "
        "|S|! (D - |S| - 1)! / D!, or average over orders.",
        row_total,
        share=_all_alike,
    ),
    Mistake(
        "gradient_times_input",
        "The values of the first row sum to {total:.2f}: this is the gradient times the row, no Shapley value. Ask "
        "the network about coalitions.",
        0.2,
        _gradient_times_input,
        row_total,
    ),
]
