"""An explanation survives being saved bit by bit, and what is not one is refused."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import DataError
from twinlens.methods import ErrorEstimate, Explanation

from ..nets import pictures, small_net


def some_explanation(**changes: Any) -> Explanation:
    rng = np.random.default_rng(0)
    facts: dict[str, Any] = {
        "values": rng.normal(size=(2, 3, 4, 4)).astype(np.float32),
        "inputs": rng.random((2, 3, 4, 4)),
        "target": np.array([1, 0]),
        "scores": rng.normal(size=(2, 5)),
        "method": "integrated_gradients",
        "params": {"steps": 5, "baseline": rng.random((3, 4, 4)), "rule": "left", "segment_options": {"cells": 4}},
        "backend": "torch",
        "model": "Netz für Äpfel",
        "seed": 3,
        "seconds": 0.25,
        "error": ErrorEstimate("completeness residual", np.array([0.1, np.nan]), "smaller is better", np.ones(2)),
        "extras": {"segments": np.arange(16).reshape(1, 4, 4), "intercept": np.array([1e-300, -0.0])},
    }
    return Explanation(**(facts | changes))


def assert_same(found: object, expected: object, where: str = "") -> None:
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray), where
        assert found.dtype == expected.dtype, where
        assert found.shape == expected.shape, where
        assert found.tobytes() == expected.tobytes(), where
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for i, value in enumerate(expected):
            assert_same(found[i], value, f"{where}[{i}]")
    elif isinstance(expected, dict):
        assert set(found) == set(expected), where  # type: ignore[call-overload]
        for name, value in expected.items():
            assert_same(found[name], value, f"{where}.{name}")  # type: ignore[index]
    elif isinstance(expected, ErrorEstimate | Explanation):
        assert_same(vars(found), vars(expected), where)
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"target": None, "seed": None, "error": None, "extras": {}, "params": {}},
        {"error": ErrorEstimate("local R²", np.array([0.5]), "1 is a perfect fit")},
        {"params": {"target": None, "flag": True, "number": 0.1, "none": None, "list": [1, 2], "word": "ä\n"}},
        {"params": {"baseline": [np.zeros(5000), 0.5, "blur", np.ones((2, 3), dtype=np.float32), None]}},
        {
            "params": {
                "deep": [[np.arange(3)], []],
                "options": {"mask": np.eye(2, dtype=bool), "sizes": [1, np.ones(2)]},
            }
        },
        {"params": {"a": {"b.c": np.ones(1), "b": {"c": np.zeros(1)}}, "a.b": {"c": np.full(1, 2.0)}}},
    ],
    ids=["full", "bare", "no scale", "plain", "a list with arrays", "arrays in lists in lists", "names with dots"],
)
def test_what_is_saved_is_loaded_bit_by_bit(tmp_path: Path, changes: dict[str, Any]) -> None:
    expected = some_explanation(**changes)
    path = expected.save(tmp_path / "deep" / "folder" / "map.npz")
    assert_same(Explanation.load(path), expected)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("saliency", {}),
        ("smoothgrad", {"samples": np.int64(2), "sigma": np.float32(0.25), "seed": np.int64(7)}),
        ("integrated_gradients", {"steps": 2, "baseline": pictures(1)[0]}),
        ("integrated_gradients", {"steps": 2, "baseline": [pictures(1)[0], np.float32(0.1), 0, "mean"]}),
        ("lime", {"samples": 10, "segments": "grid", "segment_options": {"cells": np.int64(3)}}),
        ("expected_gradients", {"samples": 3, "background": pictures(2, seed=1)}),
        ("filter_visualisation", {"layer": "4", "steps": 1}),
    ],
)
def test_every_methods_result_survives(
    backend: Backend, tmp_path: Path, method: str, params: dict[str, object]
) -> None:
    found = tl.explain(small_net(backend), pictures(2), method, **params)
    assert_same(Explanation.load(found.save(tmp_path / "map.npz")), found)


def test_the_superpixels_of_lime_survive(backend: Backend, tmp_path: Path) -> None:
    found = tl.explain(
        small_net(backend), pictures(1), "lime", samples=10, segments="grid", segment_options={"cells": 3}
    )
    assert_same(Explanation.load(found.save(tmp_path / "map.npz")), found)


def test_a_native_parameter_is_kept_as_an_array(backend: Backend, tmp_path: Path) -> None:
    rows = pictures(2, seed=1)
    found = tl.explain(
        small_net(backend), pictures(1), "expected_gradients", background=backend.asarray(rows), samples=2
    )
    np.testing.assert_array_equal(Explanation.load(found.save(tmp_path / "map.npz")).params["background"], rows)


def test_native_parameters_in_a_list_are_kept_as_arrays(backend: Backend) -> None:
    rows = pictures(2, seed=1)
    native = [backend.asarray(rows[0]), backend.leaf(backend.asarray(rows[1]))]
    found, expected = (
        tl.explain(small_net(backend), pictures(1), "integrated_gradients", 0, baseline=baseline, steps=2)
        for baseline in (native, list(rows))
    )
    assert_same(found.params, expected.params)
    np.testing.assert_array_equal(found.values, expected.values)


def test_numbers_of_numpy_in_a_tuple_are_kept_as_pythons(backend: Backend, tmp_path: Path) -> None:
    neuron = (np.int64(3), np.int64(1), np.int64(0))
    found = tl.explain(small_net(backend), pictures(1), "neuron_gradient", layer="4", neuron=neuron)
    assert [type(number) for number in found.params["neuron"]] == [int] * 3
    assert Explanation.load(found.save(tmp_path / "map.npz")).params["neuron"] == [3, 1, 0]


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("expected_gradients", "background", pictures(2, seed=1)),
        ("integrated_gradients", "baseline", pictures(1, seed=1)[0]),
        ("integrated_gradients", "baseline", [pictures(1, seed=1)[0], 0.5]),
    ],
)
def test_what_becomes_of_an_array_afterwards_does_not_change_what_is_recorded(
    backend: Backend, method: str, name: str, value: Any
) -> None:
    given, before = copy.deepcopy(value), copy.deepcopy(value)
    found = tl.explain(small_net(backend), pictures(1), method, 0, **{name: given})
    (given if isinstance(given, np.ndarray) else given[0])[:] = 9
    assert_same(found.params[name], before)


def test_what_json_does_not_have_is_saved_as_its_text(tmp_path: Path) -> None:
    found = some_explanation(params={"function": len, "list": [np.ones(2), len], "by number": {1: "one"}})
    loaded = Explanation.load(found.save(tmp_path / "map.npz")).params
    assert loaded["function"] == loaded["list"][1] == repr(len)
    assert loaded["by number"] == "{1: 'one'}"


def test_files_whose_json_names_no_arrays_are_read(tmp_path: Path) -> None:
    expected = some_explanation(params={"steps": 5, "baseline": np.arange(4.0), "background": np.ones((2, 4))})
    path = expected.save(tmp_path / "map.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    facts = json.loads(str(arrays["facts"]))
    # As versions before lists of arrays wrote them.
    facts["params"] = {"steps": 5}
    lists = {"params.baseline": np.arange(4.0), "params.background": np.ones((2, 4))}
    np.savez(path, **(arrays | lists | {"facts": np.array(json.dumps(facts))}))
    assert_same(Explanation.load(path), expected)


def test_what_neither_numpy_nor_json_has_is_saved_as_text(tmp_path: Path) -> None:
    params = {"list": [np.array([1, None])], "name": {"__array__": "values"}, "whole": np.array(["a", 2], object)}
    found = Explanation.load(some_explanation(params=params).save(tmp_path / "map.npz"))
    assert found.params == {"list": [repr(params["list"][0])]} | {
        name: repr(params[name]) for name in ("name", "whole")
    }


def test_a_target_function_leaves_its_mark_only_in_the_values(backend: Backend, tmp_path: Path) -> None:
    found = tl.explain(small_net(backend), pictures(1), "saliency", lambda s: s[:, 0])
    assert Explanation.load(found.save(tmp_path / "map.npz")).target is None


def test_the_relative_error_holds_the_error_against_its_scale() -> None:
    error = ErrorEstimate("residual", np.array([-1.0, 0.0, 2.0]), "", np.array([4.0, 0.0, 0.0]))
    np.testing.assert_array_equal(error.relative, [0.25, 0.0, np.inf])
    assert ErrorEstimate("local R²", np.array([0.5]), "").relative is None


def test_the_worst_is_the_largest_error_and_the_smallest_local_fit() -> None:
    values = np.array([0.1, -0.2, 0.0])
    assert ErrorEstimate("residual", values, "").worst == 0.2
    assert ErrorEstimate("residual", values, "", np.array([0.1, 1.0, 0.0])).worst == 1.0
    assert ErrorEstimate("local R²", np.array([0.8, -0.5, 0.3]), "").worst == -0.5


def test_no_pickle_is_written_or_read(tmp_path: Path) -> None:
    path = some_explanation().save(tmp_path / "map.npz")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
    ran: list[str] = []

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return ran.append, ("run",)

    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "objects.npz", **(arrays | {"values": np.array([Payload()], dtype=object)}))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"values": 1}))
    for name in ("objects.npz", "pickle.npz"):
        with pytest.raises(DataError, match="not a saved explanation"):
            Explanation.load(tmp_path / name)
    assert not ran


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file.*nowhere\.npz"):
        Explanation.load(tmp_path / "nowhere.npz")


def test_what_is_not_an_explanation_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    np.savez(tmp_path / "words.npz", values=np.ones(1), facts=np.array('"words"'))
    np.savez(tmp_path / "numbers.npz", values=np.ones(1), facts=np.array("[1, 2]"))
    np.savez(tmp_path / "broken.npz", values=np.ones(1), facts=np.array("{"))
    np.save(tmp_path / "array.npy", np.ones(3))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "folder.npz").mkdir()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError, match="not a saved explanation") as caught:
            Explanation.load(path)
        assert path.name in str(caught.value)


def test_a_damaged_file_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    whole = some_explanation().save(tmp_path / "map.npz").read_bytes()
    path = tmp_path / "damaged.npz"
    expected = some_explanation()

    def try_out(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            found = Explanation.load(path)
        except DataError:
            return True
        # Bytes that nothing depends on, such as dates, may change; the numbers may not.
        assert_same({**vars(found), "seconds": 0}, {**vars(expected), "seconds": 0})
        return False

    refused = [try_out(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :]) for i in range(0, len(whole), 7)]
    assert np.mean(refused) > 0.5
    assert all(try_out(whole[:length]) for length in range(0, len(whole) - 1, 97))


def test_a_failure_while_writing_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = some_explanation().save(tmp_path / "map.npz")
    before = path.read_bytes()

    def full_disk(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(DataError, match="No space left on device"):
        some_explanation(seed=4).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["map.npz"]


def test_a_saved_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    path = some_explanation().save(tmp_path / "map.npz")
    assert stat.S_IMODE(os.stat(path).st_mode) == stat.S_IMODE(os.stat(tmp_path / "plain").st_mode)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "map.npz", tmp_path / "folder"):
        with pytest.raises(DataError, match="cannot be written"):
            some_explanation().save(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_it_says_what_it_is() -> None:
    text = repr(some_explanation())
    assert "integrated_gradients" in text
    assert "(2, 3, 4, 4)" in text
