"""The choice of coalitions: nested, without repetition, small sizes first, and weighted as the kernel says."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from twinlens.methods.perturbation import kernelshap_coalitions
from twinlens.methods.perturbation.kernelshap_coalitions import Coalitions, every_pair, pair_counts, plan


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("players", [2, 3, 6, 7])
def test_every_pair_is_there_once(players: int) -> None:
    present = every_pair(players)
    both = np.concatenate([present, ~present])
    assert len(present) == sum(pair_counts(players)) == 2 ** (players - 1) - 1
    assert len(np.unique(both, axis=0)) == len(both)
    assert both.any(axis=1).all()


def test_small_sizes_are_complete_first() -> None:
    made = plan(12, 100, rng())
    assert made.counts.sum() <= 100
    assert made.counts[0] == 12
    shares = made.counts / pair_counts(12)
    assert (np.diff(shares[:-1]) <= 0).all()
    assert made.left_out[0] == 0


def test_more_pairs_contain_fewer() -> None:
    counts = np.array([plan(11, pairs, rng()).counts for pairs in range(11, 1028, 7)])
    assert (np.diff(counts, axis=0) >= 0).all()
    assert (counts.sum(axis=1) >= np.minimum(np.arange(11, 1028, 7), 1023) - 2).all()
    assert plan(11, 1023, rng()).complete


def test_the_weights_of_a_size_sum_to_its_part_of_the_kernel() -> None:
    made = plan(10, 200, rng())
    kernel = np.array([1 / (comb(10, s) * s * (10 - s)) for s in range(1, 6)])
    np.testing.assert_allclose(made.counts * made.weights, kernel * pair_counts(10) * 2, rtol=1e-12)


def test_where_there_is_less_than_a_pair_for_a_size_it_counts_on_average() -> None:
    mass = np.mean(
        [(made.counts * made.weights).sum() for made in (plan(60, 70, np.random.default_rng(i)) for i in range(400))]
    )
    size = np.arange(1, 31)
    whole = (np.where(size == 30, 1, 2) / (size * (60 - size))).sum()
    assert mass == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize("listed", [0, 1 << 14])
@pytest.mark.parametrize(("players", "size"), [(8, 3), (8, 4), (7, 1)])
def test_an_order_repeats_nothing_and_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, players: int, size: int, listed: int
) -> None:
    monkeypatch.setattr(kernelshap_coalitions, "_LISTED", listed)
    order = Coalitions(players, size, rng())
    count = pair_counts(players)[size - 1]
    first, whole = order.first(3).copy(), order.first(count)
    np.testing.assert_array_equal(whole[:3], first)
    np.testing.assert_array_equal(Coalitions(players, size, rng()).first(3), first)
    assert (whole.sum(axis=1) == size).all()
    both = np.concatenate([whole, ~whole])
    assert len(np.unique(both, axis=0)) == 2 * count


def test_many_players_cost_no_more_than_what_is_asked_for() -> None:
    assert Coalitions(300, 150, rng()).first(20).shape == (20, 300)
    assert plan(300, 500, rng()).counts.sum() <= 500
