"""Scores and gradients at many points per sample: in order, in full chunks, each with its sample's target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.evaluation import gradients_at, score, values_at

from ..nets import linear_net, pictures, small_net

POINTS = {0: pictures(5, seed=1), 1: pictures(5, seed=2), 2: pictures(5, seed=3)}
TARGETS = np.array([4, 0, 2])


def made(sample: int, part: slice) -> np.ndarray:
    return POINTS[sample][part].astype(np.float64)


def collected(run: Callable[..., Any], model: Model, counts: Any, which: Any, **options: Any) -> dict[int, np.ndarray]:
    call: dict[str, Any] = {"target": TARGETS, "of": "logit", "batch_size": "auto"} | options
    found: dict[int, list[Any]] = {}
    for sample, part, values in run(model, made, which, counts, (3, 8, 8), **call):
        pieces = found.setdefault(sample, [])
        assert part.start == sum(map(len, pieces))
        assert part.stop - part.start == len(values)
        pieces.append(values)
    return {sample: np.concatenate(pieces) for sample, pieces in found.items()}


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 15, 100, "auto"])
def test_values_are_those_of_the_points_and_their_samples_target(backend: Backend, batch_size: Any, of: Any) -> None:
    model = small_net(backend, dtype="float64")
    found = collected(values_at, model, 5, range(3), batch_size=batch_size, of=of)
    for sample, target in enumerate(TARGETS):
        chances = model.probabilities(made(sample, slice(None)))[:, target]
        expected = {
            "logit": model.forward(made(sample, slice(None)))[:, target],
            "probability": chances,
            "log_probability": np.log(chances),
            "loss": -np.log(chances),
        }[of]
        np.testing.assert_allclose(found[sample], expected, rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 4, "auto"])
def test_gradients_are_those_of_the_points(backend: Backend, batch_size: Any) -> None:
    model = small_net(backend, dtype="float64")
    found = collected(gradients_at, model, 5, range(3), batch_size=batch_size)
    for sample, target in enumerate(TARGETS):
        np.testing.assert_allclose(
            found[sample], model.gradient(made(sample, slice(None)), int(target)), rtol=1e-9, atol=1e-13
        )


@pytest.mark.parametrize("run", [values_at, gradients_at])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("counts", [[1, 5, 2], [0, 3, 1], [2, 0, 4], [0, 0, 1], [3, 0, 0]])
def test_each_sample_may_have_another_number_of_points(
    backend: Backend, run: Any, batch_size: int, counts: list[int]
) -> None:
    model = small_net(backend, dtype="float64")
    whole = collected(run, model, 5, range(3))
    found = collected(run, model, counts, range(3), batch_size=batch_size)
    assert set(found) == {sample for sample in range(3) if counts[sample]}
    for sample, values in found.items():
        np.testing.assert_allclose(values, whole[sample][: counts[sample]], rtol=1e-9, atol=1e-13)


def test_samples_may_be_left_out_and_keep_their_targets(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    whole, found = (collected(values_at, model, 5, which) for which in (range(3), [2, 0]))
    assert list(found) == [2, 0]
    for sample in found:
        np.testing.assert_allclose(found[sample], whole[sample], rtol=1e-10)
    some = collected(values_at, model, [1, 4], [2, 0])
    assert {sample: len(values) for sample, values in some.items()} == {2: 1, 0: 4}


def test_nothing_to_run_is_nothing(backend: Backend) -> None:
    model = small_net(backend)
    assert collected(values_at, model, 0, range(3)) == {}
    assert collected(values_at, model, [0, 0], [0, 2]) == {}
    assert collected(values_at, model, 5, []) == {}


def test_chunks_are_full_across_samples(backend: Backend) -> None:
    model = small_net(backend)
    sizes: list[int] = []
    model.hook("", pre=lambda _net, inputs: sizes.append(len(inputs[0])))
    collected(values_at, model, [5, 1, 4], range(3), batch_size=4)
    assert sizes == [4, 4, 2]


def test_points_are_made_in_order_and_only_when_they_are_run(backend: Backend) -> None:
    model, asked = small_net(backend), []

    def points(sample: int, part: slice) -> np.ndarray:
        asked.append((sample, part.start, part.stop))
        return made(sample, part)

    running = values_at(model, points, range(3), 5, (3, 8, 8), TARGETS, "logit", 4)
    assert asked == []
    next(running)
    assert asked == [(0, 0, 4)]
    list(running)
    assert asked == [(0, 0, 4), (0, 4, 5), (1, 0, 3), (1, 3, 5), (2, 0, 2), (2, 2, 5)]


def test_a_function_of_the_scores_is_the_target_of_all(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    found = collected(values_at, model, 5, range(3), target=lambda scores: scores[:, 1] - scores[:, 0])
    for sample in range(3):
        scores = model.forward(made(sample, slice(None)))
        np.testing.assert_allclose(found[sample], scores[:, 1] - scores[:, 0], rtol=1e-9, atol=1e-12)


def test_a_target_function_that_returns_something_else_is_an_error(backend: Backend) -> None:
    for wrong in (lambda scores: scores, lambda scores: 3.0, lambda scores: scores[:1, 0]):
        with pytest.raises(tl.errors.TargetError):
            collected(values_at, small_net(backend), 5, range(3), target=wrong)


def test_a_point_without_a_finite_score_is_an_error(backend: Backend) -> None:
    model = linear_net(backend, np.ones((2, 3)), dtype="float32")
    with pytest.raises(tl.errors.NonFiniteError):
        list(values_at(model, lambda *_: np.full((1, 3), 3e38), [0], 1, (3,), [0], "logit", "auto"))


@pytest.mark.parametrize("batch_size", [1, 2, "auto"])
def test_the_inputs_themselves_are_scored_once(backend: Backend, batch_size: Any) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    found = score(model, x, None, "probability", batch_size)
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-10)
    np.testing.assert_array_equal(found.target, model.predict(x))
    np.testing.assert_array_equal(found.resolved, found.target)
    np.testing.assert_allclose(found.explained, model.probabilities(x).max(axis=1), rtol=1e-10)
    listed = score(model, x, [3, 0, 1], "logit", batch_size)
    np.testing.assert_allclose(listed.explained, model.forward(x)[[0, 1, 2], [3, 0, 1]], rtol=1e-10)


def test_a_function_has_no_class(backend: Backend) -> None:
    def first(scores: Any) -> Any:
        return scores[:, 0]

    found = score(small_net(backend), pictures(2), first, "logit", "auto")
    assert found.target is None
    assert found.resolved is first


def test_the_network_is_as_it_was_when_the_loop_is_left(backend: Backend) -> None:
    model = small_net(backend)
    model.net.train()
    for _ in values_at(model, made, range(3), 5, (3, 8, 8), TARGETS, "logit", 4):
        break
    assert model.net.training

    def failing(_sample: int, part: slice) -> np.ndarray:
        raise KeyError("the user's own error")

    with pytest.raises(KeyError):
        next(values_at(model, failing, range(3), 5, (3, 8, 8), TARGETS, "logit", 4))
    assert model.net.training
