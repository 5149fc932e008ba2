"""LIME on pictures: a weighted ridge over the documented masks, on every superpixel, stabler than its model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.perturbation.lime_masks import Masks
from twinlens.methods.perturbation.lime_regression import local_fit
from twinlens.methods.segments import superpixels

from ...nets import linear_net, pictures, segment_mean_net, small_net
from .lime_oracle import left_out_r_squared

GRID = {"segments": "grid", "segment_options": {"cells": 4}}


def grid(size: int = 8, cells: int = 4) -> np.ndarray:
    return superpixels(np.zeros((3, size, size)), "grid", cells=cells)


def neighbours(model: Model, picture: np.ndarray, cut: np.ndarray, shown: np.ndarray, hide: float | None) -> np.ndarray:
    """Probabilities of the picture under each mask."""
    picture = picture.astype(np.float64)
    hidden = np.full_like(picture, 0 if hide is None else hide)
    if hide is None:
        for segment in np.unique(cut):
            hidden[:, cut == segment] = picture[:, cut == segment].mean(axis=1, keepdims=True)
    return model.probabilities(np.where(shown[:, cut][:, None], picture, hidden)).astype(np.float64)


def nearness(shown: np.ndarray) -> np.ndarray:
    count = shown.sum(axis=1)
    distance = 1 - count / np.sqrt(np.maximum(count, 1) * shown.shape[1])
    return np.sqrt(np.exp(-(distance**2) / 0.25**2))


@pytest.mark.parametrize("hide", [None, 0.0, 0.7])
def test_it_is_scikit_learns_weighted_ridge_on_the_documented_masks(backend: Backend, hide: float | None) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "lime", [1, 3], samples=80, seed=3, hide_colour=hide, **GRID)
    assert found.evaluations == 2 * 79
    for i, label in enumerate([1, 3]):
        shown = Masks(16, (3, i), 40).part(0, 80)
        y, weight = neighbours(model, x[i], grid(), shown, hide)[:, label], nearness(shown)
        ridge = linear_model.Ridge(alpha=1).fit(shown, y, sample_weight=weight)
        np.testing.assert_allclose(found.values[i, 0], ridge.coef_[grid()], rtol=1e-6, atol=1e-10)
        np.testing.assert_allclose(found.extras["intercept"][i], ridge.intercept_, rtol=1e-8)
        np.testing.assert_allclose(found.extras["local_prediction"][i], ridge.predict(shown[:1])[0], rtol=1e-8)
        np.testing.assert_allclose(found.error.values[i], left_out_r_squared(ridge, shown, y, weight), rtol=1e-7)


def test_all_masks_there_are_leave_no_chance(backend: Backend) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model, x = small_net(backend, dtype="float64"), pictures(1)
    options = {"segments": "grid", "segment_options": {"cells": 2}, "samples": 160}
    found = tl.explain(model, x, "lime", 2, **options)
    assert found.evaluations == 2**4 - 1
    assert not found.extras["standard_error"].any()
    np.testing.assert_array_equal(found.values, tl.explain(model, x, "lime", 2, seed=9, **options).values)
    shown = np.array(list(itertools.product([True, False], repeat=4)))
    y = neighbours(model, x[0], grid(cells=2), shown, None)[:, 2]
    ridge = linear_model.Ridge(alpha=1).fit(shown, y, sample_weight=10 * nearness(shown))
    np.testing.assert_allclose(found.values[0, 0], ridge.coef_[grid(cells=2)], rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found.error.values[0], ridge.score(shown, y, sample_weight=nearness(shown)), rtol=1e-7)


def test_with_many_samples_it_agrees_with_the_package(backend: Backend) -> None:
    pytest.importorskip("lime")
    model, x = small_net(backend, dtype="float64"), pictures(1)
    ours = tl.explain(model, x, "lime", 1, samples=3000, **GRID)
    peer = tl.explain(model, x, "lime_package", 1, samples=3000, **GRID)
    off = np.linalg.norm(ours.values - peer.values) / np.linalg.norm(peer.values)
    assert off < 0.06
    for name in ("intercept", "local_prediction"):
        np.testing.assert_allclose(ours.extras[name], peer.extras[name], atol=0.01)


def test_half_the_samples_make_stabler_weights_than_the_package(backend: Backend) -> None:
    pytest.importorskip("lime")
    model, x = small_net(backend), pictures(1)

    def spread(method: str, samples: int) -> float:
        runs = [tl.explain(model, x, method, 1, samples=samples, seed=seed, **GRID).values for seed in range(8)]
        return float(np.var(runs, axis=0).mean())

    assert spread("lime", 100) < spread("lime_package", 200)


@pytest.mark.parametrize("planted", [0, 5, 15])
def test_the_only_superpixel_that_counts_gets_the_largest_weight(backend: Backend, planted: int) -> None:
    # 15 is the last one, which never hides where superpixels are numbered from 1.
    model = segment_mean_net(backend, grid(), planted)
    found = tl.explain(model, pictures(1) + 0.5, "lime", 1, samples=200, hide_colour=0.0, **GRID)
    weights = found.values[0, 0]
    assert (weights[grid() == planted] > 0.1).all()
    assert (np.abs(weights[grid() != planted]) < 0.02).all()


def test_slics_last_superpixel_is_hidden_too(backend: Backend) -> None:
    pytest.importorskip("skimage")
    picture = np.zeros((3, 16, 16), np.float32)
    picture[0, :8, :8], picture[1, :8, 8:], picture[2, 8:, :8], picture[:, 8:, 8:] = 1, 1, 1, 0.9
    options = {"n_segments": 4, "sigma": 0.0}
    cut = superpixels(picture, "slic", **options)
    assert cut.max() == 3
    model = segment_mean_net(backend, cut, 3)
    found = tl.explain(model, picture[None], "lime", 1, samples=60, hide_colour=0.0, segment_options=options)
    assert (found.values[0, 0][cut == 3] > 0.1).all()
    assert (np.abs(found.values[0, 0][cut != 3]) < 0.02).all()


def test_its_standard_errors_are_the_spread_over_seeds(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    runs = [tl.explain(model, x, "lime", 1, samples=150, seed=seed, **GRID) for seed in range(50)]
    spread = np.std([run.values for run in runs], axis=0, ddof=1)
    errors = np.sqrt(np.mean([run.extras["standard_error"] ** 2 for run in runs], axis=0))
    assert 0.8 < np.sqrt((errors**2).mean() / (spread**2).mean()) < 1.3
    assert runs[0].extras["standard_error"].shape == runs[0].values.shape


def test_a_tolerance_is_reached_and_begins_with_what_was_asked_for(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    plain = tl.explain(model, x, "lime", 1, samples=60, **GRID)
    assert (plain.stopped, plain.evaluations) == (None, 2 * 59)
    lenient = tl.explain(model, x, "lime", 1, samples=60, tolerance=50.0, **GRID)
    np.testing.assert_array_equal(lenient.values, plain.values)
    assert lenient.stopped == "tolerance"
    found = tl.explain(model, x, "lime", 1, samples=60, tolerance=0.1, **GRID)
    assert found.stopped == "tolerance"
    assert found.evaluations > plain.evaluations
    per_player = (slice(None), 0, slice(None, None, 2), slice(None, None, 2))
    error, values = found.extras["standard_error"][per_player], found.values[per_player]
    assert (np.linalg.norm(error, axis=(1, 2)) <= 0.1001 * np.linalg.norm(values, axis=(1, 2))).all()


def test_a_tolerance_is_not_reached_with_fewer_pairs_than_superpixels(
    backend: Backend, rng: np.random.Generator
) -> None:
    # Through so few neighbours there is always a line, and what is left over is next to nothing.
    model, x = linear_net(backend, rng.normal(size=(2, 192))), pictures(1)
    few = tl.explain(model, x, "lime", 1, samples=10, of="logit", **GRID)
    assert np.isnan(few.extras["standard_error"]).all()
    assert few.error.values[0] < 0.8
    found = tl.explain(model, x, "lime", 1, samples=10, of="logit", tolerance=0.1, **GRID)
    assert (found.stopped, found.error.values[0] > 0.9) == ("tolerance", True)
    assert found.evaluations > 2 * 16
    many = tl.explain(model, x, "lime", 1, samples=3000, of="logit", **GRID)
    assert np.linalg.norm(found.values - many.values) < 0.2 * np.linalg.norm(many.values)


@pytest.mark.parametrize("samples", [20, 40])
def test_of_a_network_that_no_line_fits_r_squared_is_not_above_0(
    backend: Backend, rng: np.random.Generator, samples: int
) -> None:
    from ...nets import formula_net

    model = formula_net(backend, lambda x, w: (x.reshape((len(x), 192)) @ w * 30).sin(), rng.normal(size=(192, 2)))
    found = tl.explain(model, pictures(20), "lime", 0, samples=samples, of="logit", **GRID)
    assert found.error.values.mean() < 0.1


@pytest.mark.parametrize("samples", [10, 2000])
def test_a_kernel_in_which_no_neighbour_counts_is_an_error(backend: Backend, samples: int) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"kernel_width.*too small.*larger kernel_width"):
        tl.explain(small_net(backend), pictures(1), "lime", 1, samples=samples, kernel_width=0.001, **GRID)


def test_evaluations_are_limited_exactly(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    found = tl.explain(model, x, "lime", 1, max_evaluations=101, **GRID)
    assert found.stopped == "max_evaluations"
    assert 90 < found.evaluations <= 101
    with pytest.raises(tl.errors.MethodError, match="max_evaluations=3 is too few"):
        tl.explain(model, x, "lime", 1, max_evaluations=3, **GRID)


def test_the_seed_decides_and_the_chunk_size_does_not(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)

    def values(**params: object) -> np.ndarray:
        return tl.explain(model, x, "lime", 2, samples=50, **GRID, **params).values

    np.testing.assert_array_equal(values(seed=1), values(seed=1))
    np.testing.assert_allclose(values(seed=1), values(seed=1, batch_size=7), rtol=1e-9, atol=1e-13)
    assert not np.allclose(values(seed=1), values(seed=2))


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "lime", [0, 3], samples=50, **GRID) for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(torch.extras["segments"], paddle.extras["segments"])


def test_other_numbers_and_functions_of_the_scores_are_explained(backend: Backend, rng: np.random.Generator) -> None:
    # A line fitted to a linear network is the network, but for the ridge.
    weights = rng.normal(size=(2, 192))
    model, x = linear_net(backend, weights), pictures(1)
    effect = np.bincount(np.tile(grid().ravel(), 3), weights[1] * x.ravel())
    for target, of in ((1, "logit"), (lambda scores: scores[:, 1], "probability")):
        found = tl.explain(model, x, "lime", target, of=of, samples=2000, hide_colour=0.0, **GRID)
        np.testing.assert_allclose(found.values[0, 0], effect[grid()], rtol=0.02)
        assert found.error.values[0] > 0.9999


def test_a_network_that_ignores_the_picture_gives_zeros(backend: Backend) -> None:
    found = tl.explain(linear_net(backend, np.zeros((2, 192))), pictures(1), "lime", 0, samples=40, **GRID)
    assert not found.values.any()
    assert not found.extras["standard_error"].any()
    assert found.error.values[0] == 1


def test_where_nothing_that_counts_varies_r_squared_is_unknown() -> None:
    rows, counted = np.array([[0.0], [1.0], [-1.0], [3.0], [-3.0]]), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert np.isnan(local_fit(rows, np.array([2.0, 2.0, 2.0, 5.0, 7.0]), counted, drawn=False).r_squared)
    assert local_fit(rows, np.full(5, 2.0), counted, drawn=False).r_squared == 1


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e150])
def test_r_squared_has_no_unit(rng: np.random.Generator, scale: float) -> None:
    rows, worth = rng.normal(size=(21, 2)), rng.normal(size=21)
    plain, scaled = (local_fit(rows, worth * unit, np.ones(21), drawn=False).r_squared for unit in (1.0, scale))
    assert scaled == pytest.approx(plain)


def test_hidden_superpixels_may_show_a_baseline(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)

    def values(**params: object) -> np.ndarray:
        return tl.explain(model, x, "lime", 2, samples=50, **GRID, **params).values

    np.testing.assert_allclose(values(baseline=0.3), values(hide_colour=0.3), rtol=1e-9)
    own = x.astype(np.float64).reshape(1, 3, 4, 2, 4, 2).mean(axis=(3, 5)).repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(values(baseline=own), values(), rtol=1e-6, atol=1e-10)
    assert not np.allclose(values(baseline="blur"), values())
    assert values(baseline=[0.0, 1.0]).shape == (1, 1, 8, 8)


def test_a_partition_of_ones_own_is_taken(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    expected = tl.explain(model, x, "lime", 1, samples=40, **GRID)
    found = tl.explain(model, x, "lime", 1, samples=40, segments=grid())
    np.testing.assert_array_equal(found.values, expected.values)
    channels = np.arange(3)[:, None, None] + 0 * grid()
    found = tl.explain(model, x, "lime", 1, samples=40, segments=channels)
    assert found.values.shape == x.shape
    np.testing.assert_array_equal(found.extras["segments"], [channels, channels])


def test_a_wider_kernel_counts_all_masks_alike(backend: Backend) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model, x = small_net(backend, dtype="float64"), pictures(1)
    found = tl.explain(model, x, "lime", 1, samples=60, kernel_width=1e6, **GRID)
    shown = Masks(16, (0, 0), 30).part(0, 60)
    ridge = linear_model.Ridge(alpha=1).fit(shown, neighbours(model, x[0], grid(), shown, None)[:, 1])
    np.testing.assert_allclose(found.values[0, 0], ridge.coef_[grid()], rtol=1e-6, atol=1e-10)


def test_grey_pictures_and_pictures_of_many_channels_are_explained(backend: Backend) -> None:
    for channels in (1, 5):
        model, x = small_net(backend, channels=channels), pictures(2, shape=(channels, 8, 8))
        assert tl.explain(model, x, "lime", 0, samples=20, **GRID).values.shape == (2, 1, 8, 8)


def test_captum_finds_the_same_weights() -> None:
    attr = pytest.importorskip("captum.attr")
    pytest.importorskip("sklearn")
    from ...frameworks import need, torch

    model, x = small_net(need("torch")), pictures(1)
    native = model.tensor(x)

    def near(_original: object, _perturbed: object, shown: object, **_: object) -> float:
        return float(nearness(shown.numpy())[0])  # type: ignore[attr-defined]

    from captum._utils.models.linear_model import SkLearnRidge

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        peer = attr.LimeBase(
            lambda batch: model.net.eval()(batch).softmax(1)[:, 1:2],
            SkLearnRidge(alpha=1),
            near,
            lambda _original, **_: torch.randint(0, 2, (1, 16)),
            True,
            from_interp_rep_transform=lambda shown, original, **_: original * shown[0][torch.from_numpy(grid())],
            to_interp_rep_transform=None,
        ).attribute(native, n_samples=600)
    found = tl.explain(model, x, "lime", 1, samples=600, hide_colour=0.0, **GRID)
    weights = found.values[0, 0][
        np.unique(grid(), return_index=True)[1] // 8, np.unique(grid(), return_index=True)[1] % 8
    ]
    assert np.corrcoef(weights, peer.numpy().ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"segments": "grid", "segment_options": {"cells": 1}}, "single superpixel"),
        ({"segments": np.zeros((8, 8), int)}, "single superpixel"),
        ({"segments": "watershed"}, "watershed"),
        ({"segments": ["slic"]}, r"segments=\['slic'\].*slic"),
        ({"segment_options": {"n_segmets": 5}}, "n_segmets"),
        ({"segment_options": 5}, "segment_options=5"),
        ({"samples": 0}, "samples=0"),
        ({"samples": 1}, "samples=1"),
        ({"seed": -3}, "seed=-3"),
        ({"hide_colour": "black"}, "hide_colour='black'"),
        ({"hide_colour": float("nan")}, "hide_colour=nan"),
        ({"hide_colour": 0.0, "baseline": 0.0}, "hide_colour and baseline"),
        ({"baseline": "grey"}, "baseline 'grey'"),
        ({"background": np.zeros((2, 3, 8, 8))}, "background is for tables"),
        ({"kernel_width": 0}, "kernel_width=0"),
        ({"kernel_width": "wide"}, "kernel_width='wide'"),
        ({"of": "margin"}, "of='margin'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_do_not_fit_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.TwinlensError, match=named):
        tl.explain(small_net(backend), pictures(1), "lime", 0, **({"samples": 10, "segments": "grid"} | params))
