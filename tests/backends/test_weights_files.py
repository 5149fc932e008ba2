"""Weights files: what is written can be read, whatever framework wrote it, and nothing in a file is ever run."""

from __future__ import annotations

import collections
import importlib
import importlib.util
import json
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.backends.weights import read_weights, write_weights
from twinlens.errors import CheckpointError, NonFiniteError, UnsafeCheckpointError, WeightsError

from ..frameworks import need
from .hostile import hostile_pickles


@pytest.fixture
def torch() -> Any:
    return importlib.import_module(need("torch").name)


@pytest.fixture
def paddle() -> Any:
    return importlib.import_module(need("paddle").name)


def some_state() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.normal(size=4),
        "count": np.array(7, np.int64),
        "mask": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(sorted(found)) == list(sorted(expected))
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# -- safetensors ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors", some_state(), {"model": "cnn"})
    weights = read_weights(path)
    assert_same(weights.arrays, some_state())
    assert weights.framework == "torch"
    assert weights.metadata == {"framework": "torch", "model": "cnn"}


def test_arrays_are_written_by_value_whatever_their_memory_order(tmp_path: Path) -> None:
    square = np.arange(12.0).reshape(3, 4)
    odd = {
        "transposed": square.T,
        "reversed": square[::-1],
        "big": square.astype(">f8"),
        "fortran": np.asfortranarray(square),
    }
    found = read_weights(write_weights(tmp_path / "w.safetensors", odd)).arrays
    for name, array in odd.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_arrays_that_are_read_can_be_written_to(tmp_path: Path, torch: Any) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "w.pth")
    write_weights(tmp_path / "w.safetensors", {"a": np.ones(3)})
    for name in ("w.pth", "w.safetensors"):
        read_weights(tmp_path / name).arrays["a"][:] = 2


@pytest.mark.parametrize(
    ("header", "framework"),
    [({"framework": "paddle"}, "paddle"), ({"format": "pd"}, "paddle"), ({"format": "pt"}, "torch"), ({}, "torch")],
)
def test_the_header_says_whose_layout_a_safetensors_file_has(
    tmp_path: Path, header: dict[str, str], framework: str
) -> None:
    save = importlib.import_module("safetensors.numpy").save_file
    save({"a": np.ones(2, np.float32)}, tmp_path / "w.safetensors", header or None)
    assert read_weights(tmp_path / "w.safetensors").framework == framework


def test_bfloat16_is_widened_exactly(tmp_path: Path, torch: Any) -> None:
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    torch.save({"a": values}, tmp_path / "w.pth")
    raw = values.view(torch.int16).numpy().tobytes()
    header = json.dumps({"a": {"dtype": "BF16", "shape": [5, 3], "data_offsets": [0, len(raw)]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + raw)
    for name in ("w.pth", "w.safetensors"):
        assert_same(read_weights(tmp_path / name).arrays, {"a": values.float().numpy()})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_weights(tmp_path / "w.safetensors", {"a": np.ones(3)})

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        write_weights(path, {"a": np.zeros(3)})
    np.testing.assert_array_equal(read_weights(path).arrays["a"], 1)
    assert list(tmp_path.iterdir()) == [path]


def test_writing_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_weights(tmp_path / "nowhere" / "w.safetensors", {"a": np.ones(3)})


def test_only_numbers_are_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'a' holds object"):
        write_weights(tmp_path / "w.safetensors", {"a": np.array([None])})
    with pytest.raises(CheckpointError, match=r"\.safetensors"):
        write_weights(tmp_path / "w.pth", {"a": np.ones(3)})


def test_nan_is_refused_only_where_asked(tmp_path: Path) -> None:
    state = {"a": np.array([1.0, np.nan])}
    assert np.isnan(read_weights(write_weights(tmp_path / "w.safetensors", state)).arrays["a"][1])
    with pytest.raises(NonFiniteError, match="'a'"):
        write_weights(tmp_path / "x.safetensors", state, finite=True)
    assert not (tmp_path / "x.safetensors").exists()


# -- torch ---------------------------------------------------------------------------------------------------------


def torch_net(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_state_dict_is_read(tmp_path: Path, torch: Any, zipped: bool) -> None:
    net = torch_net(torch)
    torch.save(net.state_dict(), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "w.pth")
    assert weights.framework == "torch"
    assert_same(weights.arrays, {name: t.numpy() for name, t in net.state_dict().items()})


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_nested_state_dict_is_found_and_its_prefix_taken_off(tmp_path: Path, torch: Any, key: str) -> None:
    net = torch_net(torch)
    wrapped = torch.nn.DataParallel(net).state_dict()
    torch.save({"epoch": 3, key: wrapped, "optimizer": {"state": {}}}, tmp_path / "w.PT")
    assert set(read_weights(tmp_path / "w.PT").arrays) == set(net.state_dict())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_is_read_without_torch(
    tmp_path: Path, torch: Any, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.nn.DataParallel(torch_net(torch)).state_dict()
    torch.save({"state_dict": state}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    expected = read_weights(tmp_path / "w.pth").arrays
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else find_spec(name))
    monkeypatch.setattr(torch, "load", None)
    assert_same(read_weights(tmp_path / "w.pth").arrays, expected)
    (tmp_path / "h.pth").write_bytes(hostile_pickles(tmp_path / "marker")["os.system"])
    with pytest.raises(UnsafeCheckpointError):
        read_weights(tmp_path / "h.pth")


@pytest.mark.parametrize("torch_reads", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("wrapped", ["alone", "in a dictionary", "beside its weights", "in parallel"])
def test_the_weights_of_a_whole_model_are_read_and_the_model_is_not_made(
    wrapped: str, legacy: bool, torch_reads: bool, tmp_path: Path, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Net(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.nothing = torch_net(torch), torch.nn.Identity()
            self.activation, self.kind = torch.nn.functional.relu, torch.float32
            self.register_buffer("passing", torch.ones(2), persistent=False)
            self.register_buffer("kept", torch.arange(3))
            self.register_parameter("absent", None)
            self.tied = self.body

        def __setstate__(self, state: Any) -> None:
            made.append("a model")
            super().__setstate__(state)

    monkeypatch.setitem(globals(), "Net", Net)
    Net.__qualname__ = "Net"
    net = Net()
    saved = {
        "alone": net,
        "in a dictionary": {"epoch": 3, "model": net},
        "beside its weights": {"model": net, "state_dict": net.state_dict(), "optimizer": {"lr": 0.1}},
        "in parallel": torch.nn.DataParallel(net),
    }[wrapped]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    if not torch_reads:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else find_spec(name))
    assert_same(read_weights(tmp_path / "w.pth").arrays, {n: t.numpy() for n, t in net.state_dict().items()})
    assert not made


def test_a_whole_object_that_is_no_model_is_refused_and_the_cure_named(tmp_path: Path, torch: Any) -> None:
    torch.save({"model": Path("weights")}, tmp_path / "w.pth")
    with pytest.raises(UnsafeCheckpointError, match=r"pathlib.*torch\.save\(net\.state_dict\(\)"):
        read_weights(tmp_path / "w.pth")


def test_a_model_inside_of_itself_is_refused(tmp_path: Path, torch: Any) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    net._modules["again"] = net
    torch.save(net, tmp_path / "w.pth")
    with pytest.raises(UnsafeCheckpointError):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "qint8", "sparse_coo"])
def test_a_sound_tensor_that_numpy_lacks_is_named(tmp_path: Path, torch: Any, kind: str) -> None:
    made = {
        "float8_e4m3fn": lambda t: t.to(torch.float8_e4m3fn),
        "qint8": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "sparse_coo": lambda t: t.to_sparse(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"weight": made[kind](torch.eye(3))}, tmp_path / "a.pth")
        with pytest.raises(CheckpointError, match=rf"of the kind {kind}.*t\.to_dense\(\)"):
            read_weights(tmp_path / "a.pth")


def test_other_weights_in_a_file_are_said(tmp_path: Path, torch: Any) -> None:
    ones, zeros = ({"weight": fill(3)} for fill in (torch.ones, torch.zeros))
    training = {"state": {0: {"step": 1}}, "param_groups": []}
    torch.save({"ema": zeros, "model": ones, "optimizer": training, "epoch": 3}, tmp_path / "a.pth")
    found = read_weights(tmp_path / "a.pth")
    assert_same(found.arrays, {"weight": np.ones(3, np.float32)})
    assert found.beside == ("ema",)
    torch.save({"model": ones, "optimizer": training}, tmp_path / "b.pth")
    assert read_weights(tmp_path / "b.pth").beside == ()


def test_a_file_of_torch_under_the_name_of_paddles_is_told_from_a_program(tmp_path: Path, torch: Any) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "a.pdparams")
    with pytest.raises(CheckpointError, match=r"no file of paddle\.save\..*\.pth"):
        read_weights(tmp_path / "a.pdparams")
    (tmp_path / "b.pdparams").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(CheckpointError, match=r"no file of paddle\.save\. Check where it came from"):
        read_weights(tmp_path / "b.pdparams")


def test_a_script_archive_is_refused(tmp_path: Path, torch: Any) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(2)), tmp_path / "w.pt")
    with pytest.raises(UnsafeCheckpointError, match="TorchScript"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [{"epoch": 3}, {}, [1, 2], 3.0, {"a": "text"}, {1: 2}])
@pytest.mark.parametrize("suffix", [".pth", ".pdparams"])
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path, torch: Any, content: Any, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=r"no state dict.*it(s entry| is)") as error:
        read_weights(path)
    assert "\n" not in str(error.value)


# -- Paddle --------------------------------------------------------------------------------------------------------


def paddle_net(paddle: Any) -> Any:
    return paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(4, 2))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_paddle_state_dict_is_read(tmp_path: Path, paddle: Any, protocol: int) -> None:
    net = paddle_net(paddle)
    path = tmp_path / "w.pdparams"
    paddle.save(net.state_dict(), str(path), protocol=protocol)
    weights = read_weights(path)
    assert weights.framework == "paddle"
    assert_same(weights.arrays, {name: t.numpy() for name, t in net.state_dict().items()})


def test_a_nested_paddle_checkpoint_is_read(tmp_path: Path, paddle: Any) -> None:
    net = paddle_net(paddle)
    path = tmp_path / "w.pdparams"
    paddle.save({"epoch": 3, "model": net.state_dict(), "extra": [paddle.ones([2])]}, str(path))
    assert_same(read_weights(path).arrays, {name: t.numpy() for name, t in net.state_dict().items()})


def test_paddle_reads_the_same_numbers_as_we_do(tmp_path: Path, paddle: Any) -> None:
    state = {name: paddle.to_tensor(array) for name, array in some_state().items() if array.size}
    state["half"] = paddle.ones([3]).astype("float16")
    state["bfloat16"] = paddle.to_tensor([1.0, -2.5, 3.140625]).astype("bfloat16")
    path = tmp_path / "w.pdparams"
    paddle.save(state, str(path))
    found = read_weights(path).arrays
    expected = {
        name: (t.astype("float32") if name == "bfloat16" else t).numpy() for name, t in paddle.load(str(path)).items()
    }
    assert_same(found, expected)


def test_tensors_that_paddle_cut_into_slices_are_joined(tmp_path: Path, paddle: Any) -> None:
    from paddle.framework import io_utils

    whole = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    saved = {"a@@.0": whole.ravel()[:10], "a@@.1": whole.ravel()[10:], "b": np.ones(2),
             "UnpackBigParamInfor@@": {"a": {"OriginShape": (2, 3, 4), "slices": ["a@@.0", "a@@.1"]}}}  # fmt: skip
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps(saved, protocol=2))
    assert_same(read_weights(path).arrays, io_utils._pack_loaded_dict(saved))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_every_pickle_protocol_and_numpy_spelling_is_read(tmp_path: Path, protocol: int, core: str) -> None:
    arrays = {
        **some_state(),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
    }
    raw = pickle.dumps(collections.OrderedDict(arrays, scalar=np.float32(3)), protocol=protocol)
    if protocol < 4:  # text, where lengths do not matter
        raw = raw.replace(b"cnumpy._core.", b"cnumpy.core.").replace(b"cnumpy.core.", f"c{core}.".encode())
    path = tmp_path / "w.pdparams"
    path.write_bytes(raw)
    found = read_weights(path).arrays
    for name, array in {**arrays, "scalar": np.array(np.float32(3))}.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == np.asarray(array).dtype.newbyteorder("=")


# -- damaged files -------------------------------------------------------------------------------------------------


def write_a_good_file(path: Path, torch: Any) -> None:
    if path.suffix == ".safetensors":
        write_weights(path, some_state())
    elif path.suffix == ".pdparams":
        path.write_bytes(pickle.dumps(some_state(), protocol=4))
    else:
        torch.save({"a": torch.ones(100)}, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pdparams"])
@pytest.mark.parametrize("keep", [1, 7, 40, 0.5, 0.99])
def test_a_truncated_file_is_one_line(tmp_path: Path, torch: Any, suffix: str, keep: float) -> None:
    path = tmp_path / f"w{suffix}"
    write_a_good_file(path, torch)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
    with pytest.raises(CheckpointError) as error:
        read_weights(path)
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".pdparams"])
@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"\x00" * 64, b"PK\x03\x04" + b"\x00" * 30, b"\x80\x04."]
)
def test_a_file_of_another_format_is_one_line(tmp_path: Path, torch: Any, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="w" + suffix) as error:
        read_weights(path)
    assert "\n" not in str(error.value)


def test_a_container_that_holds_itself_ends(tmp_path: Path) -> None:
    cycle: dict[str, Any] = {}
    cycle["model"] = cycle
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(cycle))
    with pytest.raises(CheckpointError, match="RecursionError"):
        read_weights(tmp_path / "w.pdparams")


def test_missing_empty_and_foreign_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").touch()
    (tmp_path / "w.h5").write_bytes(b"x")
    (tmp_path / "folder.pth").mkdir()
    for name, said in (
        ("none.pth", "no weights file"),
        ("empty.pth", "is empty"),
        ("w.h5", "ending '.h5'"),
        ("folder.pth", "is a folder"),
    ):
        with pytest.raises(CheckpointError, match=said):
            read_weights(tmp_path / name)


# -- networks --------------------------------------------------------------------------------------------------------


def test_weights_go_from_a_network_to_a_file_and_back(tmp_path: Path, backend: Backend) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    state = {name: array + 0.5 for name, array in backend.state(net).items()}
    backend.load(net, read_weights(write_weights(tmp_path / "w.safetensors", state)).arrays)
    assert_same(backend.state(net), state)
