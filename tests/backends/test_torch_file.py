"""The reader that needs no torch reads what torch writes, and runs nothing."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends.torch_file import read_torch_file
from twinlens.errors import CheckpointError, UnsafeCheckpointError

from ..frameworks import torch

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def saved(path: Path, content: Any, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMATS
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "bfloat16"]
)
def test_every_type_of_number_comes_back(tmp_path: Path, zipped: bool, dtype: str) -> None:
    tensor = (torch.arange(12).reshape(3, 4) % 5).to(getattr(torch, dtype))
    array = read_torch_file(saved(tmp_path / "a.pth", {"t": tensor}, zipped))["t"]
    expected = tensor.float() if dtype == "bfloat16" else tensor
    assert array.dtype == expected.numpy().dtype
    assert np.array_equal(array, expected.numpy())


@FORMATS
def test_a_state_dict_comes_back(tmp_path: Path, zipped: bool) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    path = saved(tmp_path / "a.pth", net.state_dict(), zipped)
    state = read_torch_file(path)
    expected = torch.load(path, weights_only=True)
    assert list(state) == list(expected)
    assert all(np.array_equal(state[name], tensor.numpy()) for name, tensor in expected.items())


@FORMATS
def test_views_and_shared_storages_come_back(tmp_path: Path, zipped: bool) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    views = {"base": base, "transposed": base.T, "part": base[1:3, 2:], "scalar": base[2, 3], "empty": base[:0]}
    read = read_torch_file(saved(tmp_path / "a.pth", views, zipped))
    assert all(np.array_equal(read[name], view.numpy()) for name, view in views.items())
    read["base"][:] = 0
    assert read["transposed"].any()


@FORMATS
def test_nested_containers_and_parameters_come_back(tmp_path: Path, zipped: bool) -> None:
    content = {"epoch": 3, "model": OrderedDict(w=torch.nn.Parameter(torch.ones(2))), "list": [1, (torch.zeros(1),)]}
    read = read_torch_file(saved(tmp_path / "a.pth", content, zipped))
    assert read["epoch"] == 3
    assert read["model"]["w"].tolist() == [1, 1]
    assert read["list"][1][0].tolist() == [0]


class Command:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("was-run",)


@FORMATS
def test_a_file_that_asks_for_a_call_is_refused_before_it(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeCheckpointError, match="mkdir"):
        read_torch_file(saved(tmp_path / "a.pth", {"w": torch.ones(1), "x": Command()}, zipped))
    assert not Path("was-run").exists()


@FORMATS
def test_a_whole_model_is_refused(tmp_path: Path, zipped: bool) -> None:
    with pytest.raises(UnsafeCheckpointError, match=r"torch\.nn\.modules"):
        read_torch_file(saved(tmp_path / "a.pth", torch.nn.Linear(2, 2), zipped))


def rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Change the pickle inside a zip file of torch."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part.replace(old, new) if name.endswith("data.pkl") else part)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"t": torch.arange(77.0)})
    # 77 is the length of the storage, the size of the tensor and nothing else; shortening both leaves numbers unread,
    # so only the tensor's is raised.
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        content = archive.read(name)
    size = content.rindex(b"K\x4d")
    rewritten(path, content, content[:size] + b"K\xff" + content[size + 2 :])
    with pytest.raises(CheckpointError, match="beyond its storage"):
        read_torch_file(path)


@FORMATS
def test_a_truncated_file_is_named(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path / "a.pth", {"t": torch.arange(1000.0)}, zipped)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        read_torch_file(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"w": 1}), pickle.dumps(1)])
def test_another_format_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        read_torch_file(path)


def test_a_zip_of_something_else_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    (tmp_path / "a.pth").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match=r"data\.pkl"):
        read_torch_file(tmp_path / "a.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth"):
        read_torch_file(tmp_path / "nowhere.pth")
