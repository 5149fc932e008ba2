"""Layer feature permutation: parts of a layer's output from other samples, beside loops over a network in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.donors import drawn_rows, other_samples

from ...nets import pictures, small_net
from ..backpropagation.nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net
from .nets import READOUT, WEIGHTS, hidden_net, inputs
from .replaced import output, scores_after

ROWS = pictures(7, seed=1, shape=SHAPE).astype(np.float64) - 0.5


def permutation(model: tl.Model, x: np.ndarray, layer: str, target: Any = 1, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "layer_feature_permutation", target, layer=layer, **params)


@pytest.mark.parametrize("segments", ["channels", "units"])
def test_with_all_donors_a_unit_of_a_sum_gives_the_distance_from_the_others_mean(
    backend: Backend, segments: str
) -> None:
    x, targets = inputs(5), [2, 0, 1, 1, 0]
    found = permutation(hidden_net(backend, around=5.0), x, "hidden", targets, samples=4, segments=segments)
    terms = (x @ WEIGHTS.T) ** 3
    others = (terms.sum(0) - terms) / 4
    np.testing.assert_allclose(found.values, (terms - others) * READOUT.T[targets], rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.error.values, 0)
    assert found.evaluations == 5 * 4 * 4
    more = permutation(hidden_net(backend, around=5.0), x, "hidden", targets, samples=1000, segments=segments)
    np.testing.assert_allclose(more.values, found.values, rtol=1e-10, atol=1e-12)


def loop(
    twin: Twin, x: np.ndarray, donors: np.ndarray, layer: str, target: int, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each number of the output the drop of its part, donor by donor; and each part's own drops."""
    own, whole = output(twin, x, layer), twin.run(x)[-1][target]
    lent, drops, parts = [output(twin, donor, layer) for donor in donors], np.zeros((len(donors), *own.shape)), []
    for label in np.unique(labels):
        mixed = [np.where(labels == label, other, own) for other in lent]
        falls = np.array([whole - scores_after(twin, x, layer, each)[target] for each in mixed])
        drops[:, np.broadcast_to(labels, own.shape) == label] = falls[:, None]
        parts.append(falls)
    return drops, np.array(parts)


PLACES = np.random.default_rng(0).integers(0, 4, (3, 3))


@pytest.mark.parametrize("background", [None, ROWS], ids=["others", "background"])
@pytest.mark.parametrize(
    ("layer", "segments", "labels"),
    [
        ("first", "channels", np.arange(3)[:, None, None]),
        ("second", "channels", np.arange(3)[:, None, None]),
        ("second", "units", np.arange(27).reshape(3, 3, 3)),
        ("second", PLACES, PLACES),
    ],
    ids=["first: channels", "second: channels", "second: units", "second: places"],
)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_a_loop_over_parts_and_donors_gives(
    backend: Backend, spelling: str, layer: str, segments: Any, labels: np.ndarray, background: np.ndarray | None
) -> None:
    x, model = pictures(5, shape=SHAPE).astype(np.float64) - 0.5, spelt_net(backend, spelling)
    targets = [0, 2, 3, 1, 1]
    drawn = other_samples(5, 3, 7) if background is None else drawn_rows(5, 7, 3, 7)
    rows = x if background is None else background
    found = permutation(model, x, layer, targets, samples=3, seed=7, segments=segments, background=background)
    made = [loop(Twin(model), x[i], rows[drawn[i]], layer, targets[i], labels) for i in range(5)]
    np.testing.assert_allclose(found.values, [drops.mean(0) for drops, _ in made], rtol=1e-10, atol=1e-13)
    left = 1 - 3 / (len(rows) - (background is None))
    errors = [np.sqrt((parts.var(axis=1, ddof=1) / 3 * left).sum()) for _, parts in made]
    np.testing.assert_allclose(found.error.values, errors, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.error.scale, [np.linalg.norm(parts.mean(1)) for _, parts in made], rtol=1e-10)


def test_a_layer_at_the_input_is_feature_permutation(backend: Backend) -> None:
    nn, f = backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: net.head(f.relu(net.conv(net.entrance(x))).flatten(1)),
        entrance=nn.Identity(),
        conv=nn.Conv2d(2, 3, 3),
        head=nn.Linear(48, 4),
    )
    x, labels = pictures(6, shape=SHAPE), np.random.default_rng(0).integers(0, 5, (6, 6))
    call: dict[str, Any] = {"samples": 3, "segments": labels, "seed": 4}
    for background in (None, ROWS):
        found = permutation(model, x, "entrance", background=background, **call)
        plain = tl.explain(model, x, "feature_permutation", 1, background=background, **call)
        np.testing.assert_allclose(found.values, np.broadcast_to(plain.values, x.shape), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.error.values, plain.error.values, rtol=1e-9)
        assert found.evaluations == plain.evaluations


def test_the_standard_error_is_what_repetitions_show(backend: Backend) -> None:
    model, x, rows = hidden_net(backend), inputs(2), 0.5 * inputs(30)
    call: dict[str, Any] = {"background": rows, "target": 0}
    exact = permutation(model, x, "hidden", samples=30, **call).values
    found = [permutation(model, x, "hidden", samples=12, seed=seed, **call) for seed in range(150)]
    deviation = np.sqrt(np.mean([((one.values - exact) ** 2).sum(axis=1) for one in found], axis=0))
    stated = np.sqrt(np.mean([one.error.values**2 for one in found], axis=0))
    # A standard deviation of 150 draws is known to some 6%.
    np.testing.assert_allclose(stated, deviation, rtol=0.15)


def test_the_seed_decides(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(6)
    found = [permutation(model, x, "4", samples=2, seed=seed).values for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_one_draw_has_no_known_error(backend: Backend) -> None:
    assert np.isnan(permutation(small_net(backend), pictures(3), "4", samples=1).error.values).all()


def test_a_batch_of_one_has_nothing_to_shuffle_and_borrows_from_a_background(backend: Backend) -> None:
    model, x = hidden_net(backend), inputs(3)
    with pytest.raises(tl.errors.MethodError, match="batch of one"):
        permutation(model, x[:1], "hidden")
    terms = (x @ WEIGHTS.T) ** 3
    found = permutation(model, x[:1], "hidden", background=x[1:])
    np.testing.assert_allclose(found.values, (terms[:1] - terms[1:].mean(0)) * READOUT[:, 1], rtol=1e-10, atol=1e-12)


def test_bad_input_is_an_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    for samples in (0, 2.5, True, None):
        with pytest.raises(tl.errors.MethodError, match="samples="):
            permutation(model, x, "4", samples=samples)
    for background in (np.zeros((2, 3, 4, 4)), np.zeros((0, 3, 8, 8)), np.full((2, 3, 8, 8), np.nan), "rows"):
        with pytest.raises(tl.errors.InputError, match="background"):
            permutation(model, x, "4", background=background)
    with pytest.raises(tl.errors.MethodError, match="seed"):
        permutation(model, x, "4", seed=None)
    with pytest.raises(tl.errors.MethodError, match="segments='grid' is not known"):
        permutation(model, x, "4", segments="grid")
