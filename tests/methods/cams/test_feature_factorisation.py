"""Concepts are non-negative factors of a layer's activations over all pictures, whatever finds them."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.methods.cams import feature_factorisation

from ...backends.nets import build
from ...frameworks import need
from ...nets import linear_net, pictures, randomise
from .nets import SPELLINGS, activation_of, bilinear, kill, pooled_net

pytest.importorskip("sklearn")

NAME = "feature_factorisation"
X = pictures(3, seed=4, shape=(3, 9, 13)).astype(np.float64)
CONCEPTS = np.array([[2.0, 0, 0, 1, 1], [0, 1.0, 0, 0, 2], [0, 0, 3.0, 2, 0]])


def coloured(samples: int = 2, side: int = 12) -> np.ndarray:
    """Pictures of three colours, each somewhere alone, mixed elsewhere, and all of them 0 at one place."""
    x = np.random.default_rng(1).random((samples, 3, side, side))
    for colour in range(3):
        x[:, :, colour, :4] = 0
        x[:, colour, colour, :4] = 1
    x[:, :, 5, 5] = 0
    return x


def mixing_net(backend: Backend, scale: float = 1.0) -> Model:
    """A layer whose channels are sums of the colours, without negative numbers: `CONCEPTS` times `scale`."""
    nn = backend.nn
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    model = randomise(wrap(net, dtype="float64"))
    weights = {"0.weight": scale * CONCEPTS.T[:, :, None, None], "0.bias": np.zeros(5)}
    model.load_state(model.state() | weights)
    return model


def matched(found: np.ndarray, expected: np.ndarray) -> list[int]:
    """Which row of `expected` each row of `found` is most like."""
    alike = found @ expected.T / np.linalg.norm(expected, axis=1)
    return alike.argmax(axis=1).tolist()


def places_of(activation: np.ndarray) -> np.ndarray:
    rows = [activation[n, :, i, j] for n, i, j in np.ndindex(len(activation), *activation.shape[2:])]
    return np.stack(rows)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_a_product_of_known_factors_is_found_again(backend: Backend, scale: float) -> None:
    model, x = mixing_net(backend, scale), coloured()
    found = tl.explain(model, x, NAME, components=3, tolerance=1e-12, steps=20_000)
    assert str(found.extras["layer"]) == "1"
    concepts = found.extras["concepts"]
    order = matched(concepts, CONCEPTS)
    assert sorted(order) == [0, 1, 2]
    lengths = np.linalg.norm(CONCEPTS, axis=1)
    # The descent nears what it finds in steps, the last of them as small as the tolerance.
    np.testing.assert_allclose(concepts, (CONCEPTS / lengths[:, None])[order], rtol=0, atol=1e-8)
    expected = (x * lengths[:, None, None])[:, order] * scale
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-8 * expected.max())
    assert (found.error.relative < 1e-8).all()
    assert found.stopped == "tolerance"
    # Those that hold most come first.
    energies = (found.values**2).sum(axis=(0, 2, 3))
    assert (np.diff(energies) < 0).all()


@pytest.mark.parametrize("components", [1, 2, 4])
def test_it_is_an_optimum_by_the_conditions_of_kuhn_and_tucker(backend: Backend, components: int) -> None:
    """Where a factor is above 0 its gradient is 0, elsewhere it is not below 0: no solver is asked."""
    model = pooled_net(backend)
    found = tl.explain(
        model, X, NAME, layer="relu2", components=components, tolerance=1e-11, steps=100_000, upsample=False
    )
    rows, concepts = places_of(activation_of(model, X, "relu2")), found.extras["concepts"]
    strengths = places_of(found.values)
    missing = strengths @ concepts - rows
    size = np.abs(rows).max() ** 2
    for factor, gradient in ((strengths, missing @ concepts.T), (concepts, strengths.T @ missing)):
        assert (factor >= 0).all()
        assert (gradient > -1e-6 * size * len(rows) ** 0.5).all()
        assert np.abs(factor * gradient).max() < 1e-5 * size * np.abs(factor).max() * len(rows) ** 0.5


def test_it_is_what_scikit_learn_finds_in_the_activations(backend: Backend) -> None:
    from sklearn.decomposition import NMF

    model = pooled_net(backend)
    rows = places_of(activation_of(model, X, "relu2"))
    solver = NMF(3, init="nndsvda", random_state=0, max_iter=1000)
    product = solver.fit_transform(rows / rows.max()) @ solver.components_ * rows.max()
    found = tl.explain(model, X, NAME, layer="relu2", components=3, upsample=False)
    np.testing.assert_allclose(places_of(found.values) @ found.extras["concepts"], product, rtol=1e-8, atol=1e-10)
    assert int(found.extras["steps"]) == solver.n_iter_


def test_the_error_is_what_the_concepts_leave_of_each_sample(backend: Backend) -> None:
    model = pooled_net(backend)
    found = tl.explain(model, X, NAME, layer="relu2", components=2, upsample=False)
    activation, concepts = activation_of(model, X, "relu2"), found.extras["concepts"]
    for n, strengths in enumerate(found.values):
        missing = [
            (activation[n, k, i, j] - sum(strengths[c, i, j] * concepts[c, k] for c in range(2))) ** 2
            for k, i, j in np.ndindex(activation.shape[1:])
        ]
        np.testing.assert_allclose(found.error.values[n], sum(missing) ** 0.5, rtol=1e-10)
        np.testing.assert_allclose(found.error.scale[n], (activation[n] ** 2).sum() ** 0.5, rtol=1e-12)
    assert (found.error.relative > 0.01).all()
    many = tl.explain(model, X, NAME, layer="relu2", components=5)
    assert (many.error.relative < found.error.relative).all()


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_the_error_does_not_depend_on_the_units(backend: Backend, scale: float) -> None:
    """The squares of such numbers are 0 or infinite: the concepts would seem to tell everything, or nothing."""
    model = pooled_net(backend)
    plain = tl.explain(model, X, NAME, layer="relu2", components=2)
    state = model.state()
    factors = {"conv2.weight": scale, "conv2.bias": scale, "fc.weight": 1 / scale}
    model.load_state(state | {name: factor * state[name] for name, factor in factors.items()})
    found = tl.explain(model, X, NAME, layer="relu2", components=2)
    np.testing.assert_allclose(found.error.relative, plain.error.relative, rtol=1e-6)
    np.testing.assert_allclose(found.extras["concepts"], plain.extras["concepts"], rtol=0, atol=1e-6)


def test_maps_are_enlarged_one_by_one(backend: Backend) -> None:
    found = tl.explain(pooled_net(backend), X, NAME, layer="relu2", components=2)
    small = found.extras["map"]
    assert found.values.shape == (3, 2, 9, 13)
    assert small.shape == (3, 2, 5, 7)
    for n, c in np.ndindex(3, 2):
        np.testing.assert_allclose(found.values[n, c], bilinear(small[n, c], 9, 13), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(found.extras["concepts"], axis=1), 1, rtol=1e-12)
    assert (found.target, found.extras["concepts"].shape) == (None, (2, 6))


def test_they_are_drawn_one_by_one(backend: Backend) -> None:
    figure = tl.explain(pooled_net(backend), X, NAME, components=2).plot()
    titles = {text.get_text() for text in figure.texts}
    assert {"concept 0", "concept 1"} <= titles
    assert len([axes for axes in figure.axes if axes.get_label() != "colour bar"]) == 9


def test_a_concept_is_the_same_in_all_pictures(backend: Backend) -> None:
    model = pooled_net(backend)
    found = tl.explain(model, np.concatenate([X, X[:1]]), NAME, layer="relu2", components=3, tolerance=1e-10)
    # Where a strength comes to rest is only as sharp as the descent.
    np.testing.assert_allclose(found.values[3], found.values[0], rtol=0, atol=1e-4 * found.values.max())
    alone = tl.explain(model, X[:1], NAME, layer="relu2", components=3)
    assert np.abs(alone.extras["concepts"] - found.extras["concepts"]).max() > 0.01


def test_activations_of_zero_have_concepts_of_zero(backend: Backend) -> None:
    model = kill(pooled_net(backend), *range(6))
    found = tl.explain(model, X, NAME, layer="relu2", components=2)
    assert not found.values.any()
    assert not found.extras["concepts"].any()
    assert not found.error.relative.any()


def test_more_concepts_than_there_are_do_no_harm(backend: Backend) -> None:
    found = tl.explain(mixing_net(backend), coloured(), NAME, components=5, tolerance=1e-8, steps=20_000)
    assert np.isfinite(found.extras["concepts"]).all()
    assert (found.error.relative < 1e-3).all()


# -- the layer -----------------------------------------------------------------------------------------------------


def test_the_last_layer_without_negative_numbers_is_chosen_and_said(backend: Backend) -> None:
    model = pooled_net(backend)
    found, named = (tl.explain(model, X, NAME, components=2, **given) for given in ({}, {"layer": "relu2"}))
    assert str(found.extras["layer"]) == "relu2"
    np.testing.assert_array_equal(found.values, named.values)


@pytest.mark.parametrize("spelling", [each for each in SPELLINGS if each != "module"])
def test_where_no_layer_is_without_negative_numbers_that_is_said(backend: Backend, spelling: str) -> None:
    """Rectifiers that are functions, in place too, or are used twice, return nothing that could be named."""
    with pytest.raises(tl.errors.LayerError, match=r"no layer once.*without negative numbers.*Name one"):
        tl.explain(pooled_net(backend, spelling), X, NAME, components=2)


def test_the_weights_of_an_attention_are_no_maps(backend: Backend) -> None:
    """They have four axes and are 0 or more, and their places are pairs of tokens."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        seen = net.relu(net.conv(x))
        queries, keys = (backend.reshape(seen, (x.shape[0], 2, *size)) for size in ((16, 3), (3, 16)))
        pairs = net.softmax(backend.matmul(queries, keys))
        return net.fc(backend.mean(backend.matmul(keys, pairs), (2, 3)))

    conv, fc = nn.Conv2d(3, 6, 2, stride=2), nn.Linear(2, 4)
    model = randomise(wrap(build(backend, forward, conv=conv, relu=nn.ReLU(), softmax=nn.Softmax(-1), fc=fc)))
    found = tl.explain(model, pictures(2), NAME, components=2)
    assert (str(found.extras["layer"]), found.extras["map"].shape) == ("relu", (2, 2, 4, 4))


def test_negative_numbers_are_refused_and_not_clipped(backend: Backend) -> None:
    with pytest.raises(tl.errors.LayerError, match=r"Layer 'conv2' returns numbers below 0, down to -.*a ReLU"):
        tl.explain(pooled_net(backend), X, NAME, layer="conv2", components=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"layer": "relu3"}, tl.errors.LayerError, "Did you mean 'relu[12]'"),
        ({"layer": 3}, tl.errors.LayerError, "not the name of a layer"),
        ({"layer": "fc"}, tl.errors.LayerError, "not maps"),
        ({"components": 0}, tl.errors.MethodError, "components=0"),
        ({"components": 7}, tl.errors.MethodError, r"components=7 is more than the 105 places and 6 channels.*6 or"),
        ({"steps": 0}, tl.errors.MethodError, "steps=0"),
        ({"tolerance": 0}, tl.errors.MethodError, "tolerance=0 is not above 0"),
        ({"seed": -1}, tl.errors.MethodError, "seed=-1"),
        ({"upsample": 1}, tl.errors.MethodError, "upsample=1"),
        ({"batch_size": 0}, tl.errors.InputError, "batch_size=0"),
        ({"target": 1}, tl.errors.MethodError, "has no target"),
    ],
)
def test_bad_parameters_are_named(backend: Backend, call: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tl.explain(pooled_net(backend), X, NAME, **call)


def test_only_pictures_have_maps(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.ones((2, 5))), np.ones((2, 5)), NAME)


# -- the descent ---------------------------------------------------------------------------------------------------


def test_a_descent_that_ends_too_soon_is_told_and_not_warned_of(backend: Backend) -> None:
    model = pooled_net(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short = tl.explain(model, X, NAME, components=4, steps=2)
    assert (short.stopped, int(short.extras["steps"])) == (None, 2)
    long = tl.explain(model, X, NAME, components=4)
    assert long.stopped == "tolerance"
    assert 2 < int(long.extras["steps"]) < 1000
    assert np.linalg.norm(long.error.values) < np.linalg.norm(short.error.values)


def test_without_scikit_learn_it_says_what_to_install(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(tl.errors.MissingPackageError, match="pip install scikit-learn"):
        tl.explain(pooled_net(backend), X, NAME)


def test_factors_of_one_channel_are_the_channel() -> None:
    rows = np.array([[1.0], [0.0], [4.0]])
    factors = feature_factorisation.factorised(rows, 1, 100, 1e-10, 0)
    np.testing.assert_allclose(factors.strengths, rows, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(factors.concepts, [[1.0]], rtol=1e-12)


# -- a second opinion ----------------------------------------------------------------------------------------------


def test_pytorch_grad_cam_finds_the_same_maps_where_they_are_unique() -> None:
    """It moves every channel to begin at 0, which is right where each is 0 somewhere, as here."""
    backend = need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    peer = pytest.importorskip("pytorch_grad_cam.feature_factorization.deep_feature_factorization")
    model, x = mixing_net(backend), coloured()
    activation = activation_of(model, x, "1")
    concepts, expected = peer.dff(activation.copy(), 3)
    found = tl.explain(model, x, NAME, layer="1", components=3, tolerance=1e-10, steps=20_000)
    order = matched(found.extras["concepts"], concepts.T)
    assert sorted(order) == [0, 1, 2]
    ours, theirs = (maps / maps.max(axis=(0, 2, 3), keepdims=True) for maps in (found.values, expected[:, order]))
    # Its descent starts at random and ends after 200 steps.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-3)
