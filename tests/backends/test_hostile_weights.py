"""Hostile weights files: nothing is run, none fills the memory or takes for ever, each is refused in one line."""

from __future__ import annotations

import copyreg
import importlib.util
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest

from twinlens.backends.weights import read_weights
from twinlens.errors import CheckpointError, UnsafeCheckpointError

from .. import frameworks
from .hostile import (
    DISGUISES,
    as_bare_torch_file,
    as_paddle_file,
    as_torch_zip,
    hostile_pickles,
    oversized_safetensors,
    pickled_calls,
    rezipped,
    traps,
)

Disguise = Callable[[bytes, Path], Path]


@pytest.fixture(autouse=True)
def _an_extension_code_stands_for_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache by which pickle's own unpickler gets past `find_class`."""
    monkeypatch.setitem(copyreg._extension_cache, 240, os.system)  # type: ignore[attr-defined]


@pytest.fixture(params=["with torch", "without torch"])
def _with_or_without_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of torch are read by torch where it is installed, and by a reader of ours elsewhere."""
    if request.param == "without torch":
        find_spec = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else find_spec(name))
        monkeypatch.setattr(frameworks.torch, "load", None)


def assert_refused(path: Path, marker: Path) -> CheckpointError:
    before = sorted(marker.parent.rglob("*"))
    with pytest.raises(CheckpointError, match=path.name) as error:
        read_weights(path)
    assert sorted(marker.parent.rglob("*")) == before
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert "weights_only" not in str(error.value)
    return error.value


@pytest.mark.parametrize("name", list(pickled_calls(Path("marker"))))
def test_the_hostile_files_do_harm_where_they_are_trusted(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "marker"
    made = None
    with suppress(TypeError):  # after the harm
        made = pickle.loads(pickled_calls(marker)[name])
    process = made.get("a") if isinstance(made, dict) else made
    if isinstance(process, subprocess.Popen):
        process.wait()
    assert marker.exists()


@pytest.mark.usefixtures("_with_or_without_torch")
@pytest.mark.parametrize("name", list(hostile_pickles(Path("marker"))))
@pytest.mark.parametrize("disguise", DISGUISES)
def test_nothing_in_a_hostile_file_is_run(tmp_path: Path, name: str, disguise: Disguise) -> None:
    marker = tmp_path / "marker"
    assert_refused(disguise(hostile_pickles(marker)[name], tmp_path / "w"), marker)


@pytest.mark.parametrize("disguise", [as_paddle_file, as_torch_zip])
def test_a_hostile_call_is_named(tmp_path: Path, disguise: Disguise) -> None:
    raw = hostile_pickles(tmp_path / "marker")["os.system"]
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.system.*nothing of it was run"):
        read_weights(disguise(raw, tmp_path / "w"))


def test_a_hostile_file_changes_no_admitted_function(tmp_path: Path) -> None:
    for name in ("build on a function", "build on a class"):
        with pytest.raises(UnsafeCheckpointError):
            read_weights(as_paddle_file(hostile_pickles(tmp_path / "marker")[name], tmp_path / "w"))
    state = {"a": np.arange(3.0)}
    (tmp_path / "good.pdparams").write_bytes(pickle.dumps(state, protocol=2))
    np.testing.assert_array_equal(read_weights(tmp_path / "good.pdparams").arrays["a"], state["a"])


@pytest.mark.usefixtures("_with_or_without_torch")
@pytest.mark.parametrize("name", list(traps()))
@pytest.mark.parametrize("disguise", [as_paddle_file, as_torch_zip, as_bare_torch_file])
def test_a_small_file_that_unfolds_without_end_is_refused(tmp_path: Path, name: str, disguise: Disguise) -> None:
    assert_refused(disguise(traps()[name], tmp_path / "w"), tmp_path / "marker")


@pytest.mark.parametrize("name", list(oversized_safetensors()))
def test_a_safetensors_file_that_promises_more_than_it_holds_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(oversized_safetensors()[name])
    assert_refused(path, tmp_path / "marker")


@pytest.mark.usefixtures("_with_or_without_torch")
@pytest.mark.parametrize("elements", [10**9, 10**15])
@pytest.mark.parametrize("zipped", [True, False])
def test_one_number_that_says_it_is_a_billion_is_refused(tmp_path: Path, elements: int, zipped: bool) -> None:
    frameworks.torch.save(
        {"a": frameworks.torch.ones(1).expand(elements)}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped
    )
    assert_refused(tmp_path / "w.pth", tmp_path / "marker")


@pytest.mark.usefixtures("_with_or_without_torch")
def test_one_tensor_under_many_names_is_refused_where_it_fills_the_memory(tmp_path: Path) -> None:
    numbers = frameworks.torch.zeros(2**18)
    frameworks.torch.save({f"a{i}": numbers for i in range(200)}, tmp_path / "w.pth")
    assert_refused(tmp_path / "w.pth", tmp_path / "marker")


@pytest.mark.usefixtures("_with_or_without_torch")
def test_layers_that_share_their_weights_are_read(tmp_path: Path) -> None:
    shared = frameworks.torch.arange(1000.0)
    frameworks.torch.save({f"a{i}": shared for i in range(24)}, tmp_path / "w.pth")
    arrays = read_weights(tmp_path / "w.pth").arrays
    assert all(np.array_equal(array, shared.numpy()) for array in arrays.values())
    assert len(arrays) == 24


@pytest.mark.usefixtures("_with_or_without_torch")
def test_a_compressed_archive_that_unfolds_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    zeros = {"a": frameworks.torch.zeros(20_000_000)}
    path = rezipped(tmp_path / "w.pth", compression=zipfile.ZIP_DEFLATED, content=zeros)
    assert path.stat().st_size < 2**20
    assert "32 times its size" in str(assert_refused(path, tmp_path / "marker"))


@pytest.mark.usefixtures("_with_or_without_torch")
@pytest.mark.parametrize(
    "name",
    ["../../marker", "/tmp/twinlens_marker", "archive/../../marker", "archive/code/__torch__.py", "__main__.py",
     "archive/data.pkl.py", "archive/.data/serialization_id2"],
)  # fmt: skip
def test_members_that_do_not_belong_are_left_in_the_archive(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    code = f"open({str(tmp_path / 'marker')!r}, 'w')".encode()
    path = rezipped(folder / "w.pth", added={name: code})
    with suppress(CheckpointError):
        assert read_weights(path).arrays["a"].tolist() == [1, 1]
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]
    assert not Path("/tmp/twinlens_marker").exists()


@pytest.mark.usefixtures("_with_or_without_torch")
@pytest.mark.parametrize("member", ["constants.pkl", "data.pkl"])
def test_a_second_hostile_pickle_in_the_archive_is_not_run(tmp_path: Path, member: str) -> None:
    raw = hostile_pickles(tmp_path / "marker")["os.system"]
    with pytest.warns(UserWarning, match="Duplicate") if member == "data.pkl" else nullcontext():
        path = rezipped(tmp_path / "w.pth", added={f"archive/{member}": raw})
    with suppress(CheckpointError):
        assert read_weights(path).arrays["a"].tolist() == [1, 1]
        assert member != "data.pkl"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("_with_or_without_torch")
def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 8)
    path = rezipped(tmp_path / "w.pth", changed={"0": str(secret).encode()})
    with zipfile.ZipFile(path) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, raw in parts.items():
            if info.filename.endswith("data/0"):
                info.external_attr = 0o120777 << 16
            archive.writestr(info, raw)
    with suppress(CheckpointError):
        assert read_weights(path).arrays["a"].tobytes() == str(secret).encode()[:8]
