"""Batches are cut so that they fit in memory, and nobody can tell from the results."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, chunks, wrap
from twinlens.errors import InputError

from .nets import convolutional, pictures

SHAPE = (3, 8, 8)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure even small inputs."""
    monkeypatch.setattr(chunks, "_FREE_ELEMENTS", 1)


@pytest.mark.parametrize(("total", "size"), [(7, 3), (6, 3), (2, 5), (1, 1), (0, 4)])
def test_chunks_cover_everything_once_and_in_order(total: int, size: int) -> None:
    parts = list(chunks.chunks(total, size))
    assert [i for part in parts for i in range(total)[part]] == list(range(total))
    assert all(part.stop - part.start <= size for part in parts)


@pytest.mark.usefixtures("measured")
def test_a_sample_is_measured_by_the_outputs_of_all_layers_each_tensor_once(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    chunks.chunk_size(model, SHAPE, 5)
    # input, conv1 norm1 relu1 (5x8x8), pool1 (5x4x4), conv2 norm2 relu2 flatten (24), fc1 relu3 (7), fc2
    numbers = 192 + 3 * 320 + 80 + 4 * 24 + 2 * 7 + 4
    if backend.name == "paddle":
        numbers += 7  # its dropout returns a copy
    assert model.sample_bytes == {SHAPE: (4 * numbers, 4 * 320)}


@pytest.mark.usefixtures("measured")
def test_a_sample_of_float64_takes_twice_as_much(backend: Backend) -> None:
    single, double = wrap(convolutional(backend)), wrap(convolutional(backend), dtype="float64")
    for model in (single, double):
        chunks.chunk_size(model, SHAPE, 5)
    assert double.sample_bytes[SHAPE] == tuple(2 * size for size in single.sample_bytes[SHAPE])


@pytest.mark.usefixtures("measured")
def test_the_chunk_size_follows_from_the_budget(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrap(convolutional(backend))
    sizes = []
    for budget in (1, 50_000, 1 << 30):
        monkeypatch.setattr(chunks, "MEMORY_BUDGET", budget)
        sizes.append(chunks.chunk_size(model, SHAPE, 1000))
    assert sizes[0] == 1
    assert 1 < sizes[1] < 1000
    assert sizes[2] == 1000


@pytest.mark.usefixtures("measured")
def test_what_holds_more_at_once_is_cut_into_smaller_chunks(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrap(convolutional(backend))
    monkeypatch.setattr(chunks, "MEMORY_BUDGET", 120 * 5412)
    sizes = [chunks.chunk_size(model, SHAPE, 1000, held=held) for held in (1, 2, 4)]
    assert sizes == [120, 60, 30]


@pytest.mark.usefixtures("measured")
def test_no_output_is_so_large_that_the_processor_fetches_its_memory_anew(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = wrap(convolutional(backend))
    monkeypatch.setattr(chunks, "MALLOC_LIMIT", 10 * 4 * 320)
    assert chunks.chunk_size(model, SHAPE, 1000) == 8
    monkeypatch.setattr(chunks, "MALLOC_LIMIT", 1)
    assert chunks.chunk_size(model, SHAPE, 1000) == 1
    assert chunks.chunk_size(model, SHAPE, 1000, 50) == 50


@pytest.mark.usefixtures("measured")
def test_a_shape_is_measured_once(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    runs: list[int] = []
    handle = backend.on_exit(model.net, lambda *args: runs.append(1))
    for _ in range(3):
        chunks.chunk_size(model, SHAPE, 100)
    handle.remove()
    assert len(runs) == 1


def test_few_small_samples_run_together_without_a_measurement(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    assert chunks.chunk_size(model, SHAPE, 64) == 64
    assert model.sample_bytes == {}


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("of", ["logit", "loss"])
def test_results_do_not_depend_on_the_budget(backend: Backend, monkeypatch: pytest.MonkeyPatch, of: Any) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x, targets = pictures(7), [0, 1, 2, 3, 0, 1, 2]
    scores, gradients = model.forward(x, 7), model.gradient(x, targets, of, 7)
    runs: list[int] = []
    monkeypatch.setattr(chunks, "MEMORY_BUDGET", 90_000)
    with model.hook("fc2", post=lambda layer, inputs, output: runs.append(backend.shape(output)[0])):
        np.testing.assert_allclose(model.forward(x), scores, rtol=1e-12)
        np.testing.assert_allclose(model.gradient(x, targets, of), gradients, rtol=1e-12, atol=1e-15)
    assert len(runs) > 2
    assert sum(runs) == 14


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "all", None, True, np.array([1, 2]), np.array(["auto"])])
def test_a_wrong_batch_size_is_named(backend: Backend, batch_size: Any) -> None:
    model = wrap(convolutional(backend))
    for call in (model.forward, model.gradient, model.predict):
        with pytest.raises(InputError, match=re.escape(f"batch_size={batch_size!r} is not a positive whole number")):
            call(pictures(), batch_size=batch_size)


def test_parts_are_joined_and_a_single_one_is_not_copied() -> None:
    whole = np.arange(12.0).reshape(6, 2)
    parts = [whole[part] for part in chunks.chunks(6, 4)]
    np.testing.assert_array_equal(chunks.joined(parts), whole)
    assert chunks.joined([whole]) is whole
