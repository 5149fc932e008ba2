"""The masks of LIME: orthogonal, in pairs with their complements, and the same sequence however it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.methods.perturbation.lime_masks import Masks, every_mask, hadamard, hadamard_order


@pytest.mark.parametrize(("least", "order"), [(1, 4), (4, 4), (5, 8), (13, 20), (25, 32), (172, 180), (197, 200)])
def test_the_rows_of_a_hadamard_matrix_are_orthogonal(least: int, order: int) -> None:
    assert hadamard_order(least) == order
    everything = np.arange(order)
    signs = 2.0 * hadamard(order, everything, everything) - 1
    np.testing.assert_array_equal(signs @ signs.T, order * np.eye(order))


@pytest.mark.parametrize(
    ("players", "pairs", "order"), [(3, 1, 4), (8, 8, 8), (25, 80, 32), (50, 500, 60), (90, 250, 128), (172, 250, 252)]
)
def test_over_a_whole_design_superpixels_are_shown_equally_often_and_independently(
    players: int, pairs: int, order: int
) -> None:
    for start in (1, 1 + 2 * order):
        signs = 2.0 * Masks(players, (0, 0), pairs).part(start, start + 2 * order) - 1
        np.testing.assert_array_equal(signs.sum(axis=0), 0)
        np.testing.assert_array_equal(signs.T @ signs, 2 * order * np.eye(players))


def test_first_everything_is_shown_then_each_mask_has_its_complement_beside_it() -> None:
    masks = Masks(11, (3, 1), 50).part(0, 101)
    assert masks[0].all()
    np.testing.assert_array_equal(masks[1::2], ~masks[2::2])


def test_the_sequence_does_not_depend_on_how_it_is_cut() -> None:
    masks = Masks(7, (3, 1), 30)
    whole = masks.part(0, 60)
    for start, stop in ((0, 1), (0, 13), (13, 14), (16, 33), (59, 60)):
        np.testing.assert_array_equal(masks.part(start, stop), whole[start:stop])
    np.testing.assert_array_equal(Masks(7, (3, 1), 30).part(0, 60), whole)
    assert not np.array_equal(Masks(7, (3, 2), 30).part(0, 60), whole)


def test_every_mask_is_there_once_the_whole_first() -> None:
    masks = every_mask(4)
    assert masks[0].all()
    assert len(np.unique(masks, axis=0)) == len(masks) == 16
