"""RefineCAM is the product of the maps of several layers, each scaled to a largest value of 1."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.methods import registry
from twinlens.methods.cams.refinecam import product
from twinlens.methods.registry import get_method

from ...backends.nets import build
from ...nets import linear_net, pictures, randomise, small_net
from .nets import activation_of, bilinear, gradient_of, kill, pooled_net

TARGETS = [3, 0, 1]
LAYERS = ["relu2", "relu1"]
OBLONG = pictures(3, seed=4, shape=(3, 9, 13)).astype(np.float64)


def naive(maps: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Of one picture, from the maps (h, w) of its layers."""
    fused = np.ones((height, width))
    for each in maps:
        large = bilinear(np.maximum(each, 0), height, width)
        fused *= large / (large.max() or 1)
    return fused


def staged_net(backend: Backend, stages: int = 6) -> Model:
    """Stages of two convolutions, each half as large as the one before."""
    nn = backend.nn
    layers: list[Any] = []
    for stage in range(stages):
        layers += [nn.Conv2d(4 if stage else 3, 4, 3, padding=1, stride=2 if stage else 1), nn.ReLU()]
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    return randomise(wrap(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))))


# -- the formula ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "params"),
    [
        ("gradcam++", None),
        ("gradcam", {"of": "probability"}),
        ("hirescam", None),
        ("layercam", {"relu": False}),
        ("eigencam", None),
        ("fem", {"k": 1.0}),
        ("scorecam", None),
    ],
)
def test_it_is_the_product_of_what_the_inner_method_says_of_each_layer(
    backend: Backend, inner: str, params: dict[str, Any] | None
) -> None:
    model = pooled_net(backend)
    by_layer = [
        tl.explain(model, OBLONG, inner, TARGETS, layer=layer, upsample=False, **params or {}) for layer in LAYERS
    ]
    found = tl.explain(model, OBLONG, "refinecam", TARGETS, layers=LAYERS, inner=inner, inner_params=params)
    small = tl.explain(
        model, OBLONG, "refinecam", TARGETS, layers=LAYERS, inner=inner, inner_params=params, upsample=False
    )
    assert found.values.shape == (3, 1, 9, 13)
    assert small.values.shape == (3, 1, 9, 13)  # relu1 is as large as the picture
    for i in range(3):
        expected = naive([each.values[i, 0] for each in by_layer], 9, 13)
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found.error.values[i], 1 - expected.max(), atol=1e-12)
        for number, each in enumerate(by_layer):
            assert found.extras["highest"][i, number] == each.values[i].max()
    np.testing.assert_array_equal(found.scores, by_layer[0].scores)
    np.testing.assert_array_equal(found.target, by_layer[0].target)
    assert found.extras["layers"].tolist() == LAYERS
    assert 0 < found.values.max() <= 1


def test_with_gradcam_plus_plus_it_follows_the_formula_from_the_activations_on(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "refinecam", TARGETS, layers=["relu1", "relu2"]).values
    a, state = {layer: activation_of(model, x, layer) for layer in LAYERS}, model.state()
    g = {
        "relu1": gradient_of(model, x, "relu1", TARGETS),
        # Behind pooling; 0 is where the ReLU's own gradient would be in the way of finite differences.
        "relu2": np.broadcast_to(state["fc.weight"][TARGETS][:, :, None, None] / 16, a["relu2"].shape),
    }
    for i in range(3):
        maps = []
        for layer in LAYERS:
            total = np.zeros(a[layer].shape[2:])
            for k, (one, slope) in enumerate(zip(a[layer][i], g[layer][i], strict=True)):
                positive = slope > 0
                alpha = 1 / (2 + one.sum() * slope[positive])
                total += (alpha * slope[positive]).sum() * a[layer][i, k]
            maps.append(total)
        np.testing.assert_allclose(found[i, 0], naive(maps, 8, 8), rtol=1e-6, atol=1e-8)


def test_small_maps_are_enlarged_to_the_largest_of_them(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    layers = ["7", "4"]  # 2 x 2 and 4 x 4, of pictures of 8 x 8
    maps = [tl.explain(model, x, "gradcam", 1, layer=layer, upsample=False).values for layer in layers]
    call = {"layers": layers, "inner": "gradcam"}
    small = tl.explain(model, x, "refinecam", 1, **call, upsample=False)
    large = tl.explain(model, x, "refinecam", 1, **call)
    assert small.values.shape == (2, 1, 4, 4)
    np.testing.assert_array_equal(large.extras["map"], small.values)
    assert "map" not in small.extras
    for i in range(2):
        pair = [each[i, 0] for each in maps]
        np.testing.assert_allclose(small.values[i, 0], naive(pair, 4, 4), rtol=1e-12, atol=1e-14)
        # Not the small product enlarged: that has no values between those of one layer and of the other.
        np.testing.assert_allclose(large.values[i, 0], naive(pair, 8, 8), rtol=1e-12, atol=1e-14)


def test_of_maps_of_other_forms_the_greatest_height_and_width_are_taken() -> None:
    maps = [np.arange(8.0).reshape(1, 2, 4), np.arange(8.0).reshape(1, 4, 2)]
    expected = naive([each[0] for each in maps], 4, 4)
    np.testing.assert_allclose(product(maps, (4, 4))[0], expected, rtol=1e-13)


def test_two_hot_spots_leave_what_they_share() -> None:
    one, other = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    one[0, 0], other[0, :, 0] = [5.0, 2.5, -1.0], [10.0, 40.0, -3.0]
    np.testing.assert_array_equal(product([one, other], (3, 3)), [[[0.25, 0, 0], [0, 0, 0], [0, 0, 0]]])


def test_the_scale_of_a_layers_map_does_not_count(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    before = tl.explain(model, x, "refinecam", TARGETS, layers=LAYERS, inner="gradcam")
    state = model.state()
    model.load_state(state | {"fc.weight": 8 * state["fc.weight"]})
    after = tl.explain(model, x, "refinecam", TARGETS, layers=LAYERS, inner="gradcam")
    np.testing.assert_allclose(after.values, before.values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(after.extras["highest"], 8 * before.extras["highest"], rtol=1e-12)


def test_of_one_layer_it_is_the_inner_map_with_a_largest_value_of_one(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "refinecam", TARGETS, layers=("relu1",))
    plain = tl.explain(model, x, "gradcam++", TARGETS, layer="relu1").values
    np.testing.assert_allclose(found.values, plain / plain.max(axis=(1, 2, 3), keepdims=True), rtol=1e-12)
    assert not found.error.values.any()


# -- the layers ----------------------------------------------------------------------------------------------------


def test_the_last_convolutions_of_four_sizes_are_chosen_and_said(backend: Backend) -> None:
    model, x = staged_net(backend), pictures(1, shape=(3, 64, 64))
    found, named = (
        tl.explain(model, x, "refinecam", 1, inner="layercam", layers=layers)
        for layers in (None, ["22", "18", "14", "10"])
    )
    assert found.extras["layers"].tolist() == ["22", "18", "14", "10"]
    np.testing.assert_array_equal(found.values, named.values)
    assert found.extras["map"].shape == (1, 1, 16, 16)
    few = tl.explain(staged_net(backend, 2), pictures(1), "refinecam", 1)
    assert few.extras["layers"].tolist() == ["6", "2"]


def test_the_first_of_the_layers_is_that_of_the_other_maps(backend: Backend) -> None:
    for model in (small_net(backend), pooled_net(backend, dtype="float32")):
        single = tl.explain(model, pictures(1), "gradcam", 0)
        several = tl.explain(model, pictures(1), "refinecam", 0)
        assert several.extras["layers"][0] == str(single.extras["layer"])


def test_convolutions_of_another_head_are_passed_over(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        seen = net.relu(net.second(net.first(x)))
        return net.fc(backend.mean(seen, (2, 3))), net.other_small(net.other(seen))

    net = build(
        backend,
        forward,
        first=nn.Conv2d(3, 4, 3),
        second=nn.Conv2d(4, 4, 3, stride=2),
        relu=nn.ReLU(),
        fc=nn.Linear(4, 2),
        other=nn.Conv2d(4, 4, 1),
        other_small=nn.Conv2d(4, 4, 2),
    )
    found = tl.explain(wrap(net, output=lambda heads: heads[0]), pictures(1), "refinecam", 0)
    assert found.extras["layers"].tolist() == ["second", "first"]


@pytest.mark.parametrize("method", ["eigencam", "refinecam"])
def test_of_heads_that_no_gradient_reaches_the_last_convolution_is_taken(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        seen = net.first(x)
        return backend.detach(net.fc(backend.mean(seen, (2, 3)))), net.other(seen)

    net = build(backend, forward, first=nn.Conv2d(3, 4, 3), fc=nn.Linear(4, 2), other=nn.Conv2d(4, 4, 3))
    model = wrap(net, output=lambda heads: heads[0])
    found = tl.explain(model, pictures(1), method, **({"inner": "eigencam"} if method == "refinecam" else {}))
    assert found.extras["layer" if method == "eigencam" else "layers"].tolist() in ("other", ["other"])


def test_a_network_without_convolutions_has_no_layers_to_choose(backend: Backend) -> None:
    with pytest.raises(tl.errors.LayerError, match=r"runs no convolution.*: layers=\[\.\.\.\], see"):
        tl.explain(linear_net(backend, np.ones((2, 192))), pictures(1), "refinecam", 0)


def test_branches_of_one_size_give_one_layer_and_of_others_one_each(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        stem = net.stem(x)
        joined = backend.concat([net.left(stem), net.right(stem)], 1)
        return net.fc(backend.mean(net.relu(net.small(joined)), (2, 3)) + backend.mean(net.late(stem), (2, 3)))

    net = build(
        backend,
        forward,
        stem=nn.Conv2d(3, 4, 3, padding=1),
        left=nn.Conv2d(4, 4, (1, 3), padding=(0, 1), stride=(2, 1)),
        right=nn.Conv2d(4, 4, 1, stride=(2, 1)),
        small=nn.Conv2d(8, 4, 3, stride=2),
        relu=nn.ReLU(),
        late=nn.Conv2d(4, 4, 1),
        fc=nn.Linear(4, 2),
    )
    found = tl.explain(wrap(net), OBLONG, "refinecam", 0, upsample=False)
    # 9 x 13, at which the network ends, then 2 x 6, then 5 x 13, each once; of two branches the one that ran last.
    assert found.extras["layers"].tolist() == ["late", "small", "right"]
    assert found.values.shape == (3, 1, 9, 13)


@pytest.mark.parametrize("inner", ["gradcam", "eigencam"])
def test_a_layer_whose_map_is_zero_is_told_by_its_highest_value(backend: Backend, inner: str) -> None:
    model = kill(pooled_net(backend), *range(6))
    found = tl.explain(model, pictures(2), "refinecam", 1, layers=["relu2", "conv1"], inner=inner)
    assert not found.values.any()
    assert not found.extras["map"].any()
    np.testing.assert_array_equal(found.error.values, [1, 1])
    assert not found.extras["highest"][:, 0].any()
    if inner == "eigencam":
        assert found.extras["highest"][:, 1].all()
        without = tl.explain(model, pictures(2), "refinecam", 1, layers=["conv1"], inner=inner)
        assert not without.error.values.any()


# -- what every map promises ---------------------------------------------------------------------------------------


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        one, other = (
            tl.explain(pooled_net(backend, dtype=dtype), OBLONG.astype("float32"), "refinecam", TARGETS, layers=LAYERS)
            for backend in both
        )
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=tolerance)
        assert one.values.dtype == one.extras["highest"].dtype == one.extras["map"].dtype == dtype


@pytest.mark.parametrize("size", [1, 2, 64])
def test_a_sample_does_not_feel_its_batch(backend: Backend, size: int) -> None:
    model, call = pooled_net(backend), {"layers": LAYERS, "method": "refinecam"}
    alone = [tl.explain(model, OBLONG[i : i + 1], target=TARGETS[i], **call).values[0] for i in range(3)]
    x = np.concatenate([OBLONG, 50 * OBLONG[:1]])
    found = tl.explain(model, x, target=[*TARGETS, 2], batch_size=size, **call)
    np.testing.assert_allclose(found.values[:3], alone, rtol=1e-11, atol=1e-14)


def test_without_a_target_the_predicted_class_is_explained_at_every_layer(backend: Backend) -> None:
    model, x = pooled_net(backend), OBLONG
    found = tl.explain(model, x, "refinecam", layers=LAYERS)
    predicted = model.forward(x).argmax(axis=1)
    np.testing.assert_array_equal(found.target, predicted)
    again = tl.explain(model, x, "refinecam", predicted.tolist(), layers=LAYERS)
    np.testing.assert_array_equal(found.values, again.values)
    by_function = tl.explain(model, x, "refinecam", lambda s: s[:, 3], layers=LAYERS)
    np.testing.assert_allclose(by_function.values, tl.explain(model, x, "refinecam", 3, layers=LAYERS).values)
    assert by_function.target is None


def test_the_class_is_that_of_the_first_layers_run_for_all(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that draws random numbers may predict another one in each of its runs."""
    asked: list[Any] = []
    method = get_method("gradcam")

    @wraps(method.function)
    def spy(model: Model, x: np.ndarray, target: Any, **parameters: Any) -> Any:
        asked.append(target)
        return method.function(model, x, target, **parameters)

    monkeypatch.setitem(registry._METHODS, "gradcam", replace(method, function=spy))
    found = tl.explain(pooled_net(backend), OBLONG, "refinecam", layers=LAYERS, inner="gradcam")
    assert asked[0] is None
    np.testing.assert_array_equal(asked[1], found.target)


def test_the_scores_are_those_of_the_run_that_settled_the_class(backend: Backend) -> None:
    noise, nn = np.random.default_rng(0), backend.nn

    def forward(net: Any, x: Any) -> Any:
        scores = net.fc(backend.mean(net.second(net.first(x)), (2, 3)))
        return scores + backend.asarray(10 * noise.normal(size=(x.shape[0], 4)), "float64")

    net = build(backend, forward, first=nn.Conv2d(3, 4, 3), second=nn.Conv2d(4, 4, 3), fc=nn.Linear(4, 4))
    model, x = wrap(net, dtype="float64"), pictures(8).astype(np.float64)
    found = get_method("refinecam").function(model, x, None, layers=["second", "first"])
    np.testing.assert_array_equal(found.target, found.scores.argmax(axis=1))


@pytest.mark.parametrize("inner", ["scorecam", "ablationcam"])
def test_what_the_inner_method_spends_is_added_up(backend: Backend, inner: str) -> None:
    model, x = pooled_net(backend), pictures(2)
    spent = [tl.explain(model, x, inner, 1, layer=layer).evaluations or 0 for layer in LAYERS]
    assert min(spent) > 0
    assert tl.explain(model, x, "refinecam", 1, layers=LAYERS, inner=inner).evaluations == sum(spent)
    assert tl.explain(model, x, "refinecam", 1, layers=LAYERS).evaluations is None


def test_an_inner_method_draws_other_numbers_for_each_layer(backend: Backend) -> None:
    """With the same ones, layers of as many channels would agree though nothing is known of them."""
    model = pooled_net(backend)
    found = tl.explain(
        model, OBLONG, "refinecam", layers=["relu1", "conv1"], inner="randomcam", inner_params={"seed": 5}
    )
    maps = []
    for place, layer in enumerate(["relu1", "conv1"]):
        seed = int(np.random.SeedSequence([5, place]).generate_state(1)[0])
        maps.append(tl.explain(model, OBLONG, "randomcam", layer=layer, seed=seed, upsample=False).values[:, 0])
    for i in range(3):
        np.testing.assert_allclose(found.values[i, 0], naive([each[i] for each in maps], 9, 13), rtol=1e-11, atol=1e-14)
    assert found.target is None
    with pytest.raises(tl.errors.MethodError, match="is not a whole number from 0"):
        tl.explain(model, OBLONG, "refinecam", inner="randomcam", inner_params={"seed": -1})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"layers": "relu1"}, tl.errors.LayerError, r"layers='relu1' is not a list.*layers=\["),
        ({"layers": [4, 7]}, tl.errors.LayerError, r'is not a list of names.*of a sequence layers=\["4", "7"\]'),
        ({"layers": []}, tl.errors.LayerError, r"layers=\[\] is not a list"),
        ({"layers": ["relu1", None]}, tl.errors.LayerError, "is not a list of names of layers"),
        ({"layers": ["relu1", "relu3"]}, tl.errors.LayerError, r"Did you mean 'relu[12]'"),
        ({"layers": ["relu1", "relu2", "relu1"]}, tl.errors.LayerError, "'relu1' is named twice.*Name each layer once"),
        ({"layers": ["relu1", "fc"]}, tl.errors.LayerError, r"'fc' returns shape .*, not maps"),
        ({"inner": "refinecam"}, tl.errors.MethodError, "inner='refinecam' makes no map of each input for a layer"),
        ({"inner": "guided_gradcam"}, tl.errors.MethodError, r"makes no map of each input.*Choose gradcam\+\+"),
        ({"inner": "layer_activation"}, tl.errors.MethodError, "makes no map of each input for a layer"),
        ({"inner": "feature_factorisation"}, tl.errors.MethodError, "makes no map of each input for a layer"),
        ({"inner": "saliency"}, tl.errors.MethodError, "makes no map of each input for a layer"),
        ({"inner": "gradcan"}, tl.errors.MethodError, "no method 'gradcan'.*Did you mean 'gradcam'"),
        ({"inner": None}, tl.errors.MethodError, "no method 'None'"),
        ({"inner": "cam", "layers": ["relu1"]}, tl.errors.MethodError, "cam does not hold.*'relu1'.*'relu2'"),
        ({"inner_params": [("of", "loss")]}, tl.errors.MethodError, "inner_params=.*mapping"),
        ({"inner_params": {3: 3}}, tl.errors.MethodError, "inner_params=.*mapping"),
        ({"inner_params": {"layer": "relu1"}}, tl.errors.MethodError, "inner_params has 'layer'.*Pass layers="),
        ({"inner_params": {"upsample": True}}, tl.errors.MethodError, "has 'upsample'.*Pass upsample="),
        ({"inner_params": {"batch_size": 1}}, tl.errors.MethodError, "has 'batch_size'.*Pass batch_size="),
        ({"inner_params": {"k": 1}}, tl.errors.MethodError, r"'gradcam\+\+' has no parameter 'k'"),
        ({"inner_params": {"of": "logits"}}, tl.errors.InputError, "of='logits' is not known"),
        ({"inner_params": {"relu": 2}}, tl.errors.MethodError, "relu=2 is neither True nor False"),
        ({"upsample": 1}, tl.errors.MethodError, "upsample=1 is neither True nor False"),
        ({"batch_size": 0}, tl.errors.InputError, "batch_size=0"),
        ({"target": 4}, tl.errors.TargetError, "Target 4 does not exist"),
    ],
)
def test_bad_parameters_are_named(backend: Backend, call: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tl.explain(pooled_net(backend), pictures(2), "refinecam", **call)


def test_only_pictures_have_maps(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="'refinecam' explains pictures"):
        tl.explain(linear_net(backend, np.ones((2, 5)), dtype="float32"), np.ones((2, 5)), "refinecam")


def test_maps_beyond_what_the_type_holds_are_named_and_not_scaled(backend: Backend) -> None:
    """Infinity cannot be scaled to 1."""
    model, state = pooled_net(backend, dtype="float32"), pooled_net(backend, dtype="float32").state()
    model.load_state(state | {"conv1.weight": 1e10 * state["conv1.weight"]})

    def steep(scores: Any) -> Any:
        return 1e32 * (scores[:, 2] - backend.detach(scores[:, 2]))

    with pytest.raises(tl.errors.NonFiniteError, match="beyond what float32 can hold"):
        tl.explain(model, pictures(1), "refinecam", steep, layers=["relu1"], inner="hirescam")


def test_what_was_multiplied_is_saved_and_loaded(backend: Backend, tmp_path: Any) -> None:
    made = tl.explain(
        pooled_net(backend), OBLONG, "refinecam", 1, layers=LAYERS, inner="gradcam", inner_params={"of": "loss"}
    )
    read = tl.Explanation.load(made.save(tmp_path / "map.npz"))
    assert read.extras["layers"].tolist() == LAYERS
    assert read.params["layers"] == LAYERS
    assert read.params["inner_params"] == {"of": "loss"}
