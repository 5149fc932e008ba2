"""Players: who plays, and which places belong to whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.players import Players, players_of
from twinlens.methods.segments import superpixels

from ..nets import pictures, small_net


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


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_segments_of_a_result_are_taken_as_they_are(backend: Backend, count: int) -> None:
    model, x = small_net(backend), np.kron(pictures(count, shape=(3, 4, 4)), np.ones((2, 2), np.float32))
    first = tl.explain(model, x, "feature_ablation", 0, segments="slic", segment_options={"n_segments": 9})
    again = tl.explain(model, x, "feature_ablation", 0, segments=first.extras["segments"])
    np.testing.assert_array_equal(again.extras["segments"], first.extras["segments"])
    np.testing.assert_allclose(again.values, first.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_a_partition_for_as_many_pictures_as_channels_must_say_which_it_is_for(count: int) -> None:
    x, channels = np.zeros((count, count, 4, 4)), np.arange(count * 16).reshape(count, 4, 4) // 8
    with pytest.raises(tl.errors.InputError, match=f"each of {count} pictures or one for each of {count} channels"):
        players_of(x, channels)
    for given in (channels[:, None], np.broadcast_to(channels, x.shape)):
        for i, players in enumerate(players_of(x, given)):
            expected = channels[i : i + 1] - channels[i].min() if given.shape[1] == 1 else channels
            np.testing.assert_array_equal(players.labels, expected)


def test_a_mask_of_booleans_makes_two_players() -> None:
    (players,) = players_of(np.zeros((1, 4)), [True, False, False, True])
    np.testing.assert_array_equal(players.labels, [1, 0, 0, 1])


@pytest.mark.parametrize(
    "segments",
    [
        np.zeros((3, 3), int), np.zeros((4, 4)), np.zeros((3, 4, 4), int), [], np.array(3), [[1, 2], [3, 4]],
        [[0, 1], [0]], [np.zeros((4, 4), int), np.zeros((4, 3), int)], [np.zeros((4, 4), int), np.zeros((3, 4), int)],
    ],
)  # fmt: skip
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


@pytest.mark.parametrize("name", [1, "kind", "picture", "segments"])
def test_an_option_that_the_segmentation_does_not_have_is_named(name: Any) -> None:
    with pytest.raises(tl.errors.MethodError, match=str(name)):
        players_of(pictures(1), "grid", {name: 2})


@pytest.mark.parametrize(
    ("x", "segments"), [(np.zeros((2, 5)), None), (np.zeros((2, 5)), np.arange(5)), (pictures(1), np.eye(8, dtype=int))]
)
def test_options_are_not_ignored_where_nothing_is_cut(x: np.ndarray, segments: Any) -> None:
    with pytest.raises(tl.errors.MethodError, match="none are cut here"):
        players_of(x, segments, {"n_segments": 4})
    players_of(x, segments, {})


def test_numbers_are_spread_over_the_players_places() -> None:
    players = Players(np.array([[0, 2], [1, 0]]), 3)
    np.testing.assert_array_equal(players.spread(np.array([5.0, 6.0, 7.0])), [[5, 7], [6, 5]])
    np.testing.assert_array_equal(players.spread(np.arange(6).reshape(2, 3))[1], [[3, 5], [4, 3]])
