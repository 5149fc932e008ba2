"""Training: alike on both frameworks, resumable to the bit, and honest about what goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Model, wrap
from twinlens.datasets import ArrayPictures, Augmentation
from twinlens.errors import CheckpointError, ConfigError, DataError, ModelError, NoGradientError, NonFiniteError
from twinlens.models import evaluate, fit, initialise, load_model
from twinlens.models.schedule import step_size


def stripes(count: int, seed: int) -> ArrayPictures:
    """Noise with a bright band that lies or stands: a task for two classes."""
    rng = np.random.default_rng(seed)
    images, labels = rng.random((count, 3, 8, 8)) * 0.5, np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        start = rng.integers(0, 6)
        band = (slice(None), slice(start, start + 2)) if label else (slice(None), slice(None), slice(start, start + 2))
        image[band] += 0.5
    return ArrayPictures(images, labels, ["standing", "lying"])


TRAINING, VALIDATION = stripes(46, 0), stripes(20, 1)
SETTINGS: dict[str, Any] = {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "progress": False}


def tiny(backend: Backend, dtype: str = "float32", outputs: int = 2) -> Model:
    nn = backend.nn
    layers = {"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "relu": nn.ReLU(), "pool": nn.MaxPool2d(3)}
    net = nn.Sequential({**layers, "flatten": nn.Flatten(), "fc": nn.Linear(16, outputs)})
    initialise(backend, net, 0)
    return wrap(backend.converted(net, dtype))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


class Interrupted(Exception):  # noqa: N818
    pass


class Breaking:
    """A set that fails in the middle of its n-th epoch."""

    def __init__(self, pictures: ArrayPictures, epoch: int) -> None:
        self.pictures, self.epochs, self.labels = pictures, itertools.count(1), pictures.labels
        self.fatal = epoch

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(self, *args: Any, **options: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch = next(self.epochs)
        for number, batch in enumerate(self.pictures.batches(*args, **options)):
            if epoch == self.fatal and number == 2:
                raise Interrupted
            yield batch


def test_training_learns(backend: Backend) -> None:
    model = tiny(backend)
    before, _ = evaluate(model, VALIDATION)
    history = fit(model, TRAINING, VALIDATION, **SETTINGS | {"epochs": 12})
    assert history.validation_accuracy[history.best_epoch - 1] >= max(before, 0.9)
    assert history.training_loss[-1] < history.training_loss[0] / 2
    assert history.epochs == len(history.training_accuracy) == 12


def test_the_best_epoch_is_what_remains(backend: Backend) -> None:
    model = tiny(backend)
    history = fit(model, TRAINING, VALIDATION, **SETTINGS | {"learning_rate": 0.3, "epochs": 6})
    accuracy, _ = evaluate(model, VALIDATION)
    assert accuracy == max(history.validation_accuracy)


def test_both_frameworks_train_alike(both: tuple[Backend, Backend]) -> None:
    models = [tiny(backend, "float64") for backend in both]
    histories = [fit(model, TRAINING, VALIDATION, **SETTINGS, augment=Augmentation()) for model in models]
    states = [model.state() for model in models]
    for name, array in states[0].items():
        np.testing.assert_allclose(states[1][name], array, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(histories[1].training_loss, histories[0].training_loss, rtol=1e-6)
    assert histories[1].validation_accuracy == histories[0].validation_accuracy


def test_one_seed_gives_one_training_and_another_seed_another(backend: Backend) -> None:
    states = []
    for seed in (1, 1, 2):
        model = tiny(backend)
        fit(model, TRAINING, VALIDATION, **SETTINGS, augment=Augmentation(), seed=seed)
        states.append(model.state())
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_dropout_follows_the_seed_and_leaves_the_global_state(backend: Backend) -> None:
    nn = backend.nn
    states = []
    for _ in range(2):
        net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 2))
        initialise(backend, net, 0)
        fit(wrap(net), TRAINING, VALIDATION, **SETTINGS)
        states.append(backend.state(net))
    assert same(states[0], states[1])


@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
@pytest.mark.parametrize("fatal", [1, 3])
def test_a_resumed_training_ends_with_the_same_weights(
    backend: Backend, tmp_path: Path, schedule: Any, fatal: int
) -> None:
    options = SETTINGS | {"schedule": schedule, "weight_decay": 1e-3, "augment": Augmentation()}
    whole = tiny(backend)
    uninterrupted = fit(whole, TRAINING, VALIDATION, **options)
    path = tmp_path / "training.safetensors"
    with pytest.raises(Interrupted):
        fit(tiny(backend), Breaking(TRAINING, fatal), VALIDATION, **options, checkpoint=path)
    assert path.exists() == (fatal > 1)
    resumed = tiny(backend)
    history = fit(resumed, TRAINING, VALIDATION, **options, checkpoint=path)
    assert same(whole.state(), resumed.state())
    assert history.training_loss == uninterrupted.training_loss
    assert history.validation_accuracy == uninterrupted.validation_accuracy


def test_a_finished_training_is_not_repeated(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    first, again = tiny(backend), tiny(backend)
    history = fit(first, TRAINING, VALIDATION, **SETTINGS, checkpoint=path)
    assert fit(again, TRAINING, VALIDATION, **SETTINGS, checkpoint=path) == history
    assert same(first.state(), again.state())


def test_a_constant_step_size_may_go_on_for_longer(backend: Backend, tmp_path: Path) -> None:
    options = SETTINGS | {"schedule": "constant", "checkpoint": tmp_path / "training.safetensors"}
    model = tiny(backend)
    fit(model, TRAINING, VALIDATION, **options | {"epochs": 2})
    assert fit(model, TRAINING, VALIDATION, **options | {"epochs": 5}).epochs == 5


def test_a_checkpoint_is_a_file_of_the_best_weights(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(20, 4)), np.arange(20) % 3)
    model = load_model("mlp", backend=backend.name)
    fit(model, table, table, **SETTINGS, checkpoint=path)
    assert same(load_model("mlp", weights=path, backend=backend.name).state(), model.state())


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 7), ("batch_size", 4), ("learning_rate", 0.02), ("epochs", 9), ("augment", Augmentation())],
)
def test_a_checkpoint_of_another_training_is_refused(backend: Backend, tmp_path: Path, name: str, value: Any) -> None:
    options = SETTINGS | {"checkpoint": tmp_path / "training.safetensors"}
    fit(tiny(backend), TRAINING, VALIDATION, **options)
    with pytest.raises(CheckpointError, match=name):
        fit(tiny(backend), TRAINING, VALIDATION, **options | {name: value})


def test_plain_weights_are_no_checkpoint(backend: Backend, tmp_path: Path) -> None:
    from twinlens.backends.weights import write_weights

    model = tiny(backend)
    path = write_weights(tmp_path / "weights.safetensors", model.state())
    with pytest.raises(CheckpointError, match="no training"):
        fit(model, TRAINING, VALIDATION, **SETTINGS, checkpoint=path)


@pytest.mark.parametrize("path", ["training.pth", "nowhere/training.safetensors"])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(
    backend: Backend, tmp_path: Path, path: str
) -> None:
    model = tiny(backend)
    before = model.state()
    with pytest.raises(CheckpointError, match=path.rpartition("/")[2] if "pth" in path else "nowhere"):
        fit(model, TRAINING, VALIDATION, **SETTINGS, checkpoint=tmp_path / path)
    assert same(before, model.state())


def test_training_stops_when_patience_runs_out(backend: Backend) -> None:
    model = tiny(backend)
    # Labels at random: nothing to be learnt that holds on other pictures.
    rng = np.random.default_rng(3)
    noise = ArrayPictures(rng.random((30, 3, 8, 8)), rng.integers(0, 2, 30))
    options = SETTINGS | {"epochs": 40, "learning_rate": 1e-9, "schedule": "constant"}
    history = fit(model, noise, noise, **options, patience=3)
    assert history.stopped_early
    assert history.epochs == history.best_epoch + 3


def test_a_training_that_runs_away_says_so_and_keeps_its_best_weights(backend: Backend) -> None:
    model = tiny(backend)
    before = model.state()
    broken = {**before, "fc.bias": np.array([np.nan, 0], dtype=np.float32)}
    model.load_state(broken)
    with pytest.raises(NonFiniteError, match="lower learning rate"):
        fit(model, TRAINING, VALIDATION, **SETTINGS)
    assert same({**before, "fc.bias": before["fc.bias"] * 0}, {**model.state(), "fc.bias": before["fc.bias"] * 0})


def test_an_interruption_leaves_mode_and_best_weights(backend: Backend) -> None:
    model = tiny(backend)
    model.net.eval()
    before = model.state()
    with pytest.raises(Interrupted):
        fit(model, Breaking(TRAINING, 1), VALIDATION, **SETTINGS)
    assert same(before, model.state())
    assert not model.net.training


def test_a_single_left_over_sample_is_no_batch(backend: Backend) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    history = fit(wrap(net), stripes(17, 0), VALIDATION, **SETTINGS | {"epochs": 1})
    assert history.epochs == 1


def test_batch_norm_on_batches_of_one_is_explained(backend: Backend) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ModelError, match="Raise batch_size"):
        fit(wrap(net), TRAINING, VALIDATION, **SETTINGS | {"batch_size": 1})


def test_one_output_has_nothing_to_learn(backend: Backend) -> None:
    zeros = ArrayPictures(np.zeros((4, 3, 8, 8)), [0, 0, 0, 0])
    with pytest.raises(NoGradientError, match="exactly zero"):
        fit(tiny(backend, outputs=1), zeros, zeros, **SETTINGS)


def test_labels_beyond_the_outputs_are_refused(backend: Backend) -> None:
    pictures = ArrayPictures(np.zeros((4, 3, 8, 8)), [0, 1, 2, 5])
    with pytest.raises(DataError, match=r"Label 5 .* classes=6"):
        fit(tiny(backend), pictures, VALIDATION, **SETTINGS)


@pytest.mark.parametrize("labels", [None, [0, 1, -1, 0]])
def test_unlabelled_pictures_are_refused(backend: Backend, labels: list[int] | None) -> None:
    with pytest.raises(DataError, match="without a label"):
        fit(tiny(backend), ArrayPictures(np.zeros((4, 3, 8, 8)), labels), VALIDATION, **SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("schedule", "one_cicle"),
    ],
)
def test_a_wrong_setting_is_named(backend: Backend, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        fit(tiny(backend), TRAINING, VALIDATION, **SETTINGS | {name: value})


def test_the_progress_bar_goes_to_the_error_stream(backend: Backend, capfd: pytest.CaptureFixture[str]) -> None:
    fit(tiny(backend), TRAINING, VALIDATION, **SETTINGS | {"epochs": 1, "progress": True})
    captured = capfd.readouterr()
    assert "loss" in captured.err
    assert not captured.out


def test_one_cycle_rises_and_falls() -> None:
    sizes = [step_size("one_cycle", 2.0, 100, 0, step) for step in range(100)]
    highest = int(np.argmax(sizes))
    assert highest == 30
    assert all(a < b for a, b in itertools.pairwise(sizes[: highest + 1]))
    assert all(a > b for a, b in itertools.pairwise(sizes[highest:]))
    assert 0 < min(sizes) < 2 / 100
    assert sizes[75] == step_size("one_cycle", 2.0, 100, 70, 5)
    assert {step_size("constant", 2.0, 100, 0, step) for step in range(100)} == {2.0}
