"""Accuracy and confusion are counts that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.backends import Backend, Model, wrap
from twinlens.errors import DataError, NonFiniteError
from twinlens.models import evaluate
from twinlens.models.evaluation import evaluate_with_loss


def passing(backend: Backend) -> Model:
    """A network whose scores are its input."""
    net = backend.nn.Linear(3, 3, bias=False)
    backend.load(net, {"weight": np.eye(3)})
    return wrap(net)


SCORES = np.array([[2.0, 1, 0], [0, 3, 1], [5, 4, 3], [0, 0, 1], [9, 8, 7]])
LABELS = np.array([0, 1, 2, 2, 1])


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_counts_are_those_by_hand(backend: Backend, batch_size: int) -> None:
    accuracy, confusion = evaluate(passing(backend), (SCORES, LABELS), batch_size)
    assert accuracy == 3 / 5
    assert confusion.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1]]


def test_the_loss_is_cross_entropy(backend: Backend) -> None:
    _, loss = evaluate_with_loss(passing(backend), (SCORES, LABELS))
    powers = np.exp(SCORES)
    expected = -np.log(powers[np.arange(5), LABELS] / powers.sum(1)).mean()
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((np.zeros((0, 3)), np.zeros(0, int)), "no samples"),
        ((SCORES, LABELS[:3]), "5 inputs but 3 labels"),
        ((SCORES, LABELS + 1), "Label 3"),
        ((SCORES, LABELS - 1), "without a label"),
        ((SCORES, LABELS / 2), "not class numbers"),
        ((SCORES, np.eye(5, dtype=int)), "not class numbers"),
        ("pictures", "no set of samples"),
    ],
)
def test_a_set_that_cannot_be_counted_is_refused(backend: Backend, dataset: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(passing(backend), dataset)  # type: ignore[arg-type]


def test_scores_that_are_not_finite_are_refused(backend: Backend) -> None:
    model = passing(backend)
    model.load_state({"weight": np.full((3, 3), np.nan)})
    with pytest.raises(NonFiniteError):
        evaluate(model, (SCORES, LABELS))
