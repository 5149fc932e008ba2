"""What every method promises, whatever it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, quick
from twinlens.methods.registry import get_method

from ..frameworks import need
from ..nets import pictures
from .calls import CALLS, PACKAGES, POOLED, net_for, relative


@pytest.fixture(params=list(CALLS))
def method(request: pytest.FixtureRequest) -> str:
    if request.param in PACKAGES:
        pytest.importorskip(PACKAGES[request.param])
    return str(request.param)


def explained(method: str, backend: Backend, dtype: str = "float32", **params: Any) -> tl.Explanation:
    return tl.explain(net_for(method, backend, dtype), pictures(3), method, **CALLS[method] | params)


def test_both_frameworks_say_the_same_in_double_precision(both: tuple[Backend, Backend], method: str) -> None:
    found = [explained(method, backend, "float64") for backend in both]
    assert found[0].values.dtype == found[1].values.dtype == np.float64
    # Rounding of some 1e-16, times the number of operations and of Adam's steps.
    assert relative(found[0].values, found[1].values) < 1e-10
    np.testing.assert_array_equal(found[0].target, found[1].target)


def test_both_frameworks_say_the_same_in_single_precision(both: tuple[Backend, Backend], method: str) -> None:
    found = [explained(method, backend).values for backend in both]
    assert found[0].dtype == found[1].dtype == np.float32
    assert np.linalg.norm(found[0] - found[1]) <= 1e-4 * np.linalg.norm(found[1])


def test_the_size_of_the_chunks_does_not_matter(backend: Backend, method: str) -> None:
    whole = explained(method, backend, "float64")
    for batch_size in (1, 2):
        pieces = explained(method, backend, "float64", batch_size=batch_size)
        assert relative(pieces.values, whole.values) < 1e-11
        np.testing.assert_array_equal(pieces.target, whole.target)


def test_the_order_of_a_batch_in_memory_does_not_matter(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = need("torch")
    plain = explained(method, torch)
    monkeypatch.setattr(quick, "_WORTH_ARRANGING", 1)
    arranged = explained(method, torch)
    # Rounding of some 6e-8, times the number of operations; where a rectifier's input is next to 0, a switched unit.
    assert np.linalg.norm(arranged.values - plain.values) <= 1e-4 * np.linalg.norm(plain.values)
    np.testing.assert_array_equal(arranged.target, plain.target)


def test_the_same_call_gives_the_same_bits(backend: Backend, method: str) -> None:
    np.testing.assert_array_equal(explained(method, backend).values, explained(method, backend).values)


def test_the_result_survives_a_file(backend: Backend, method: str, tmp_path: Path) -> None:
    made = explained(method, backend)
    read = tl.Explanation.load(made.save(tmp_path / "e.npz"))
    np.testing.assert_array_equal(read.values, made.values)
    assert (read.method, read.backend, read.evaluations, read.stopped) == (
        method,
        backend.name,
        made.evaluations,
        made.stopped,
    )
    assert set(read.extras) == set(made.extras)
    assert (read.error is None) == (made.error is None)


def test_an_error_estimate_is_there_unless_the_method_says_it_has_none(backend: Backend, method: str) -> None:
    made = explained(method, backend)
    if get_method(method).error.startswith("none"):
        assert made.error is None
    else:
        assert made.error is not None
        assert made.error.values.shape == (3,)
        assert np.isfinite(made.error.values).all()


def test_a_class_that_does_not_exist_is_an_error(backend: Backend, method: str) -> None:
    if explained(method, backend).target is None:
        pytest.skip("the method explains no class")
    for target in (99, -1, [0, 1], 1.5, "cat"):
        with pytest.raises(tl.errors.TargetError):
            tl.explain(net_for(method, backend), pictures(3), method, target, **CALLS[method])


def test_a_list_of_targets_is_one_explanation_per_target(backend: Backend, method: str) -> None:
    if explained(method, backend).target is None:
        pytest.skip("the method explains no class")
    if method in POOLED:
        pytest.skip("the method explains all samples of a class together")
    model, x = net_for(method, backend, "float64"), pictures(3)
    together = tl.explain(model, x, method, [2, 0, 1], **CALLS[method])
    for i, target in enumerate([2, 0, 1]):
        alike = tl.explain(model, x, method, target, **CALLS[method])
        assert relative(alike.values[i], together.values[i]) < 1e-10
