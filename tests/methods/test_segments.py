"""Superpixels are numbered 0 to K - 1 without gaps, whatever the segmentation."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.errors import MethodError
from twinlens.methods.segments import superpixels

from ..nets import pictures

pytest.importorskip("skimage")


def two_halves(channels: int = 3) -> np.ndarray:
    picture = np.zeros((channels, 16, 16), np.float32)
    picture[:, :, 8:] = 1
    return picture


@pytest.mark.parametrize("kind", ["slic", "quickshift", "felzenszwalb", "grid"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_number_up_to_the_last_is_used(kind: str, channels: int) -> None:
    picture = pictures(1, shape=(channels, 24, 20))[0]
    cut = superpixels(picture, kind)
    assert cut.shape == (24, 20)
    assert cut.dtype == np.int64
    np.testing.assert_array_equal(np.unique(cut), np.arange(cut.max() + 1))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("slic", {"n_segments": 4, "sigma": 0.0}),
        ("quickshift", {"kernel_size": 2, "max_dist": 50, "ratio": 1.0}),
        ("felzenszwalb", {"scale": 100, "sigma": 0.0}),
        ("grid", {"cells": 2}),
    ],
)
def test_a_superpixel_does_not_cross_a_sharp_edge(kind: str, options: dict[str, object]) -> None:
    cut = superpixels(two_halves(), kind, **options)
    assert not set(cut[:, :8].ravel()) & set(cut[:, 8:].ravel())


@pytest.mark.parametrize("kind", ["slic", "quickshift", "felzenszwalb"])
def test_the_same_picture_is_cut_the_same_way(kind: str) -> None:
    picture = pictures(1, shape=(3, 20, 20))[0]
    np.testing.assert_array_equal(superpixels(picture, kind), superpixels(picture.astype(np.float64), kind))


def test_the_picture_is_not_changed() -> None:
    picture = pictures(1, shape=(3, 20, 20))[0]
    before = picture.copy()
    for kind in ("slic", "quickshift", "felzenszwalb", "grid"):
        superpixels(picture, kind)
    np.testing.assert_array_equal(picture, before)


def test_a_grid_has_cells_by_cells_rectangles() -> None:
    cut = superpixels(np.zeros((3, 8, 12)), "grid", cells=4)
    np.testing.assert_array_equal(np.bincount(cut.ravel()), np.full(16, 6))
    np.testing.assert_array_equal(cut[0], np.repeat([0, 1, 2, 3], 3))
    uneven = superpixels(np.zeros((3, 7, 5)), "grid", cells=3)
    assert uneven.max() == 8


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("voronoi", {}, "voronoi"),
        ("slic", {"segments": 5}, "segments"),
        ("slic", {"n_segments": "many"}, "slic"),
        ("slic", {"rng": 1}, "slic"),
        ("quickshift", {"n_segments": 5}, "n_segments"),
        ("quickshift", {"kernel_size": -1}, "quickshift"),
        ("felzenszwalb", {"cells": 3}, "cells"),
        ("slic", {"sigma": np.inf}, "slic"),
        ("slic", {"kind": "grid"}, "'kind'"),
        ("slic", {"picture": 1}, "'picture'"),
        ("grid", {"cells": 0}, "cells=0"),
        ("grid", {"cells": 17}, "1 to 16"),
        ("grid", {"cells": 2.0}, "cells=2.0"),
        ("grid", {"cells": True}, "cells=True"),
    ],
)
def test_options_that_do_not_fit_are_named(kind: str, options: dict[str, object], named: str) -> None:
    with pytest.raises(MethodError, match=named):
        superpixels(two_halves(), kind, **options)
