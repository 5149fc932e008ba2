"""Many samples are compared in parts that fit in memory, with the same answer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from twinlens.backends import Backend, Model, chunks, wrap
from twinlens.comparison.differences import diff

from ...nets import randomise
from .nets import SHAPE, pair

SAMPLES = 5


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    """Makes memory so scarce that two samples of a model fit."""

    def restrict(model: Model) -> None:
        monkeypatch.setattr(chunks, "_FREE_ELEMENTS", 1)
        monkeypatch.setattr(chunks, "MEMORY_BUDGET", 1 << 30)
        shape = SHAPE if model.input_shape is None else model.input_shape
        chunks.chunk_size(model, shape, SAMPLES)
        monkeypatch.setattr(chunks, "MEMORY_BUDGET", 2 * 12 * model.sample_bytes[shape].together)

    return restrict


def pictures() -> np.ndarray:
    return np.random.default_rng(4).random((SAMPLES, *SHAPE)).astype("float32")


def test_the_distances_are_the_largest_of_all_parts(
    both: tuple[Backend, Backend], two_at_once: Callable[[Model], None]
) -> None:
    x, targets = pictures(), [0, 1, 2, 0, 1]
    parts = (slice(0, 2), slice(2, 4), slice(4, 5))
    pairs = [pair(a, b) for a, b in product(both, both)]
    all_apart = [[diff(*models, x[part], targets[part]) for part in parts] for models in pairs]
    for models, apart in zip(pairs, all_apart, strict=True):
        two_at_once(models[0])
        found = diff(*models, x, targets)
        assert found.agrees
        assert found.notes == ()
        assert [row.layer for row in found.rows] == [row.layer for row in apart[0].rows]
        for rows in zip(found.rows, *(each.rows for each in apart), strict=True):
            for name in ("relative_l2", "gradient_relative_l2", "step", "gradient_step"):
                assert getattr(rows[0], name) == max(getattr(row, name) for row in rows[1:])
        assert found.score == max(each.score or 0 for each in apart)
        assert found.gradient == max(each.gradient or 0 for each in apart)
        if found.arbiter is not None:
            assert found.arbiter.a == max(each.arbiter.a for each in apart if each.arbiter is not None)


@pytest.mark.parametrize(
    ("sample", "note"),
    [
        (3, "seen in samples 2 to 3 of 0 to 4; those behind them were not compared"),
        (4, "seen in sample 4 of 0 to 4"),
    ],
)
def test_a_difference_in_a_later_sample_is_found_and_the_report_says_which(
    both: tuple[Backend, Backend], two_at_once: Callable[[Model], None], sample: int, note: str
) -> None:
    x = np.random.default_rng(4).random((SAMPLES, 4)).astype("float32")
    x[sample] *= 100  # beyond 6 the two activations differ
    for a, b in product(both, both):
        first, second = (
            randomise(wrap(backend.nn.Sequential(backend.nn.Linear(4, 3), activation, backend.nn.Linear(3, 2))))
            for backend, activation in ((a, a.nn.ReLU()), (b, b.nn.ReLU6()))
        )
        first.input_shape = (4,)
        assert diff(first, second, x[:2]).agrees
        two_at_once(first)
        found = diff(first, second, x)
        assert not found.agrees
        assert found.first == "1"
        assert found.notes[0] == note


def test_a_network_for_one_number_of_samples_is_compared_whole(
    both: tuple[Backend, Backend], two_at_once: Callable[[Model], None]
) -> None:
    x = np.random.default_rng(4).random((SAMPLES, 4)).astype("float32")
    models = [randomise(wrap(backend.nn.Sequential(backend.nn.Linear(4, 3)))) for backend in both]

    def five(backend: Backend) -> Callable[[object, tuple[object, ...]], None]:
        def check(_net: object, inputs: tuple[object, ...]) -> None:
            if backend.shape(inputs[0])[0] != SAMPLES:
                raise ValueError("five samples, please")

        return check

    models[0].input_shape = (4,)
    two_at_once(models[0])
    models[0].sample_bytes.clear()
    for backend, model in zip(both, models, strict=True):
        backend.on_enter(model.net, five(backend))
    assert diff(*models, x).agrees
