"""Weights files that are turned from one framework's into the other's: opened natively, bit for bit, same scores."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Model
from twinlens.backends.checkpoint_files import write_checkpoint
from twinlens.backends.weights import read_weights, write_weights
from twinlens.comparison import checkpoints
from twinlens.comparison.checkpoints import convert_checkpoint
from twinlens.errors import (
    BackendError,
    CheckpointError,
    ModelError,
    NonFiniteError,
    TwinlensError,
    UnsafeCheckpointError,
    WeightsError,
)
from twinlens.models import load_model

from .. import frameworks
from ..backends.hostile import as_paddle_file, as_torch_zip, hostile_pickles, traps
from ..frameworks import ANY
from ..nets import random_state

CNN: dict[str, Any] = {"size": 16, "widths": (4, 4)}

# Square matrices in a row: one that is transposed, or one too few, shows in the scores and nowhere else.
SQUARE = """
def build(nn, outputs=6):
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, outputs))
"""

# What the two frameworks name or lay out differently, in each one's own words.
TORCH_ONLY = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.conv, self.norm, self.slope = (
            nn.Embedding(6, 6), nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True), nn.PReLU(6))
        self.rnn, self.head = nn.LSTM(6, 6, batch_first=True, bidirectional=True), nn.Linear(12, 12)

    def forward(self, x):
        maps = self.slope(self.norm(self.conv(x))).mean((2, 3)) + self.table.weight[1]
        return self.head(self.rnn(maps.reshape([-1, 1, 6]))[0][:, 0])

def build():
    return Net()
"""
PADDLE_ONLY = (
    TORCH_ONLY.replace("from torch", "from paddle")
    .replace("nn.Module", "nn.Layer")
    .replace("2d", "2D")
    .replace(", affine=True", "")
    .replace(", batch_first=True, bidirectional=True", ', direction="bidirect"')
)


def filled(model: Model, seed: int = 0) -> Model:
    model.load_state(random_state({name: array.shape for name, array in model.state().items()}, seed))
    return model


def save_natively(model: Model, folder: Path) -> Path:
    if model.backend.name == "torch":
        frameworks.torch.save(model.net.state_dict(), folder / "in.pth")
        return folder / "in.pth"
    frameworks.paddle.save(model.net.state_dict(), str(folder / "in.pdparams"))
    return folder / "in.pdparams"


def load_natively(model: Model, path: Path) -> Model:
    if model.backend.name == "torch":
        model.net.load_state_dict(frameworks.torch.load(path, weights_only=True), strict=True)
    else:
        missing, unexpected = model.net.set_state_dict(frameworks.paddle.load(str(path)))
        assert (list(missing), list(unexpected)) == ([], [])
    return model


def assert_same_state(found: Model, expected: Model) -> None:
    states = found.state(), expected.state()
    assert list(states[0]) == list(states[1])
    for name, array in states[1].items():
        np.testing.assert_array_equal(states[0][name], array, err_msg=name)


def assert_same_scores(found: Model, expected: Model, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).random((2, *shape), dtype=np.float32)
    scores = expected.forward(x)
    np.testing.assert_allclose(found.forward(x), scores, rtol=0, atol=1e-4 * np.abs(scores).max())
    assert np.abs(scores).max() > 1e-3


def both_ways(spec: str, folder: Path, shape: tuple[int, ...], start: str, **options: Any) -> None:
    """Save with one framework, open with the other, and bring the weights back."""
    other, there, back = ("paddle", ".pdparams", ".pth") if start == "torch" else ("torch", ".pth", ".pdparams")
    titles = {"torch": "torchvision", "paddle": "paddle"}

    def load(framework: str, seed: int) -> Model:
        name = spec.rpartition(":")[2]
        return load_model(
            f"{titles[framework]}:{name}" if ":" in spec and ".py:" not in spec else spec,
            backend=framework, seed=seed, **options,
        )  # fmt: skip

    source = filled(load(start, 0))
    path = save_natively(source, folder)
    report = convert_checkpoint(path, folder / f"out{there}", spec, options=options, input_shape=shape)
    arrived = load_natively(load(other, 1), report.destination)
    assert_same_scores(arrived, source, shape)
    assert report.difference is not None
    assert report.difference < 1e-4
    convert_checkpoint(report.destination, folder / f"back{back}", spec, options=options, input_shape=shape)
    assert_same_state(load_natively(load(start, 2), folder / f"back{back}"), source)


# -- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("start", ["torch", "paddle"])
def test_a_network_of_the_zoo_goes_there_and_back(tmp_path: Path, start: str) -> None:
    both_ways("small_cnn", tmp_path, (3, 16, 16), start, **CNN)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("start", ["torch", "paddle"])
def test_square_matrices_are_turned(tmp_path: Path, start: str) -> None:
    (tmp_path / "net.py").write_text(SQUARE)
    both_ways(f"{tmp_path / 'net.py'}:build", tmp_path, (3, 8, 8), start)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("start", ["torch", "paddle"])
def test_the_libraries_networks_go_there_and_back_whatever_their_layers_are_called(tmp_path: Path, start: str) -> None:
    both_ways("torchvision:shufflenet_v2_x0_5", tmp_path, (3, 64, 64), start, classes=5)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("file", "ending"), [(TORCH_ONLY, ".pdparams"), (PADDLE_ONLY, ".pth")])
def test_names_and_layout_follow_the_kind_of_the_layer(tmp_path: Path, file: str, ending: str) -> None:
    for name, text in (("mine.py", file), ("torch_net.py", TORCH_ONLY), ("paddle_net.py", PADDLE_ONLY)):
        (tmp_path / name).write_text(text)
    here, there = ("torch", "paddle") if ending == ".pdparams" else ("paddle", "torch")
    source = filled(load_model(f"{tmp_path / f'{here}_net.py'}:build"))
    report = convert_checkpoint(
        save_natively(source, tmp_path), tmp_path / f"out{ending}", f"{tmp_path / 'mine.py'}:build"
    )
    arrived = load_natively(load_model(f"{tmp_path / f'{there}_net.py'}:build"), report.destination)
    assert any("alone: '" in note or f"names on {there}" in note for note in report.notes)
    assert_same_state(arrived, source)
    assert_same_scores(arrived, source, (3, 8, 8))


@pytest.mark.parametrize("ending", [".pth", ".pdparams"])
def test_safetensors_in_between_change_nothing(tmp_path: Path, both: tuple[Backend, Backend], ending: str) -> None:
    backend = both[ending == ".pdparams"]
    source = filled(load_model("small_cnn", backend=backend.name, **CNN))
    path = save_natively(source, tmp_path)
    convert_checkpoint(path, tmp_path / "w.safetensors", "small_cnn", options=CNN)
    for found in both:
        model = load_model("small_cnn", tmp_path / "w.safetensors", backend=found.name, **CNN)
        assert_same_state(model, source)
    convert_checkpoint(tmp_path / "w.safetensors", tmp_path / f"out{ending}", "small_cnn", options=CNN)
    assert_same_state(
        load_natively(load_model("small_cnn", backend=backend.name, **CNN), tmp_path / f"out{ending}"), source
    )


@pytest.mark.usefixtures("both")
def test_safetensors_have_the_names_of_the_network_that_is_named(tmp_path: Path) -> None:
    name = "shufflenet_v2_x0_5"
    source = filled(load_model(f"torchvision:{name}", classes=5))
    path = save_natively(source, tmp_path)
    for library in ("torchvision", "paddle"):
        out = tmp_path / f"{library}.safetensors"
        convert_checkpoint(path, out, f"{library}:{name}", options={"classes": 5}, input_shape=(3, 64, 64))
        assert_same_scores(
            load_model(f"{library}:{name}", out, classes=5),
            load_model(f"torchvision:{name}", path, classes=5),
            (3, 64, 64),
        )


@pytest.mark.usefixtures("both")
def test_a_namesake_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    source = filled(load_model("torchvision:squeezenet1_1", classes=5))
    path = save_natively(source, tmp_path)
    with pytest.raises(WeightsError, match=r"other scores.*twinlens\.twin"):
        convert_checkpoint(
            path,
            tmp_path / "out.pdparams",
            "torchvision:squeezenet1_1",
            options={"classes": 5},
            input_shape=(3, 64, 64),
        )
    assert list(tmp_path.iterdir()) == [path]


# -- without a network ---------------------------------------------------------------------------------------------


def test_a_file_with_matrices_needs_the_network(tmp_path: Path) -> None:
    for name, entry in (("a.safetensors", "fc.weight"), ("b.pdparams", "fc.weight")):
        write_checkpoint(tmp_path / name, {entry: np.ones((3, 3), np.float32)})
    for source, destination in (("a.safetensors", "out.pdparams"), ("b.pdparams", "out.safetensors")):
        with pytest.raises(WeightsError, match=r"'fc\.weight'.*transposed.*--model"):
            convert_checkpoint(tmp_path / source, tmp_path / destination)
        assert not (tmp_path / destination).exists()


@pytest.mark.parametrize("entry", ["norm.weight", "weight"])
def test_a_vector_that_paddle_may_name_otherwise_needs_the_network(tmp_path: Path, entry: str) -> None:
    write_weights(tmp_path / "a.safetensors", {entry: np.ones(3, np.float32)})
    with pytest.raises(WeightsError, match="--model"):
        convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "out.pdparams")


def test_convolutions_and_batch_norms_need_no_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    state = {
        "0.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "0.bias": rng.normal(size=4).astype(np.float32),
        **{f"1.{name}": rng.random(4) for name in ("weight", "bias", "running_mean", "running_var")},
    }
    write_weights(tmp_path / "a.safetensors", state)
    convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "b.pdparams")
    assert set(read_weights(tmp_path / "b.pdparams").arrays) >= {"1._mean", "1._variance", "1.weight", "0.weight"}
    convert_checkpoint(tmp_path / "b.pdparams", tmp_path / "c.safetensors")
    found = read_weights(tmp_path / "c.safetensors").arrays
    assert set(found) == set(state)
    assert all(np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in state.items())


def test_one_frameworks_formats_need_no_network(tmp_path: Path) -> None:
    state = {
        "model": {
            "module.fc.weight": frameworks.torch.ones(3, 4),
            "module.bn.num_batches_tracked": frameworks.torch.tensor(7),
        }
    }
    frameworks.torch.save(state, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.safetensors")
    convert_checkpoint(tmp_path / "b.safetensors", tmp_path / "c.pt")
    found = frameworks.torch.load(tmp_path / "c.pt", weights_only=True)
    assert {name: tuple(t.shape) for name, t in found.items()} == {"fc.weight": (3, 4), "bn.num_batches_tracked": ()}
    assert int(found["bn.num_batches_tracked"]) == 7


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *(("small_cnn", dtype) for dtype in ("float16", "float64", "bfloat16")),
        ("torchvision:shufflenet_v2_x0_5", "float16"),
    ],
)
def test_the_type_of_the_numbers_is_kept_or_stated(tmp_path: Path, name: str, dtype: str) -> None:
    options = CNN if name == "small_cnn" else {"classes": 3}
    source = filled(load_model(name, backend="torch", **options))
    state = {
        key: t.to(getattr(frameworks.torch, dtype)) if t.is_floating_point() else t
        for key, t in source.net.state_dict().items()
    }
    frameworks.torch.save(state, tmp_path / "a.pth")
    chosen: dict[str, Any] = {"options": options, "input_shape": (3, 16, 16) if name == "small_cnn" else (3, 64, 64)}
    report = convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pdparams", name, **chosen)
    assert list(report.dtypes) == ["float32" if dtype == "bfloat16" else dtype]
    said = {
        "float16": "float16",
        "bfloat16": "bfloat16 are written as float32",
        "float64": "float64, as in the source, which Paddle",
    }[dtype]
    assert any(said in note for note in report.notes)
    convert_checkpoint(tmp_path / "b.pdparams", tmp_path / "c.pth", name, **chosen)
    back = frameworks.torch.load(tmp_path / "c.pth", weights_only=True)
    for key, t in state.items():
        if not key.endswith("num_batches_tracked"):
            assert np.array_equal(back[key].double().numpy(), t.double().numpy()), key


@pytest.mark.parametrize("ending", [".safetensors", ".pdparams"])
def test_nan_is_refused_and_infinity_is_stated(tmp_path: Path, ending: str) -> None:
    write_checkpoint(tmp_path / f"a{ending}", {"w": np.array([1, np.nan], np.float32)})
    write_checkpoint(tmp_path / f"b{ending}", {"mask": np.array([0, -np.inf], np.float16), "n": np.arange(3)})
    with pytest.raises(NonFiniteError, match="'w' holds NaN"):
        convert_checkpoint(tmp_path / f"a{ending}", tmp_path / "out.safetensors")
    report = convert_checkpoint(tmp_path / f"b{ending}", tmp_path / "out.safetensors")
    assert any("infinite" in note and "'mask'" in note for note in report.notes)
    assert read_weights(tmp_path / "out.safetensors").arrays["mask"].tolist() == [0, -np.inf]


@pytest.mark.usefixtures("both")
def test_other_weights_in_the_source_are_stated(tmp_path: Path) -> None:
    ones = {"w": frameworks.torch.ones(3)}
    frameworks.torch.save({"model": ones, "ema": {"w": frameworks.torch.zeros(3)}}, tmp_path / "a.pth")
    report = convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pdparams")
    assert "other weights in the file are left out: ema" in report.notes
    assert read_weights(tmp_path / "b.pdparams").arrays["w"].tolist() == [1, 1, 1]


def test_a_type_that_paddle_has_not_is_named(tmp_path: Path) -> None:
    write_weights(tmp_path / "a.safetensors", {"codes": np.arange(3, dtype=np.uint32)})
    with pytest.raises(WeightsError, match="'codes' holds uint32"):
        convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "b.pdparams")


def test_what_a_training_keeps_besides_is_left_out_and_stated(tmp_path: Path) -> None:
    state = {"0.weight": np.ones((2, 3, 3, 3), np.float32), "training/last/0.weight": np.zeros(3, np.float32)}
    write_weights(tmp_path / "a.safetensors", state)
    report = convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "b.pdparams")
    assert list(read_weights(tmp_path / "b.pdparams").arrays) == ["0.weight"]
    assert any("1 arrays of the training" in note for note in report.notes)


# -- what goes wrong -----------------------------------------------------------------------------------------------


def good_file(folder: Path) -> Path:
    return write_weights(folder / "a.safetensors", {"0.weight": np.ones((2, 3, 3, 3), np.float32)})


def test_nothing_is_replaced_unless_it_is_asked_for(tmp_path: Path) -> None:
    source = good_file(tmp_path)
    (tmp_path / "b.pdparams").write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        convert_checkpoint(source, tmp_path / "b.pdparams")
    assert (tmp_path / "b.pdparams").read_text() == "mine"
    convert_checkpoint(source, tmp_path / "b.pdparams", force=True)
    assert read_weights(tmp_path / "b.pdparams").arrays["0.weight"].shape == (2, 3, 3, 3)


def test_a_file_is_not_converted_onto_itself(tmp_path: Path) -> None:
    source = good_file(tmp_path)
    (tmp_path / "link.safetensors").symlink_to(source)
    for destination in (source, tmp_path / "link.safetensors"):
        with pytest.raises(CheckpointError, match="both the source and the destination"):
            convert_checkpoint(source, destination, force=True)
    assert read_weights(source).arrays


@pytest.mark.parametrize(
    ("name", "said"), [("b.onnx", "the ending '.onnx'"), ("b", "the ending ''"), (".", "folder|ending")]
)
def test_a_destination_of_another_kind_is_named(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "c.pth").mkdir()
    with pytest.raises(CheckpointError, match=said):
        convert_checkpoint(good_file(tmp_path), tmp_path / name)


def test_folders_are_made_only_for_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights file"):
        convert_checkpoint(tmp_path / "none.pth", tmp_path / "new" / "b.pdparams")
    assert not (tmp_path / "new").exists()
    convert_checkpoint(good_file(tmp_path), tmp_path / "new" / "deep" / "b.pdparams")
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == ["b.pdparams"]


def test_a_destination_below_a_file_is_one_line(tmp_path: Path) -> None:
    source = good_file(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be written") as error:
        convert_checkpoint(source, source / "b.pdparams")
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_not_written(tmp_path: Path) -> None:
    source = good_file(tmp_path)
    with pytest.raises(WeightsError, match="do not fit"):
        convert_checkpoint(source, tmp_path / "b.pdparams", "small_cnn")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("smal_cnn", {}, "Did you mean 'small_cnn'"),
        ("small_cnn", {"depth": 3}, "no option 'depth'"),
        ("small_cnn", {"backend": "paddle"}, "'backend' is not an option"),
        ("none.py:build", {}, "no file 'none.py'"),
    ],
)
def test_a_network_that_is_not_there_is_named(tmp_path: Path, model: str, options: dict[str, Any], said: str) -> None:
    source = good_file(tmp_path)
    with pytest.raises(ModelError, match=said):
        convert_checkpoint(source, tmp_path / "b.pdparams", model, options=options)
    assert list(tmp_path.iterdir()) == [source]


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = good_file(tmp_path)

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "read_weights", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(source, tmp_path / "b.pdparams")
    monkeypatch.undo()
    monkeypatch.setattr(checkpoints, "_check_equal", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(source, tmp_path / "b.pdparams")
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_that_does_not_come_back_as_it_was_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = good_file(tmp_path)

    def forgetful(path: Path, arrays: dict[str, Any]) -> Path:
        return write_checkpoint(path, {name: array * 0 for name, array in arrays.items()})

    monkeypatch.setattr(checkpoints, "write_checkpoint", forgetful)
    with pytest.raises(CheckpointError, match="did not come back"):
        convert_checkpoint(source, tmp_path / "b.pdparams")
    assert list(tmp_path.iterdir()) == [source]


def test_files_of_torch_are_written_by_torch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else find_spec(name))
    with pytest.raises(BackendError, match=r"torch, which is not installed.*safetensors"):
        convert_checkpoint(good_file(tmp_path), tmp_path / "b.pth")


def test_a_network_that_runs_on_no_known_input_is_converted_and_said_to_be_unproved(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "def build(nn):\n    class Net(type(nn.Sequential())):\n"
        "        def forward(self, x):\n            raise ValueError('not today')\n"
        "    return Net(nn.Linear(3, 3))\n"
    )
    spec = f"{tmp_path / 'net.py'}:build"
    source = filled(load_model(spec, backend=ANY))
    path = write_weights(tmp_path / "a.safetensors", source.state())
    report = convert_checkpoint(path, tmp_path / "b.pdparams", spec)
    assert report.difference is None
    assert any("not compared" in note for note in report.notes)
    np.testing.assert_array_equal(read_weights(report.destination).arrays["0.weight"], source.state()["0.weight"].T)


# -- hostile files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(hostile_pickles(Path("marker"))))
@pytest.mark.parametrize("disguise", [as_paddle_file, as_torch_zip])
def test_nothing_in_a_hostile_source_is_run_and_nothing_is_written(
    tmp_path: Path, name: str, disguise: Callable[[bytes, Path], Path]
) -> None:
    path = disguise(hostile_pickles(tmp_path / "marker")[name], tmp_path / "w")
    for ending in (".pth", ".pdparams", ".safetensors"):
        with pytest.raises(CheckpointError, match=path.name) as error:
            convert_checkpoint(path, tmp_path / "new" / f"out{ending}", "small_cnn")
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_hostile_destination_is_replaced_unread(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = as_paddle_file(hostile_pickles(marker)["os.system"], tmp_path / "out")
    convert_checkpoint(good_file(tmp_path), path, force=True)
    assert not marker.exists()
    assert set(pickle.loads(path.read_bytes())) == {"0.weight"}


@pytest.mark.parametrize("name", ["lists of lists", "tuples of tuples as a key", "one run of bytes as many arrays"])
def test_a_source_that_unfolds_without_end_is_refused(tmp_path: Path, name: str) -> None:
    path = as_paddle_file(traps()[name], tmp_path / "w")
    with pytest.raises(CheckpointError):
        convert_checkpoint(path, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == [path]


def test_the_error_of_a_hostile_source_says_so(tmp_path: Path) -> None:
    path = as_paddle_file(hostile_pickles(tmp_path / "marker")["eval"], tmp_path / "w")
    with pytest.raises(UnsafeCheckpointError, match="nothing of it was run") as error:
        convert_checkpoint(path, tmp_path / "out.pth")
    assert isinstance(error.value, TwinlensError)
