"""A new last layer on a pretrained network: the best one there is, and the same on both frameworks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from twinlens.backends import Backend, Model
from twinlens.errors import DataError, ModelError
from twinlens.models import evaluate, load_model
from twinlens.models.linear_probe import fit_head


def networks(backend: Backend, outputs: int) -> tuple[Model, Model]:
    """A pretrained network of 7 outputs, and a fresh one for other classes."""
    pretrained = load_model("mlp", backend=backend.name, classes=7, seed=1, features=4)
    return pretrained, load_model("mlp", backend=backend.name, classes=outputs, seed=2, features=4)


def clusters(labels: list[int], rows: int = 30, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a table around one corner of a cube per label."""
    rng = np.random.default_rng(3)
    corners = np.array([[(label >> bit) & 1 for bit in range(4)] for label in range(16)], dtype=np.float32)
    targets = np.repeat(labels, rows)
    return corners[targets] + rng.normal(0, spread, (len(targets), 4)).astype(np.float32), targets


def test_classes_that_can_be_separated_are_separated(backend: Backend) -> None:
    pretrained, fresh = networks(backend, 5)
    rows = clusters([0, 1, 2, 3, 4])
    fit_head(pretrained, fresh, rows, regularisation=1e4)
    assert evaluate(fresh, rows).accuracy == 1.0


def test_the_layers_before_the_last_one_are_the_pretrained_ones(backend: Backend) -> None:
    pretrained, fresh = networks(backend, 3)
    fit_head(pretrained, fresh, clusters([0, 1, 2]))
    kept, found = pretrained.state(), fresh.state()
    shared = [name for name in kept if kept[name].shape == found[name].shape]
    assert len(shared) == len(kept) - 2
    assert all(np.array_equal(kept[name], found[name]) for name in shared)


def test_the_pretrained_network_is_not_changed(backend: Backend) -> None:
    pretrained, fresh = networks(backend, 3)
    before = pretrained.state()
    fit_head(pretrained, fresh, clusters([0, 1, 2]))
    assert all(np.array_equal(before[name], array) for name, array in pretrained.state().items())


@pytest.mark.parametrize("labels", [[0, 1], [1, 4]])
def test_two_classes_have_the_probabilities_of_logistic_regression(backend: Backend, labels: list[int]) -> None:
    pretrained, fresh = networks(backend, 5)
    inputs, targets = clusters(labels, spread=0.6)
    fit_head(pretrained, fresh, (inputs, targets))
    found = fresh.probabilities(inputs)[:, labels[1]]
    features = _features(pretrained, inputs)
    expected = LogisticRegression(max_iter=2000).fit(features, targets).predict_proba(features)[:, 1]
    assert np.abs(found - expected).max() < 1e-4


def test_several_classes_have_the_probabilities_of_logistic_regression(backend: Backend) -> None:
    pretrained, fresh = networks(backend, 4)
    inputs, targets = clusters([0, 1, 2, 3], spread=0.6)
    fit_head(pretrained, fresh, (inputs, targets))
    features = _features(pretrained, inputs)
    expected = LogisticRegression(max_iter=2000).fit(features, targets).predict_proba(features)
    assert np.abs(fresh.probabilities(inputs) - expected).max() < 1e-4


@pytest.mark.parametrize("labels", [[1, 4], [0, 2, 5]])
def test_a_class_without_a_picture_is_never_predicted(backend: Backend, labels: list[int]) -> None:
    pretrained, fresh = networks(backend, 6)
    fit_head(pretrained, fresh, clusters(labels))
    anything = np.random.default_rng(0).uniform(-2, 3, (500, 4)).astype(np.float32)
    assert set(fresh.predict(anything).tolist()) <= set(labels)
    absent = [label for label in range(6) if label not in labels]
    assert fresh.probabilities(anything)[:, absent].max() < 1e-6


def test_both_frameworks_find_the_same_layer(both: tuple[Backend, Backend]) -> None:
    found = []
    for backend in both:
        pretrained, fresh = networks(backend, 3)
        fit_head(pretrained, fresh, clusters([0, 1, 2], spread=0.4))
        found.append(fresh.state())
    for name, array in found[0].items():
        assert np.allclose(array, found[1][name], rtol=1e-3, atol=1e-3), name


@pytest.mark.parametrize(
    ("labels", "outputs", "named"),
    [([2], 3, r"\[2\]"), ([0, 3], 3, r"\[0, 3\].* 3 outputs")],
    ids=["one class", "a label beyond the outputs"],
)
def test_labels_that_cannot_be_learnt_are_refused(
    backend: Backend, labels: list[int], outputs: int, named: str
) -> None:
    pretrained, fresh = networks(backend, outputs)
    before = fresh.state()
    with pytest.raises(DataError, match=named):
        fit_head(pretrained, fresh, clusters(labels))
    assert all(np.array_equal(before[name], array) for name, array in fresh.state().items())


@pytest.mark.parametrize("function", ["without", "inside"])
def test_a_network_that_does_not_end_in_a_linear_layer_is_refused(
    backend: Backend, tmp_path: Path, function: str
) -> None:
    path = tmp_path / "nets.py"
    path.write_text(
        "def without(nn):\n    return nn.Sequential({'conv': nn.Conv2d(3, 2, 4), 'flat': nn.Flatten()})\n"
        "def inside(nn):\n"
        "    return nn.Sequential({'flat': nn.Flatten(), 'fc': nn.Linear(48, 48),\n"
        "        'norm': nn.BatchNorm1d(48)})\n",
        encoding="utf-8",
    )
    pictures = np.random.default_rng(0).random((4, 3, 4, 4), dtype=np.float32), np.array([0, 1, 0, 1])
    pretrained, fresh = (load_model(f"{path}:{function}", backend=backend.name) for _ in range(2))
    with pytest.raises(ModelError, match="does not end in a linear layer"):
        fit_head(pretrained, fresh, pictures)


def _features(model: Model, inputs: np.ndarray) -> np.ndarray:
    """What enters the last layer: the formula of a multilayer perceptron."""
    state, found = model.state(), inputs.astype(np.float64)
    for number in (1, 2):
        found = np.maximum(found @ state[f"hidden{number}.weight"].T + state[f"hidden{number}.bias"], 0)
    return found
