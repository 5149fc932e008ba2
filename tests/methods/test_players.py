"""Players: who plays, and what coalitions are worth: nothing run twice, the mean over backgrounds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.players import Game, Players, players_of
from twinlens.methods.segments import superpixels

from ..nets import linear_net, pictures, small_net


def test_the_players_of_a_table_are_its_columns() -> None:
    first, second = players_of(np.zeros((2, 5)))
    np.testing.assert_array_equal(first.labels, np.arange(5))
    assert first.count == second.count == 5


def test_the_players_of_a_signal_are_its_values() -> None:
    (players,) = players_of(np.zeros((1, 2, 3)))
    np.testing.assert_array_equal(players.labels, [[0, 1, 2], [3, 4, 5]])
    assert players.count == 6


def test_the_players_of_a_picture_are_its_superpixels() -> None:
    x = np.kron(pictures(2, shape=(3, 4, 4)), np.ones((4, 4), np.float32))
    for kind, options in ((None, {"n_segments": 9}), ("slic", {"n_segments": 9}), ("grid", {"cells": 3})):
        for picture, players in zip(x, players_of(x, kind, options), strict=True):
            cut = superpixels(picture, kind or "slic", **options)
            np.testing.assert_array_equal(players.labels, cut[None])
            assert players.count == cut.max() + 1


@pytest.mark.parametrize(
    ("shape", "own", "labels"),
    [
        ((2, 3, 4, 4), (4, 4), (1, 4, 4)),
        ((2, 3, 4, 4), (1, 4, 4), (1, 4, 4)),
        ((2, 3, 4, 4), (3, 4, 4), (3, 4, 4)),
        ((2, 3, 4, 4), (2, 4, 4), (1, 4, 4)),
        ((2, 3, 4, 4), (2, 1, 4, 4), (1, 4, 4)),
        ((2, 3, 4, 4), (2, 3, 4, 4), (3, 4, 4)),
        ((2, 5), (5,), (5,)),
        ((2, 5), (2, 5), (5,)),
        ((2, 3, 5), (3, 5), (3, 5)),
        ((2, 3, 5), (2, 3, 5), (3, 5)),
    ],
)
def test_a_partition_of_ones_own_is_for_all_samples_or_each(
    shape: tuple[int, ...], own: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    given = np.random.default_rng(0).integers(-3, 4, own) * 7
    found = players_of(np.zeros(shape), given)
    assert len(found) == shape[0]
    for i, players in enumerate(found):
        expected = given[i] if len(own) == len(shape) or own == (2, 4, 4) else given
        expected = expected.reshape(labels)
        assert players.labels.shape == labels
        assert players.count == len(np.unique(expected))
        assert set(np.unique(players.labels)) == set(range(players.count))
        # The same parts, numbered without gaps.
        assert len(np.unique(np.stack([expected.ravel(), players.labels.ravel()]), axis=1).T) == players.count


def test_a_mask_of_booleans_makes_two_players() -> None:
    (players,) = players_of(np.zeros((1, 4)), [True, False, False, True])
    np.testing.assert_array_equal(players.labels, [1, 0, 0, 1])


@pytest.mark.parametrize(
    "segments", [np.zeros((3, 3), int), np.zeros((4, 4)), np.zeros((3, 4, 4), int), [], np.array(3), [[1, 2], [3, 4]]]
)
def test_a_partition_that_does_not_fit_is_an_error(segments: Any) -> None:
    with pytest.raises(tl.errors.InputError, match="segments"):
        players_of(np.zeros((2, 1, 4, 4)), segments)


def test_other_wrong_partitions_are_errors() -> None:
    with pytest.raises(tl.errors.MethodError, match="squares"):
        players_of(pictures(1), "squares")
    with pytest.raises(tl.errors.InputError, match="cuts pictures"):
        players_of(np.zeros((2, 5)), "slic")
    with pytest.raises(tl.errors.MethodError, match="segment_options"):
        players_of(pictures(1), "grid", [("cells", 2)])  # type: ignore[arg-type]
    with pytest.raises(tl.errors.MethodError, match="cells"):
        players_of(pictures(1), "grid", {"cells": 0})


def test_numbers_are_spread_over_the_players_places() -> None:
    players = Players(np.array([[0, 2], [1, 0]]), 3)
    np.testing.assert_array_equal(players.spread(np.array([5.0, 6.0, 7.0])), [[5, 7], [6, 5]])
    np.testing.assert_array_equal(players.spread(np.arange(6).reshape(2, 3))[1], [[3, 5], [4, 3]])


def test_coalitions_are_mixed_of_sample_and_absence() -> None:
    (players,) = players_of(np.zeros((1, 2, 2, 2)), np.array([[0, 0], [1, 1]]))
    sample, absent = np.arange(8.0).reshape(2, 2, 2), np.full((2, 2, 2), -1.0)
    mixed = players.mixed(np.array([[True, False], [False, False]]), sample, absent)
    np.testing.assert_array_equal(mixed[0], [[[0, 1], [-1, -1]], [[4, 5], [-1, -1]]])
    np.testing.assert_array_equal(mixed[1], absent)


def everyone(players: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=players)))


def test_a_coalition_is_worth_the_mean_over_the_background(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    absent = pictures(3, seed=1).astype(np.float64)
    (players,) = players_of(x[1:], "grid", {"cells": 2})
    game = Game(model, 1, x[1], players, absent, np.array([0, 4]), "logit")
    found = game(everyone(4))
    for coalition, worth in zip(everyone(4), found, strict=True):
        shown = coalition[players.labels[0]]
        rows = np.stack([np.where(shown, x[1], row) for row in absent])
        np.testing.assert_allclose(worth, model.forward(rows)[:, 4].mean(), rtol=1e-10)  # the target of sample 1
    assert game.evaluations == 16 * 3


def test_no_coalition_is_evaluated_twice(backend: Backend) -> None:
    model = linear_net(backend, np.array([[1.0, 2.0, 4.0]]))
    ran = []
    model.hook("", pre=lambda _net, inputs: ran.append(len(inputs[0])))
    game = Game(model, 0, np.ones(3), players_of(np.ones((1, 3)))[0], np.zeros((1, 3)), np.array([0]), "logit")
    asked = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1], [1, 0, 1]])
    np.testing.assert_allclose(game(asked), [5, 2, 5, 5])
    assert game.evaluations == sum(ran) == 2
    np.testing.assert_allclose(game(asked[::-1]), [5, 5, 2, 5])
    assert game.evaluations == sum(ran) == 2
    np.testing.assert_allclose(game(everyone(3)), everyone(3) @ [1, 2, 4])
    assert game.evaluations == sum(ran) == 8
    assert game(np.zeros((0, 3), bool)).shape == (0,)


def test_more_players_than_bits_of_a_byte_are_told_apart(backend: Backend) -> None:
    weights = 2.0 ** np.arange(19)
    x = np.ones((1, 19))
    game = Game(
        linear_net(backend, weights[None]), 0, x[0], players_of(x)[0], np.zeros((1, 19)), np.array([0]), "logit"
    )
    coalitions = np.random.default_rng(0).random((60, 19)) < 0.5
    np.testing.assert_allclose(game(coalitions), coalitions @ weights)


@pytest.mark.parametrize("batch_size", [1, 5, "auto"])
def test_the_batch_size_does_not_matter(backend: Backend, batch_size: Any) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    (players,) = players_of(x, "grid", {"cells": 2})
    game = Game(model, 0, x[0], players, pictures(3, seed=1), np.array([2]), "probability", batch_size)
    whole = Game(model, 0, x[0], players, pictures(3, seed=1), np.array([2]), "probability", 48)
    np.testing.assert_allclose(game(everyone(4)), whole(everyone(4)), rtol=1e-10)


def test_a_function_of_the_scores_can_be_played_for(backend: Backend) -> None:
    model = linear_net(backend, np.array([[1.0, 2.0], [5.0, 7.0]]))
    game = Game(
        model, 0, np.ones(2), players_of(np.ones((1, 2)))[0], np.zeros((1, 2)), lambda s: s[:, 1] - s[:, 0], "logit"
    )
    np.testing.assert_allclose(game(everyone(2)), [0, 5, 4, 9])


def test_a_coalition_without_a_finite_score_is_an_error(backend: Backend) -> None:
    model = linear_net(backend, np.ones((1, 2)), dtype="float32")
    game = Game(model, 0, np.full(2, 3e38), players_of(np.ones((1, 2)))[0], np.zeros((1, 2)), np.array([0]), "logit")
    np.testing.assert_allclose(game(np.array([[True, False]])), 3e38, rtol=1e-6)
    with pytest.raises(tl.errors.NonFiniteError):
        game(np.array([[True, True]]))
