"""The layer is found and said; one that cannot be mapped is refused with a cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, wrap

from ...backends.nets import build, native_nn
from ...nets import linear_net, pictures, randomise, small_net
from .nets import SPELLINGS, pooled_net

WITHOUT_CAM = [
    "gradcam", "gradcam_elementwise", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam", "eigengradcam",
    "segeigencam", "randomcam", "kpcacam", "fem", "shapleycam", "finercam", "scorecam", "ablationcam", "guided_gradcam",
]  # fmt: skip
ALL = ["cam", *WITHOUT_CAM]


def params_of(method: str) -> dict[str, Any]:
    """What the method is told of networks of two classes."""
    return {"similar": 1} if method == "finercam" else {}


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_the_last_convolution_is_chosen_and_said(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found, named = tl.explain(model, x, method, 1), tl.explain(model, x, method, 1, layer="4")
    assert str(found.extras["layer"]) == "4"
    np.testing.assert_array_equal(found.values, named.values)


def test_the_last_convolution_is_the_one_that_runs_last(backend: Backend) -> None:
    nn = backend.nn
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.early_by_name_late_to_run(net.first_to_run(x)), (2, 3))),
        early_by_name_late_to_run=nn.Conv2d(4, 5, 3),
        first_to_run=nn.Conv2d(3, 4, 3),
        never_run=nn.Conv2d(3, 4, 3),
        fc=nn.Linear(5, 2),
    )
    found = tl.explain(wrap(net), pictures(1), "gradcam", 0)
    assert str(found.extras["layer"]) == "early_by_name_late_to_run"


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_convolutions_of_one_position_and_those_used_twice_are_passed_over(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        x = net.twice(net.twice(net.maps(x)))
        return net.fc(backend.mean(x * net.squeezed(backend.mean(x, (2, 3), keepdims=True)), (2, 3)))

    net = build(
        backend,
        forward,
        maps=nn.Conv2d(3, 4, 3),
        twice=nn.Conv2d(4, 4, 3),
        squeezed=nn.Conv2d(4, 4, 1),
        fc=nn.Linear(4, 2),
    )
    assert str(tl.explain(wrap(net), pictures(1), "gradcam", 0).extras["layer"]) == "maps"
    with pytest.raises(tl.errors.LayerError, match="'twice' runs 2 times"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="twice")


@pytest.mark.parametrize("method", ALL)
def test_a_layer_that_does_not_exist_is_answered_with_the_one_that_does(backend: Backend, method: str) -> None:
    model = pooled_net(backend, dtype="float32")
    with pytest.raises(tl.errors.LayerError, match=r"no layer 'conv'.*Did you mean 'conv[12]'"):
        tl.explain(model, pictures(1), method, 0, layer="conv")
    for wrong in (3, ["conv1"], True):
        with pytest.raises(tl.errors.LayerError, match="not the name of a layer"):
            tl.explain(model, pictures(1), method, 0, layer=wrong)


@pytest.mark.parametrize("method", ALL)
def test_a_layer_that_is_not_reached_is_refused(backend: Backend, method: str) -> None:
    nn = backend.nn
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.relu(net.conv(x)), (2, 3))),
        conv=nn.Conv2d(3, 4, 3),
        relu=nn.ReLU(),
        unused=nn.Conv2d(3, 4, 3),
        fc=nn.Linear(4, 2),
    )
    with pytest.raises(tl.errors.LayerError, match="'unused' runs 0 times"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="unused")


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_a_layer_that_returns_several_tensors_is_refused(backend: Backend, method: str) -> None:
    nn = backend.nn
    pair = build(backend, lambda net, x: (net.conv(x), x), conv=nn.Conv2d(3, 4, 3))
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.relu(net.pair(x)[0]), (2, 3))),
        pair=pair,
        relu=nn.ReLU(),
        fc=nn.Linear(4, 2),
    )
    with pytest.raises(tl.errors.LayerError, match="'pair' returns a tuple"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="pair")


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_tokens_and_vectors_are_not_maps(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        maps = net.patches(x)
        tokens = backend.permute(backend.reshape(maps, (maps.shape[0], 5, 16)), (0, 2, 1))
        return net.head(backend.mean(net.relu(net.mixed(tokens)), 1))

    net = build(
        backend,
        forward,
        patches=nn.Conv2d(3, 5, 2, stride=2),
        mixed=nn.Linear(5, 5),
        relu=nn.ReLU(),
        head=nn.Linear(5, 2),
    )
    with pytest.raises(tl.errors.LayerError, match=r"'mixed' returns shape \(1, 16, 5\), not maps.*patch embedding"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="mixed")
    with pytest.raises(tl.errors.LayerError, match=r"'head' returns shape \(1, 2\), not maps"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="head")
    found = tl.explain(wrap(net), pictures(1), method, 0, **params_of(method))
    assert str(found.extras["layer"]) == "patches"


@pytest.mark.parametrize("method", [*WITHOUT_CAM, "filter_visualisation"])
def test_maps_with_their_channels_last_are_refused_by_their_form(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        return net.fc(backend.mean(net.rows_and_columns_first(net.relu(net.maps(x))), (1, 2)))

    net = build(
        backend,
        forward,
        maps=nn.Conv2d(3, 16, 3),
        relu=nn.ReLU(),
        rows_and_columns_first=nn.Module(lambda _net, x: backend.permute(x, (0, 2, 3, 1))),
        fc=nn.Linear(16, 2),
    )
    params = {"filter": 0, "layer": "maps"} if method == "filter_visualisation" else params_of(method)
    tl.explain(wrap(net), pictures(1), method, **params)
    with pytest.raises(tl.errors.LayerError, match=r"returns shape \(1, 6, 6, 16\): its channels seem to come last"):
        tl.explain(wrap(net), pictures(1), method, **params | {"layer": "rows_and_columns_first"})


def swapped(backend: Backend, *axes: int) -> Any:
    return backend.nn.Module(lambda _net, x: backend.permute(x, axes))


def channels_last_net(backend: Backend, channels: int) -> tl.Model:
    """A convolution, the channels put last, a layer norm, a block with a shortcut as in Swin, and channels second."""
    nn, norm = backend.nn, native_nn(backend).LayerNorm

    def block_forward(net: Any, x: Any) -> Any:
        return x + net.linear(net.norm(x))

    block = build(backend, block_forward, norm=norm(channels), linear=nn.Linear(channels, channels))

    def forward(net: Any, x: Any) -> Any:
        last = net.relu(net.block(net.norm(net.to_last(net.maps(x)))))
        return net.fc(backend.mean(net.after(net.to_second(last)), (2, 3)))

    return wrap(
        build(
            backend,
            forward,
            maps=nn.Conv2d(3, channels, 3, padding=1),
            to_last=swapped(backend, 0, 2, 3, 1),
            norm=norm(channels),
            block=block,
            relu=nn.ReLU(),
            to_second=swapped(backend, 0, 3, 1, 2),
            after=nn.Conv2d(channels, 4, 1),
            fc=nn.Linear(4, 2),
        )
    )


@pytest.mark.parametrize("channels", [8, 10])  # as many as rows and columns, and a few more
@pytest.mark.parametrize("layer", ["norm", "block", "block.linear", "relu"])
def test_channels_last_are_told_by_the_layers_where_the_form_does_not_tell(
    backend: Backend, channels: int, layer: str
) -> None:
    model, x = channels_last_net(backend, channels), pictures(2)
    with pytest.raises(tl.errors.LayerError, match="its channels seem to come last"):
        tl.explain(model, x, "gradcam", 0, layer=layer)
    for sound in ("maps", "after"):
        assert tl.explain(model, x, "gradcam", 0, layer=sound).values.shape == (2, 1, 8, 8)


def test_channels_that_no_layer_tells_the_place_of_are_refused(backend: Backend) -> None:
    nn = backend.nn
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.own(x), (2, 3))),
        own=nn.Module(lambda _net, x: backend.concat([x, x, x[:, :2]], 1)),
        fc=nn.Linear(8, 2),
    )
    with pytest.raises(
        tl.errors.LayerError, match=r"\(1, 8, 8, 8\): its channels may come second or last.*convolution"
    ):
        tl.explain(wrap(net), pictures(1), "gradcam", 0, layer="own")


@pytest.mark.parametrize("layer", ["conv", "relu"])
def test_a_convolution_has_its_channels_second_whatever_the_form(backend: Backend, layer: str) -> None:
    nn = backend.nn
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.relu(net.conv(x)), (2, 3))),
        conv=nn.Conv2d(1, 2, 3, padding=1, stride=(1, 4)),
        relu=nn.ReLU(),
        fc=nn.Linear(2, 2),
    )
    spectrogram = np.random.default_rng(0).random((1, 1, 16, 128), dtype=np.float32)
    found = tl.explain(wrap(net), spectrogram, "gradcam", 0, layer=layer)
    assert found.extras["map"].shape == (1, 1, 16, 32)


@pytest.mark.parametrize("method", WITHOUT_CAM)
@pytest.mark.parametrize("samples", [1, 2])
def test_a_layer_that_sees_several_views_of_a_picture_is_refused(backend: Backend, method: str, samples: int) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        views = net.relu(net.views(backend.concat([net.first(x), -net.first(x)], 0)))
        scores = net.fc(backend.mean(views, (2, 3)))
        return (scores[: x.shape[0]] + scores[x.shape[0] :]) / 2

    def net(first: Any) -> tl.Model:
        layers = {"views": nn.Conv2d(3, 4, 3), "relu": nn.ReLU(), "fc": nn.Linear(4, 2)}
        return wrap(build(backend, forward, first=first, **layers))

    x = pictures(samples)
    expected = rf"'views' returns shape \({2 * samples}, 4, 6, 6\) for {samples} samples.*first axis is the samples"
    with pytest.raises(tl.errors.LayerError, match=expected):
        tl.explain(net(nn.Identity()), x, method, 0, layer="views")
    with pytest.raises(tl.errors.LayerError, match="no convolution once, and once a picture"):
        tl.explain(net(nn.Identity()), x, method, 0)


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_the_convolution_of_another_head_is_passed_over(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        seen = net.relu(net.conv(x))
        return net.fc(backend.mean(seen, (2, 3))), net.picture(seen)

    net = build(
        backend, forward, conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), fc=nn.Linear(4, 2), picture=nn.Conv2d(4, 3, 3)
    )
    params = params_of(method)
    found = tl.explain(wrap(net, output=lambda heads: heads[0]), pictures(1), method, 0, **params)
    assert str(found.extras["layer"]) == "conv"
    other = tl.explain(wrap(net, output=lambda heads: backend.mean(heads[1], (2, 3))), pictures(1), method, 0, **params)
    assert str(other.extras["layer"]) == "picture"


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_a_network_without_convolutions_has_no_layer_to_choose(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.LayerError, match="runs no convolution"):
        tl.explain(linear_net(backend, np.ones((2, 192))), pictures(1), method, 0)


@pytest.mark.parametrize(
    "method", ["gradcam", "gradcam_elementwise", "segeigencam", "shapleycam", "finercam", "guided_gradcam"]
)
def test_a_layer_that_the_score_does_not_depend_on_has_no_gradient(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        net.aside(x)
        return net.fc(backend.mean(net.relu(net.conv(x)), (2, 3)))

    net = build(backend, forward, conv=nn.Conv2d(3, 4, 3), aside=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), fc=nn.Linear(4, 2))
    with pytest.raises(tl.errors.NoGradientError, match="arrives at layer 'aside'"):
        tl.explain(wrap(net), pictures(1), method, 0, layer="aside", **params_of(method))


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_four_spellings_of_one_network_have_one_map(backend: Backend, method: str) -> None:
    x = pictures(2)
    maps = [
        tl.explain(pooled_net(backend, spelling), x, method, [1, 3], layer="conv2").values for spelling in SPELLINGS
    ]
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-12, atol=1e-15)
    assert np.abs(maps[0]).max() > 0


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_a_second_layer_gets_its_own_map(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)
    tl.explain(model, x, method, 1, layer="4")
    again = tl.explain(model, x, method, 1, layer="0").values
    fresh = tl.explain(small_net(backend, dtype="float64"), x, method, 1, layer="0").values
    np.testing.assert_array_equal(again, fresh)


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_a_map_of_one_position_is_legal(backend: Backend, method: str) -> None:
    native = native_nn(backend)
    nn = backend.nn
    net = native.Sequential(nn.Conv2d(3, 4, 8), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    model = randomise(wrap(net, dtype="float64"))
    found = tl.explain(model, pictures(2), method, 1, layer="1", **params_of(method))
    assert found.extras["map"].shape == (2, 1, 1, 1)
    if method != "guided_gradcam":
        np.testing.assert_allclose(found.values, np.broadcast_to(found.extras["map"], (2, 1, 8, 8)))
    with pytest.raises(tl.errors.LayerError, match="more than one position"):
        tl.explain(model, pictures(2), method, 1)
