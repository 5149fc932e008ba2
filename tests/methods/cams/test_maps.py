"""What every class activation map promises: raw values, each sample by itself, the same on both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.registry import get_method

from ...nets import linear_net, pictures
from .nets import SPELLINGS, activation_of, kill, pooled_net

CLIPPED = ("gradcam", "gradcam++", "layercam", "scorecam", "ablationcam", "shapleycam", "finercam")
SIGNED = ("cam", "xgradcam", "hirescam", "eigencam", "eigengradcam", "segeigencam", "kpcacam", "fem", "randomcam")
NEVER_NEGATIVE = ("gradcam_elementwise",)
WITHOUT_CLASS = ("eigencam", "kpcacam", "fem", "randomcam")
ONE_CHANNEL = (*CLIPPED, *SIGNED, *NEVER_NEGATIVE)
ALL = (*ONE_CHANNEL, "guided_gradcam")
X = pictures(3, seed=4, shape=(3, 9, 13))
TARGETS = [3, 0, 1]


def layer_of(method: str) -> str | None:
    """A layer whose maps are not negative, as most of the formulas want them."""
    return None if method == "cam" else "relu2"


@pytest.mark.parametrize("method", ALL)
def test_both_frameworks_agree(both: tuple[Backend, Backend], method: str) -> None:
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        for layer in {layer_of(method), None}:
            one, other = (
                tl.explain(pooled_net(backend, dtype=dtype), X, method, TARGETS, layer=layer) for backend in both
            )
            # Weights with denominators near 0 multiply rounding: that is said in the method's error estimate.
            size = 1 if method != "gradcam++" or layer else 100
            scale = np.abs(one.values).max()
            assert scale > 0
            np.testing.assert_allclose(one.values, other.values, rtol=0, atol=size * tolerance * scale)
            assert one.values.dtype == dtype


# Weights drawn for each place in the batch are not those of a sample alone, see `test_randomcam`.
@pytest.mark.parametrize("method", [name for name in ALL if name != "randomcam"])
@pytest.mark.parametrize("size", [1, 2, 64])
def test_a_sample_does_not_feel_its_batch(backend: Backend, method: str, size: int) -> None:
    model, layer = pooled_net(backend), layer_of(method)
    alone = [tl.explain(model, X[i : i + 1], method, TARGETS[i], layer=layer, batch_size=1).values[0] for i in range(3)]
    # A far larger neighbour would shrink the others' maps, were they normalised together.
    x = np.concatenate([X, 50 * X[:1]])
    found = tl.explain(model, x, method, [*TARGETS, 2], layer=layer, batch_size=size)
    np.testing.assert_allclose(found.values[:3], alone, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("method", ALL)
def test_maps_of_pictures_that_are_not_square(backend: Backend, method: str) -> None:
    found = tl.explain(pooled_net(backend), X, method, TARGETS, layer=layer_of(method))
    assert found.values.shape == (3, 3 if method == "guided_gradcam" else 1, 9, 13)
    assert found.extras["map"].shape == (3, 1, 5, 7)


@pytest.mark.parametrize("method", [*CLIPPED, *SIGNED])
def test_values_are_clipped_where_the_paper_clips_and_signed_on_request(backend: Backend, method: str) -> None:
    model = pooled_net(backend)
    call = {"layer": layer_of(method), "upsample": False}
    clipped, signed = (tl.explain(model, X, method, TARGETS, relu=relu, **call).values for relu in (True, False))
    np.testing.assert_array_equal(clipped, np.maximum(signed, 0))
    by_default = tl.explain(model, X, method, TARGETS, **call).values
    np.testing.assert_array_equal(by_default, clipped if method in CLIPPED else signed)


@pytest.mark.parametrize("method", ONE_CHANNEL)
def test_values_are_raw(backend: Backend, method: str) -> None:
    """Twice the score is twice the map, where the formula is linear in the score."""
    model, layer = pooled_net(backend), layer_of(method)
    before = tl.explain(model, X, method, TARGETS, layer=layer).values
    state = model.state()
    model.load_state(state | {"fc.weight": 2 * state["fc.weight"], "fc.bias": 2 * state["fc.bias"]})
    after = tl.explain(model, X, method, TARGETS, layer=layer).values
    if method in ("scorecam", "gradcam++", "finercam"):
        assert not np.allclose(after, before)
    else:
        np.testing.assert_allclose(after, (1 if method in WITHOUT_CLASS else 2) * before, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("method", ALL)
def test_a_map_of_zeros_is_legal(backend: Backend, method: str) -> None:
    model = kill(pooled_net(backend), *range(6))
    found = tl.explain(model, X, method, TARGETS, layer="relu2")
    assert not found.values.any()
    assert not found.extras["map"].any()
    assert found.error is None or np.isfinite(found.error.values).all()


@pytest.mark.parametrize("method", ALL)
def test_without_a_target_the_predicted_class_is_explained(backend: Backend, method: str) -> None:
    model, layer = pooled_net(backend), layer_of(method)
    found = tl.explain(model, X, method, layer=layer)
    predicted = model.forward(X).argmax(axis=1)
    np.testing.assert_array_equal(found.values, tl.explain(model, X, method, predicted.tolist(), layer=layer).values)
    if method in WITHOUT_CLASS:
        assert found.target is None
    else:
        np.testing.assert_array_equal(found.target, predicted)
    np.testing.assert_allclose(found.scores, model.forward(X), rtol=1e-12)


@pytest.mark.parametrize("method", WITHOUT_CLASS)
def test_maps_without_a_class_do_not_depend_on_the_target(backend: Backend, method: str) -> None:
    model = pooled_net(backend)
    maps = [tl.explain(model, X, method, target).values for target in (None, 0, [1, 2, 3], lambda s: s[:, 0])]
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


@pytest.mark.parametrize("method", ["eigencam", "kpcacam", "eigengradcam"])
def test_the_sign_of_a_singular_vector_is_settled(backend: Backend, method: str) -> None:
    model = pooled_net(backend)
    a = activation_of(model, X, "relu2")
    eigen = tl.explain(model, X, method, TARGETS, layer="relu2", upsample=False).values
    lead = a.mean(axis=1) if method in WITHOUT_CLASS else tl.explain(
        model, X, "hirescam", TARGETS, layer="relu2", upsample=False
    ).values[:, 0]  # fmt: skip
    assert (np.einsum("nhw,nhw->n", eigen[:, 0], lead) > 0).all()


@pytest.mark.parametrize("method", ALL)
def test_bad_parameters_are_named(backend: Backend, method: str) -> None:
    model = pooled_net(backend)
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"relu": "yes"}, tl.errors.MethodError, "relu='yes' is neither True nor False"),
        ({"upsample": 1}, tl.errors.MethodError, "upsample=1 is neither True nor False"),
        ({"of": "logits"}, tl.errors.InputError, "of='logits' is not known"),
        ({"batch_size": 0}, tl.errors.InputError, "batch_size=0"),
        ({"layer": "relu3"}, tl.errors.LayerError, "Did you mean 'relu[12]'"),
        ({"target": 4}, tl.errors.TargetError, "Target 4 does not exist"),
        ({"target": [0, 1]}, tl.errors.TargetError, "2 targets for 3 samples"),
        ({"target": 1.5}, tl.errors.TargetError, "not a class number"),
    ]
    for call, error, message in wrong:
        if not set(call) <= {*get_method(method).defaults, "target"}:
            continue
        with pytest.raises(error, match=message):
            tl.explain(model, X, method, **call)


@pytest.mark.parametrize("method", ALL)
def test_only_pictures_have_maps(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.ones((2, 5)), dtype="float32"), np.ones((2, 5)), method)
    x = X.copy()
    x[1, 2, 3, 4] = np.nan
    with pytest.raises(tl.errors.InputError, match="NaN"):
        tl.explain(pooled_net(backend), x, method)


@pytest.mark.parametrize("method", ALL)
def test_weights_that_are_not_numbers_are_named(backend: Backend, method: str) -> None:
    model = pooled_net(backend)
    state = model.state()
    state["conv2.bias"][0] = np.nan
    model.load_state(state)
    with pytest.raises(tl.errors.NonFiniteError, match=r"conv2\.bias"):
        tl.explain(model, X, method, 0)


def lived_in(backend: Backend) -> Model:
    """A network in training mode with gradients of the user's."""
    model = pooled_net(backend, dtype="float32")
    model.net.train()
    backend.sum(model.net(backend.asarray(X))).backward()
    return model


def marks(model: Model) -> dict[str, Any]:
    backend = model.backend
    return {
        "modes": [layer.training for layer in backend.modules(model.net).values()],
        "gradients": [backend.numpy(p.grad).tobytes() for p in model.net.parameters()],
        "hooks": [
            len(getattr(layer, hooks, ()))
            for layer in backend.modules(model.net).values()
            for hooks in ("_forward_hooks", "_forward_pre_hooks", "_forward_post_hooks")
        ],
        "state": [array.tobytes() for array in model.state().values()],
    }


@pytest.mark.parametrize("method", ALL)
def test_the_network_comes_back_as_it_was_even_from_a_failing_run(backend: Backend, method: str) -> None:
    model = lived_in(backend)
    before = marks(model)
    tl.explain(model, X, method, TARGETS, layer=layer_of(method))
    assert marks(model) == before
    conv1 = model.layer("conv1")
    for failing_run in range(1, 4):
        runs = 0

        def fail(_layer: Any, _inputs: Any, failing_run: int = failing_run) -> None:
            nonlocal runs
            runs += 1
            if runs >= failing_run:
                raise KeyError("the user's own error")

        handle = backend.on_enter(conv1, fail)
        try:
            with pytest.raises(KeyError, match="the user's own error"):
                tl.explain(model, X, method, TARGETS, batch_size=1)
        finally:
            handle.remove()
        assert marks(model) == before


@pytest.mark.parametrize("method", ALL)
def test_it_is_saved_and_loaded_with_its_layer(backend: Backend, method: str, tmp_path: Any) -> None:
    found = tl.explain(pooled_net(backend), X, method, TARGETS, layer=layer_of(method))
    again = tl.Explanation.load(found.save(tmp_path / "map.npz"))
    np.testing.assert_array_equal(again.values, found.values)
    assert str(again.extras["layer"]) == str(found.extras["layer"]) == "relu2"


def test_gradients_do_not_need_the_network_before_the_layer(backend: Backend) -> None:
    """What cuts the gradient before the layer does no harm: the graph begins at the layer."""
    model = pooled_net(backend)
    expected = tl.explain(model, X, "gradcam", TARGETS, layer="conv2").values
    with model.hook("conv1", post=lambda _layer, _inputs, output: backend.detach(output)):
        found = tl.explain(model, X, "gradcam", TARGETS, layer="conv2").values
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_operation_in_place_behind_the_layer_does_not_reach_its_map(backend: Backend, spelling: str) -> None:
    model = pooled_net(backend, spelling)
    with model.capture(["conv2"]) as seen:
        model.forward(X)
    found = tl.explain(model, X, "hirescam", 1, layer="conv2", upsample=False)
    positive = seen["conv2"] > 0
    weights = model.state()["fc.weight"][1][None, :, None, None] / positive[0, 0].size
    expected = (weights * np.where(positive, seen["conv2"], 0)).sum(axis=1)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-10, atol=1e-14)
