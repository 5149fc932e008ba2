"""The counterpart in the other framework: the same scores, or none at all."""

from __future__ import annotations

import importlib.util
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, registry
from twinlens.comparison.twin import make_twin, twin
from twinlens.errors import BackendError, InputError, ModelError

from ..nets import pictures, randomise, small_net
from ..random_states import random_states
from .named_nets import layer, state_bytes

# The package exports a function of the module's name.
twins = importlib.import_module("twinlens.comparison.twin")


def test_networks_of_the_zoo_are_built_again_with_their_options(both: tuple[Backend, Backend]) -> None:
    for first, second in permutations(both):
        source = tl.load_model("small_cnn", backend=first.name, size=16, widths=(4, 6), classes=3, seed=7)
        made = make_twin(randomise(source))
        assert (made.how, made.corrections) == ("architecture", ())
        assert made.model.backend is second
        assert state_bytes(made.model) == state_bytes(source)
        assert made.exact_scores is not None
        assert made.exact_scores < 1e-10
        x = pictures(3, shape=(3, 16, 16))
        np.testing.assert_allclose(made.model.forward(x), source.forward(x), rtol=1e-4, atol=1e-5)


def test_what_belongs_to_the_model_is_carried_over(both: tuple[Backend, Backend]) -> None:
    source = tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4,), classes=2)
    source.preprocess, source.labels, source.name = tl.Normalise(0.3, 0.2), ["cat", "dog"], "mine"
    source.net.eval()
    there = twin(source)
    assert there.preprocess is source.preprocess
    assert there.labels == ["cat", "dog"]
    assert there.labels is not source.labels
    assert (there.name, there.input_shape) == ("mine", (3, 16, 16))
    assert not there.net.training
    source.net.train()
    assert twin(source).net.training


def test_double_precision_stays_double(both: tuple[Backend, Backend]) -> None:
    source = tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4,))
    double = tl.wrap(source.net, dtype="float64", input_shape=source.input_shape)
    double.origin = source.origin
    there = twin(double)
    assert there.dtype == "float64"
    assert state_bytes(there) == state_bytes(double)


def test_a_function_of_the_users_that_takes_layers_is_called_again(
    both: tuple[Backend, Backend], tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "def net(nn, hidden=4):\n    return nn.Sequential({'a': nn.Linear(3, hidden), 'b': nn.Linear(hidden, 2)})\n"
    )
    for first, second in permutations(both):
        source = tl.load_model(f"{path}:net", backend=first.name, hidden=6)
        made = make_twin(source)
        assert (made.how, made.model.backend) == ("architecture", second)
        assert made.model.state()["a.weight"].shape == (6, 3)


def test_a_new_last_layer_is_seen(both: tuple[Backend, Backend]) -> None:
    source = tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4,), classes=3)
    source.net.head.fc = layer(both[0], "Linear", 4, 9)
    assert twin(source).forward(pictures(1, shape=(3, 16, 16))).shape == (1, 9)


def test_there_and_back_nothing_has_changed(both: tuple[Backend, Backend]) -> None:
    for first, _ in permutations(both):
        source = randomise(tl.load_model("small_cnn", backend=first.name, size=16, widths=(4, 4)))
        back = twin(twin(source))
        assert back.backend is first
        assert state_bytes(back) == state_bytes(source)


def test_the_source_and_all_random_numbers_are_left_alone(both: tuple[Backend, Backend]) -> None:
    source = randomise(tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4, 4)))
    before, states = state_bytes(source), random_states()
    there = twin(source)
    assert random_states() == states
    assert state_bytes(source) == before
    randomise(there, 9)
    assert state_bytes(source) == before


def test_a_counterpart_that_computes_something_else_is_not_handed_out(
    both: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = randomise(tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4, 4)))
    building = twins.load_model

    def faulty(*args: object, **options: object) -> tl.Model:
        built = building(*args, **options)  # type: ignore[arg-type]
        name = next(
            name for name in built.backend.modules(built.net) if built.backend.kind(built.layer(name)) == "relu"
        )
        built.hook(name, post=lambda layer, inputs, output: output * 1.001)
        return built

    def none(*args: object) -> None:
        raise ModelError("It cannot be converted.", "")

    monkeypatch.setattr(twins, "load_model", faulty)
    monkeypatch.setattr(twins, "_converted_natively", none)
    with pytest.raises(ModelError, match=r"does not give the same scores.*of the largest apart"):
        twin(source)


def test_a_fault_that_a_silent_branch_hides_is_found_with_random_weights(
    both: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4, 4))
    state = source.state()
    source.load_state({name: np.zeros_like(array) for name, array in state.items()})
    building = twins.load_model

    def faulty(*args: object, **options: object) -> tl.Model:
        built = building(*args, **options)  # type: ignore[arg-type]
        name = next(
            name for name in built.backend.modules(built.net) if built.backend.kind(built.layer(name)) == "relu"
        )
        built.backend.on_exit(built.layer(name), _doubled)
        return built

    monkeypatch.setattr(twins, "load_model", faulty)
    monkeypatch.setattr(twins, "_converted_natively", lambda *args: (_ for _ in ()).throw(ModelError("No.", "")))
    with pytest.raises(ModelError, match="with random weights in float64"):
        twin(source)


def _doubled(_layer: object, _inputs: object, output: object) -> object:
    return output * 2  # type: ignore[operator]


def test_the_framework_it_already_has_is_refused(backend: Backend) -> None:
    with pytest.raises(BackendError, match=f"is a network of {backend.name} already"):
        twin(small_net(backend), backend.name)


def test_a_missing_framework_is_named(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small_net(backend)
    other = {"torch": "paddle", "paddle": "torch"}[backend.name]
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == other else found(name, *a))
    monkeypatch.setattr(registry, "_load", registry._load.__wrapped__)
    with pytest.raises(BackendError, match=rf"'{other}' is not installed.*pip install"):
        twin(source)


def test_an_input_that_is_not_known_is_asked_for(both: tuple[Backend, Backend], tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(
        "def net(nn):\n"
        "    return nn.Sequential({'conv': nn.Conv2d(3, 2, 5), 'flat': nn.Flatten(), 'fc': nn.Linear(2 * 9 * 11, 2)})\n"
    )
    source = tl.load_model(f"{path}:net", backend=both[0].name)
    with pytest.raises(ModelError, match=r"No input was found.*Pass x="):
        twin(source)
    assert twin(source, x=pictures(1, shape=(3, 13, 15))).backend is both[1]


def test_an_input_that_the_network_does_not_take_is_named(both: tuple[Backend, Backend]) -> None:
    source = tl.load_model("small_cnn", backend=both[0].name, size=16, widths=(4,))
    with pytest.raises(InputError, match=r"does not run on an input of shape \(1, 5, 16, 16\)"):
        twin(source, x=pictures(1, shape=(5, 16, 16)))


def test_preprocessing_for_one_framework_only_is_said(both: tuple[Backend, Backend]) -> None:
    for first, second in permutations(both):
        source = tl.load_model("small_cnn", backend=first.name, size=16, widths=(4,))
        mean = first.asarray(np.full((1, 3, 1, 1), 0.5), "float32")
        source.preprocess = lambda t, mean=mean: t - mean
        with pytest.raises(
            ModelError, match=rf"does not run on {second.name}.*preprocess= must work on tensors of both"
        ):
            twin(source, x=pictures(1, shape=(3, 16, 16)))
