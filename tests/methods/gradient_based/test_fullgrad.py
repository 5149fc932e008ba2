"""FullGrad shares the score out among input and biases without a rest, and its map is the paper's, written by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...frameworks import need
from ...nets import linear_net, pictures, randomise, small_net
from ..backpropagation.lrp.nets import network, sequential
from ..backpropagation.nets import SHAPE, SPELLINGS, Array, Twin, spelt_net, windows
from ..cams.nets import bilinear

TARGETS = [0, 2, 3]


def psi(terms: Array, rescale: bool, size: tuple[int, int] = (6, 6), together: bool = False) -> Array:
    """The paper's post-processing of the terms (C, h, w) of one layer, channel by channel or all at once."""
    total = np.zeros(size)
    bounds = np.abs(terms)
    for channel in np.abs(terms):
        low, high = (bounds.min(), bounds.max()) if together else (channel.min(), channel.max())
        total += bilinear((channel - low) / (high - low) if rescale else channel, *size)
    return total


def by_hand(twin: Twin, biases: list[Array], x: Array, target: int, rescale: bool) -> dict[str, Any]:
    """Map and sums of the network of `spelt_net`, from its signals in front of every bias."""
    _, h, _, k, _ = twin.run(x)
    at_k = twin.head[target] * (k > 0)
    at_z = np.zeros_like(h)
    for value, window in zip(twin.second.T @ at_k + at_k, windows(), strict=True):
        at_z[window[h[window].argmax()]] += value * (h[window].max() > 0)
    first, second = (
        (signal * np.repeat(b, signal.size // len(b))).reshape(len(b), side, side)
        for signal, b, side in ((at_z, biases[0], 6), (at_k, biases[1], 3))
    )
    own = x * (twin.first.T @ at_z).reshape(SHAPE)
    return {
        "input_map": psi(own, rescale, together=True)[None],
        "bias_map": (psi(first, rescale) + psi(second, rescale))[None],
        "input": own.sum(),
        "biases": first.sum() + second.sum() + twin.head_bias[target],
    }


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str, rescale: bool) -> None:
    model, x = spelt_net(backend, spelling), pictures(3, shape=SHAPE).astype(np.float64) - 0.5
    state, twin = model.state(), Twin(model)
    biases = [state["first.bias"], state["second.bias"]]
    found = tl.explain(model, x, "fullgrad", TARGETS, rescale=rescale)
    for i, target in enumerate(TARGETS):
        for name, expected in by_hand(twin, biases, x[i], target, rescale).items():
            # Rounding of some 1e-16 in sums of 100 numbers, divided by ranges that are not small.
            np.testing.assert_allclose(found.extras[name][i], expected, rtol=1e-10, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.values, found.extras["input_map"] + found.extras["bias_map"], rtol=1e-12)
    assert found.error.worst < 1e-12


# -- completeness --------------------------------------------------------------------------------------------------


def residual_net(backend: Backend) -> Model:
    """Batch norms before, behind and away from convolutions, of both signs and of scale 0; sums; all kinds of bias."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        one = net.relu(net.norm2(net.conv1(net.norm1(x))))
        two = net.relu(net.norm3(net.conv2(one) + one))
        three = net.pool(net.relu(net.conv2(two)))
        hidden = net.relu(net.norm4(net.fc1(three.flatten(1))))
        return net.fc2(hidden)

    model = network(
        backend, forward,
        norm1=nn.BatchNorm2d(3), conv1=nn.Conv2d(3, 4, 3, padding=1, bias=False), norm2=nn.BatchNorm2d(4),
        conv2=nn.Conv2d(4, 4, 3, padding=1, groups=2), norm3=nn.BatchNorm2d(4), norm4=nn.BatchNorm1d(6),
        relu=nn.ReLU(), pool=nn.AvgPool2d(2), fc1=nn.Linear(64, 6), fc2=nn.Linear(6, 5),
    )  # fmt: skip
    state = model.state()
    state["norm2.weight"][0] *= -1
    state["norm3.weight"][1] = 0
    model.load_state(state)
    return model


NETS: dict[str, Callable[[Backend], Model]] = {
    "small": lambda backend: small_net(backend, dtype="float64"),
    "residual": residual_net,
    "linear": lambda backend: linear_net(
        backend, np.random.default_rng(0).normal(size=(5, 192)), np.arange(1.0, 6)
    ),
    "leaky": lambda backend: sequential(
        backend, backend.nn.Conv2d(3, 4, 3), backend.nn.LeakyReLU(), backend.nn.Flatten(), backend.nn.Linear(144, 5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("net", list(NETS))
def test_the_terms_add_up_to_the_score(backend: Backend, net: str) -> None:
    model, x = NETS[net](backend), pictures(3)
    found = tl.explain(model, x, "fullgrad", [4, 0, 1])
    explained = found.scores[range(3), [4, 0, 1]]
    np.testing.assert_allclose(found.extras["input"] + found.extras["biases"], explained, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.error.scale, explained, rtol=1e-15)
    assert np.abs(found.error.values).max() < 1e-12
    np.testing.assert_allclose(
        found.extras["input"], tl.explain(model, x, "input_x_gradient", [4, 0, 1]).values.sum((1, 2, 3)), rtol=1e-10
    )


def test_in_single_precision_only_rounding_is_missing(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(4), "fullgrad")
    # 6e-8 times the root of a few hundred summands.
    assert found.error.worst < 1e-5


def test_the_biases_terms_are_the_slopes_of_the_score_in_them(backend: Backend) -> None:
    """By finite differences of the weights themselves; of a batch norm ``β - γ μ / σ``, whose slope is that of β."""
    model, x = residual_net(backend), pictures(2)
    found = tl.explain(model, x, "fullgrad", 2)
    state, expected = model.state(), np.zeros(2)
    biases = {name: array.copy() for name, array in state.items() if name.endswith(".bias")}
    for name in biases:
        norm = name.removesuffix(".bias")
        if f"{norm}.running_var" in state:
            scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + float(np.float32(1e-5)))
            biases[name] -= scale * state[f"{norm}.running_mean"]
    for name, terms in biases.items():
        for place, bias in enumerate(terms):
            scores = []
            for step in (1e-6, -1e-6):
                moved = {other: array.copy() for other, array in state.items()}
                moved[name][place] += step
                model.load_state(moved)
                scores.append(model.forward(x)[:, 2])
            expected += bias * (scores[0] - scores[1]) / 2e-6
    model.load_state(state)
    # Differences of 1e-6 in scores of about 1, known to 1e-16, and some 30 of them.
    np.testing.assert_allclose(found.extras["biases"], expected, rtol=1e-7, atol=1e-7)


def test_a_transposed_convolution_has_its_bias_too(backend: Backend) -> None:
    nn = importlib.import_module(f"{backend.name}.nn")
    transposed = getattr(nn, "ConvTranspose2d" if backend.name == "torch" else "Conv2DTranspose")
    model = sequential(backend, transposed(3, 4, 3), backend.nn.ReLU(), backend.nn.Flatten(), backend.nn.Linear(400, 5))
    assert tl.explain(model, pictures(2), "fullgrad").error.worst < 1e-12


def test_a_batch_norm_with_an_activation_inside_has_the_shift_of_the_norm(both: tuple[Backend, Backend]) -> None:
    torch, paddle = both
    model = sequential(
        torch, torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(144, 5),
    )  # fmt: skip
    own = importlib.import_module("paddle.nn").BatchNorm(4, act="relu")
    layers = [paddle.nn.Conv2d(3, 4, 3), own, paddle.nn.Identity(), paddle.nn.Flatten(), paddle.nn.Linear(144, 5)]
    same = tl.wrap(paddle.nn.Sequential(*layers), dtype="float64")
    same.load_state(model.state())
    found = [tl.explain(each, pictures(2), "fullgrad", 1) for each in (model, same)]
    np.testing.assert_allclose(found[1].values, found[0].values, rtol=1e-9, atol=1e-11)
    assert found[1].error.worst < 1e-12


def test_what_is_left_out_is_the_error(backend: Backend) -> None:
    """The shift of a batch norm that is a function, the bend of an activation, a product: as much as they are."""
    nn, functional = backend.nn, importlib.import_module(f"{backend.name}.nn").functional
    parts = {"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(144, 5)}
    mean, variance = (backend.asarray(values) for values in (np.full(4, 0.3), np.full(4, 2.0)))

    def normed(net: Any, x: Any) -> Any:
        return net.fc(functional.batch_norm(net.conv(x), mean, variance).flatten(1))

    model, x = network(backend, normed, **parts), pictures(2)
    found = tl.explain(model, x, "fullgrad", 1)
    shift = -0.3 / np.sqrt(2 + float(np.float32(1e-5)))
    np.testing.assert_allclose(found.error.values, -shift * model.state()["fc.weight"][1].sum(), rtol=1e-6)

    def bent(net: Any, x: Any) -> Any:
        return net.fc(functional.relu6(100 * net.conv(x)).flatten(1))

    model = network(backend, bent, **parts)
    found = tl.explain(model, x, "fullgrad", 1)
    with backend.no_grad():
        z = 100 * backend.numpy(model.net.conv(model.tensor(x.astype(np.float64)))).reshape(2, -1)
    np.testing.assert_allclose(found.error.values, -6 * (z > 6) @ model.state()["fc.weight"][1], rtol=1e-10)

    def squared(net: Any, x: Any) -> Any:
        h = net.conv(x).flatten(1)
        return net.fc(h * h)

    # The terms of a square count it twice.
    model = network(backend, squared, **parts)
    found = tl.explain(model, x, "fullgrad", 1)
    np.testing.assert_allclose(found.error.values, found.scores[:, 1] - model.state()["fc.bias"][1], rtol=1e-10)


def test_a_probability_is_not_linear_and_the_error_says_so(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    probability = tl.explain(model, x, "fullgrad", 1, of="probability")
    np.testing.assert_allclose(probability.error.scale, model.probabilities(x)[:, 1], rtol=1e-12)
    assert probability.error.worst > 0.1
    function = tl.explain(model, x, "fullgrad", lambda scores: 2 * scores[:, 1])
    assert function.target is None
    assert function.error.worst < 1e-12
    np.testing.assert_allclose(function.values, tl.explain(model, x, "fullgrad", 1).values, rtol=1e-10)


# -- the map -------------------------------------------------------------------------------------------------------


def test_rescaled_maps_know_no_units_and_the_others_have_those_of_the_score(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    before = {rescale: tl.explain(model, x, "fullgrad", 1, rescale=rescale).values for rescale in (True, False)}
    state = model.state()
    model.load_state(state | {name: 1000 * state[name] for name in ("9.weight", "9.bias")})
    after = {rescale: tl.explain(model, x, "fullgrad", 1, rescale=rescale).values for rescale in (True, False)}
    np.testing.assert_allclose(after[True], before[True], rtol=1e-10)
    np.testing.assert_allclose(after[False], 1000 * before[False], rtol=1e-10)
    assert all((values >= 0).all() for values in after.values())


def test_a_flat_map_counts_nothing_whatever_its_rounding(backend: Backend) -> None:
    """Without a rectifier the gradient is the same everywhere, but for how the sums of an enlarged map round."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        return net.fc(backend.resize(net.two(net.one(x)), (18, 18)).mean((2, 3)))

    layers = {"one": nn.Conv2d(3, 16, 3), "two": nn.Conv2d(16, 32, 1), "fc": nn.Linear(32, 5)}
    model = network(backend, forward, dtype="float32", **layers)
    found = tl.explain(model, pictures(2), "fullgrad", 1)
    assert not found.extras["bias_map"].any()
    assert found.extras["input_map"].any()
    assert tl.explain(model, pictures(2), "fullgrad", 1, rescale=False).extras["bias_map"].min() > 0


def test_the_input_is_what_enters_the_network(backend: Backend) -> None:
    """A normalisation before the network has no bias in the paper: its input is the normalised picture."""
    net, x = small_net(backend, dtype="float64").net, pictures(2).astype(np.float64)
    mean, deviation = [0.4, 0.5, 0.3], [0.2, 0.3, 0.25]
    normal = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(deviation, (3, 1, 1))
    found = tl.explain(tl.wrap(net, preprocess=tl.Normalise(mean, deviation)), x, "fullgrad", 1)
    expected = tl.explain(tl.wrap(net), normal, "fullgrad", 1)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    assert found.error.worst < 1e-12


def test_a_preprocessing_that_resizes_gives_a_map_of_the_pictures_size(backend: Backend) -> None:
    net = small_net(backend, dtype="float64").net
    model = tl.wrap(net, preprocess=lambda x: backend.resize(x, (8, 8)))
    found = tl.explain(model, pictures(2, shape=(3, 13, 11)), "fullgrad", 1)
    assert found.values.shape == (2, 1, 13, 11)
    assert found.error.worst < 1e-12


def test_pytorch_grad_cam_gives_the_same_where_it_sees_the_biases() -> None:
    """Grey pictures, because it rescales the channels of colour pictures one by one; then its own last scaling."""
    backend = need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, x = small_net(backend, channels=1), pictures(3, shape=(1, 8, 8))
    # Large gradients, beside which the 1e-7 that it adds to denominators is small.
    model.load_state(model.state() | {"9.weight": 100 * model.state()["9.weight"]})
    with package.FullGrad(model.net.eval(), []) as cam:
        expected = cam(model.tensor(x), [ClassifierOutputTarget(target) for target in (3, 0, 1)])
    found = tl.explain(model, x, "fullgrad", [3, 0, 1]).values[:, 0]
    low, high = (bound(found, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    np.testing.assert_allclose((found - low) / (high - low), expected, atol=1e-5)


# -- what it is not for --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_it_cannot_hold_for_is_named(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.ones((2, 4))), np.ones((1, 4)), "fullgrad")
    with pytest.raises(tl.errors.MethodError, match="rescale=1 is neither"):
        tl.explain(small_net(backend), pictures(1), "fullgrad", rescale=1)
    flat = tl.wrap(linear_net(backend, np.ones((2, 192))).net, preprocess=lambda x: x.flatten(1))
    with pytest.raises(tl.errors.MethodError, match="no map for each"):
        tl.explain(flat, pictures(1), "fullgrad")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_program_is_refused_by_name() -> None:
    need("torch")
    import torch

    program = torch.jit.trace(small_net(need("torch")).net.eval(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(tl.errors.MethodError, match="cannot be seen"):
        tl.explain(tl.wrap(program), pictures(1), "fullgrad")


def test_a_convolution_of_constants_is_no_part_of_the_sum(backend: Backend) -> None:
    """What does not depend on the input has no gradient to pass by: the error says how much that is."""
    nn = backend.nn
    ones = backend.asarray(np.ones((1, 2)))

    def forward(net: Any, x: Any) -> Any:
        return net.fc(net.conv(x).mean((2, 3))) + net.position(ones)

    model = randomise(
        tl.wrap(
            nn.Module(forward, conv=nn.Conv2d(3, 4, 3), fc=nn.Linear(4, 5), position=nn.Linear(2, 5)), dtype="float64"
        )
    )
    found = tl.explain(model, pictures(3), "fullgrad", 1)
    state = model.state()
    constant = state["position.weight"][1].sum() + state["position.bias"][1]
    np.testing.assert_allclose(found.error.values, -constant, rtol=1e-10)


# -- awkward networks ----------------------------------------------------------------------------------------------


def test_a_sample_whose_own_axis_is_squeezed_away_keeps_its_biases(backend: Backend) -> None:
    """Alone, a sample goes through the convolution and the linear layer without the axis of the batch."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        maps = backend.reshape(net.two(net.one(x).squeeze()), (-1, 4, 6, 6))
        return backend.reshape(net.fc(nn.ReLU()(maps).mean((2, 3)).squeeze()), (-1, 5))

    layers = {"one": nn.Conv2d(3, 4, 3), "two": nn.Conv2d(4, 4, 1), "fc": nn.Linear(4, 5)}
    if backend.name == "paddle":
        # Its convolutions refuse a sample without its axis.
        layers["two"] = nn.Identity()
    model, x = network(backend, forward, **layers), pictures(3)
    together, alone = (tl.explain(model, x, "fullgrad", [4, 0, 1], batch_size=size) for size in (3, 1))
    np.testing.assert_allclose(alone.values, together.values, rtol=1e-10)
    assert max(together.error.worst, alone.error.worst) < 1e-12


def test_a_loop_over_the_samples_is_refused_unless_there_is_one(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        maps = [net.conv(x[i : i + 1]) for i in range(len(x))]
        return net.fc(backend.concat(maps).mean((2, 3)))

    model, x = network(backend, forward, conv=nn.Conv2d(3, 4, 3), fc=nn.Linear(4, 5)), pictures(3)
    with pytest.raises(tl.errors.MethodError, match="runs 4 linear layers and convolutions for 3 samples, 2 for one"):
        tl.explain(model, x, "fullgrad", 1, batch_size=3)
    assert tl.explain(model, x, "fullgrad", 1, batch_size=1).error.worst < 1e-12


def test_biases_of_the_preprocessing_are_part_of_the_input(backend: Backend) -> None:
    net, x = small_net(backend, dtype="float64").net, pictures(2).astype(np.float64)
    colours = randomise(tl.wrap(backend.nn.Conv2d(3, 3, 1), dtype="float64")).net
    found = tl.explain(tl.wrap(net, preprocess=colours), x, "fullgrad", 1)
    with backend.no_grad():
        entering = backend.numpy(colours(backend.asarray(x)))
    np.testing.assert_allclose(found.values, tl.explain(tl.wrap(net), entering, "fullgrad", 1).values, rtol=1e-10)
    assert found.error.worst < 1e-12


def test_a_preprocessing_that_makes_several_pictures_of_one_is_refused(backend: Backend) -> None:
    model = tl.wrap(
        small_net(backend).net,
        preprocess=lambda x: backend.concat([x, x]),
        output=lambda scores: scores[: len(scores) // 2],
    )
    with pytest.raises(tl.errors.MethodError, match=r"shape \(4, 3, 8, 8\) of 2 pictures, which is no map for each"):
        tl.explain(model, pictures(2), "fullgrad", 1)


def test_a_gradient_near_the_smallest_numbers_has_a_map_like_any_other(backend: Backend) -> None:
    """In single precision exp(-89) is a number, and 1 / exp(-89) is none; rescaled maps know no units."""
    model, x = small_net(backend), pictures(2)
    state, last = model.state(), np.eye(5)[4]
    model.load_state(state | {"9.weight": state["9.weight"] * last[:, None], "9.bias": 89 * (1 - last)})
    found, expected = (tl.explain(model, x, "fullgrad", 4, of=of).values for of in ("probability", "log_probability"))
    # Numbers of 1e-39 and less have a few digits only.
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.max())


def test_a_convolution_with_channels_last_is_named_where_only_its_call_says_so() -> None:
    backend = need("paddle")
    from paddle.nn import functional

    def forward(net: Any, x: Any) -> Any:
        last = functional.conv2d(x.transpose([0, 2, 3, 1]), net.conv.weight, net.conv.bias, data_format="NHWC")
        return net.fc(last.mean((1, 2)))

    model = network(backend, forward, conv=backend.nn.Conv2d(3, 4, 3), fc=backend.nn.Linear(4, 5))
    with pytest.raises(tl.errors.MethodError, match="its channels come last"):
        tl.explain(model, pictures(1), "fullgrad", 1)
