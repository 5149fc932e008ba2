"""Games: what coalitions are worth; nothing run twice where that is asked for, the mean over absent rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.evaluation import score
from twinlens.methods.perturbation.shapley_game import Games
from twinlens.methods.players import players_of

from ...nets import linear_net, pictures, small_net


def everyone(players: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=players)))


def games(
    model: Model,
    x: np.ndarray,
    absent: np.ndarray,
    target: Any = 0,
    of: Any = "logit",
    batch_size: Any = "auto",
    empty: np.ndarray | None = None,
    segments: str | None = None,
) -> Games:
    """One game per sample; the squares of a two by two grid play for pictures, columns for tables."""
    players = players_of(x, segments, {"cells": 2} if segments else None)
    scored = score(model, x, target, of, batch_size)
    return Games(model, x, scored, players, [absent] * len(x), empty, of, batch_size)


def test_a_coalition_is_worth_the_mean_over_the_background(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    absent = pictures(3, seed=1).astype(np.float64)
    played = games(model, x, absent, np.array([0, 4]), segments="grid")
    found = played.values({1: everyone(4)})[1]
    (players,) = players_of(x[1:], "grid", {"cells": 2})
    for coalition, worth in zip(everyone(4), found, strict=True):
        shown = coalition[players.labels[0]]
        rows = np.stack([np.where(shown, x[1], row) for row in absent])
        np.testing.assert_allclose(worth, model.forward(rows)[:, 4].mean(), rtol=1e-10)  # the target of sample 1
    assert played.evaluations == 16 * 3


def test_everybody_shows_the_sample_and_nobody_the_background(backend: Backend) -> None:
    seen = []
    model, x = linear_net(backend, np.array([[1.0, 2.0, 4.0]])), np.array([[3.0, 5.0, 7.0]])
    played = games(model, x, np.full((1, 3), -1.0))
    model.hook("", pre=lambda _net, inputs: seen.append(backend.numpy(inputs[0])))
    played.values({0: np.array([[True] * 3, [False] * 3, [True, False, False]])})
    np.testing.assert_array_equal(np.concatenate(seen), [[3, 5, 7], [-1, -1, -1], [3, -1, -1]])


def test_no_coalition_is_evaluated_twice(backend: Backend) -> None:
    model = linear_net(backend, np.array([[1.0, 2.0, 4.0]]))
    played = games(model, np.ones((1, 3)), np.zeros((1, 3)))
    ran = []
    model.hook("", pre=lambda _net, inputs: ran.append(len(inputs[0])))
    asked = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1], [1, 0, 1]], bool)
    np.testing.assert_allclose(played.remembered({0: asked})[0], [5, 2, 5, 5])
    assert played.evaluations == sum(ran) == 2
    np.testing.assert_allclose(played.remembered({0: asked[::-1]})[0], [5, 5, 2, 5])
    assert played.evaluations == sum(ran) == 2
    # Everybody is known from the start: the sample's own score.
    np.testing.assert_allclose(played.remembered({0: everyone(3)})[0], everyone(3) @ [1, 2, 4])
    assert played.evaluations == sum(ran) == 7
    assert played.remembered({0: np.zeros((0, 3), bool)})[0].shape == (0,)


def test_what_every_coalition_is_worth_is_told_once_all_are_known(backend: Backend) -> None:
    played = games(
        linear_net(backend, np.array([[1.0, 2.0, 4.0]])), np.ones((1, 3)), np.zeros((1, 3)), empty=np.zeros(1)
    )
    played.remembered({0: everyone(3)[:-2]})
    assert played.every_worth(0) is None
    played.remembered({0: everyone(3)[-2:]})
    np.testing.assert_allclose(played.every_worth(0), range(8))  # by the players' bits
    assert played.evaluations == 6


def test_what_nobody_is_worth_is_not_evaluated_where_it_is_given(backend: Backend) -> None:
    played = games(linear_net(backend, np.ones((1, 2))), np.ones((1, 2)), np.zeros((1, 2)), empty=np.array([7.0]))
    np.testing.assert_allclose(played.remembered({0: everyone(2)})[0], [7, 1, 1, 2])
    assert played.evaluations == 2


def test_more_players_than_bits_of_a_byte_are_told_apart(backend: Backend) -> None:
    weights = 2.0 ** np.arange(19)
    played = games(linear_net(backend, weights[None]), np.ones((1, 19)), np.zeros((1, 19)))
    coalitions = np.random.default_rng(0).random((60, 19)) < 0.5
    np.testing.assert_allclose(played.remembered({0: coalitions})[0], coalitions @ weights)


@pytest.mark.parametrize("batch_size", [1, 5, "auto"])
def test_the_batch_size_does_not_matter(backend: Backend, batch_size: Any) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    absent = pictures(3, seed=1).astype(np.float64)
    found, whole = (
        games(model, x, absent, np.array([2]), "probability", size, segments="grid").values({0: everyone(4)})[0]
        for size in (batch_size, 48)
    )
    np.testing.assert_allclose(found, whole, rtol=1e-10)


def test_a_function_of_the_scores_can_be_played_for(backend: Backend) -> None:
    model = linear_net(backend, np.array([[1.0, 2.0], [5.0, 7.0]]))
    played = games(model, np.ones((1, 2)), np.zeros((1, 2)), lambda s: s[:, 1] - s[:, 0])
    np.testing.assert_allclose(played.values({0: everyone(2)})[0], [0, 5, 4, 9])


def test_a_coalition_without_a_finite_score_is_an_error(backend: Backend) -> None:
    model = linear_net(backend, np.array([[1.0, 1.0]]), dtype="float32")
    played = games(model, np.array([[3e38, 0.0]], np.float32), np.array([[0.0, 3e38]], np.float32))
    np.testing.assert_allclose(played.values({0: np.array([[False, False]])})[0], 3e38, rtol=1e-6)
    with pytest.raises(tl.errors.NonFiniteError):
        played.values({0: np.array([[True, False]])})
