"""Each architecture is one network on both frameworks, starts from the same numbers, and keeps its names."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.errors import ModelError
from twinlens.models import Architecture, architecture, initialise, load_model, models

# Options that make a network quick to run; the rest of it stays as it is.
SMALLER: dict[str, dict[str, Any]] = {"lenet": {"size": 190}}
ZOO = pytest.mark.parametrize("entry", models(), ids=lambda entry: entry.name)


@ZOO
def test_both_frameworks_start_from_the_same_numbers(both: tuple[Backend, Backend], entry: Architecture) -> None:
    states = [load_model(entry.name, backend=backend.name, seed=3).state() for backend in both]
    assert list(states[0]) == list(states[1])
    for name, array in states[0].items():
        assert array.dtype == states[1][name].dtype == np.float32
        assert np.array_equal(array, states[1][name]), name


@ZOO
def test_both_frameworks_give_the_same_scores(both: tuple[Backend, Backend], entry: Architecture) -> None:
    options = SMALLER.get(entry.name, {})
    x = np.random.default_rng(0).random((2, *entry.shape_with(options)))
    scores = [load_model(entry.name, backend=backend.name, **options).forward(x) for backend in both]
    assert scores[0].shape == (2, entry.classes)
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4, atol=1e-5)


@ZOO
def test_the_table_counts_the_parameters(entry: Architecture) -> None:
    model = load_model(entry.name)
    state = model.state()
    assert sum(state[name].size for name in model.backend.parameter_names(model.net)) == entry.parameters
    assert model.input_shape == entry.input_shape


@ZOO
def test_the_number_of_classes_is_an_option(backend: Backend, entry: Architecture) -> None:
    options = SMALLER.get(entry.name, {})
    net = entry.build(backend.nn, classes=5, **options)
    assert list(backend.state(net).values())[-1].shape == (5,)


@ZOO
def test_every_architecture_takes_the_layers_first(entry: Architecture) -> None:
    assert next(iter(inspect.signature(entry.build).parameters)) == "nn"


def test_the_course_asks_for_convolutions_by_number(backend: Backend) -> None:
    net = architecture("food11_cnn").build(backend.nn)
    modules = backend.modules(net)
    assert [backend.kind(modules[name]) for name in ("cnn.6", "cnn.23", "cnn.0", "fc.0")] == ["conv2d"] * 3 + ["linear"]
    kinds = [backend.kind(module) for name, module in modules.items() if name.startswith("cnn.")]
    assert kinds.count("conv2d") == 11
    assert kinds.count("max_pool2d") == 5
    assert backend.state(net)["fc.0.weight"].shape == (1024, 512 * 4 * 4)


def test_small_cnn_takes_other_sizes(backend: Backend) -> None:
    model = load_model("small_cnn", backend=backend.name, size=33, widths=(4, 8, 8))
    assert model.input_shape == (3, 33, 33)
    assert model.forward(np.zeros((1, 3, 33, 33))).shape == (1, 11)
    with pytest.raises(ModelError, match="at least 4"):
        load_model("small_cnn", backend=backend.name, size=3, widths=(4, 8, 8))


def test_mlp_takes_other_tables(backend: Backend) -> None:
    model = load_model("mlp", backend=backend.name, features=13, hidden=(), classes=2)
    assert model.forward(np.zeros((4, 13))).shape == (4, 2)
    assert [row.name for row in model.layers() if row.name] == ["output"]


def test_weights_are_spread_as_torch_spreads_them(backend: Backend) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Conv2d(8, 50, 3, groups=2), nn.BatchNorm2d(50), nn.Flatten(), nn.Linear(400, 30))
    initialise(backend, net, 0)
    state = backend.state(net)
    for name, inputs in (("0.weight", 4 * 9), ("0.bias", 4 * 9), ("3.weight", 400), ("3.bias", 400)):
        bound = 1 / math.sqrt(inputs)
        assert np.abs(state[name]).max() <= bound
        # The spread of a uniform distribution is its half width by the root of three.
        assert state[name].std() == pytest.approx(bound / math.sqrt(3), rel=0.3), name
    assert {name: set(state[f"1.{name}"].tolist()) for name in ("weight", "bias", "running_mean", "running_var")} == {
        "weight": {1.0},
        "bias": {0.0},
        "running_mean": {0.0},
        "running_var": {1.0},
    }


def test_one_seed_gives_one_start_and_another_seed_another(backend: Backend) -> None:
    first, again, other = (load_model("mlp", backend=backend.name, seed=seed).state() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)


def test_building_leaves_the_frameworks_random_numbers_alone(backend: Backend) -> None:
    def drawn() -> np.ndarray:
        net = backend.nn.Dropout(0.5)
        with backend.training(net):
            return backend.numpy(net(backend.asarray(np.ones(64), "float32")))

    with backend.seeded(5):
        expected = drawn()
    with backend.seeded(5):
        load_model("mlp", backend=backend.name, seed=1)
        assert np.array_equal(drawn(), expected)
