"""Whole networks are built anew in the other framework, verified, or refused; the source stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Model, get_backend
from twinlens.comparison.conversion.convert import convert
from twinlens.errors import BackendError, ModelError

from ...frameworks import need, paddle, torch
from ...nets import pictures, randomise, small_net
from ...random_states import random_states
from .rebuilt import EXACT
from .student_nets import NETS, SHAPE, Join, TwoOutputs

nn = torch.nn


def in_double(net: Any) -> Model:
    return tl.wrap(net, dtype="float64")


def assert_same_network(source: Model, built: Model, x: np.ndarray, limit: float = EXACT[0]) -> None:
    here, there = in_double(source.net), in_double(built.net)
    for ours, theirs in (
        (here.forward(x), there.forward(x)),
        (here.gradient(x, target=1), there.gradient(x, target=1)),
    ):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=limit * np.abs(ours).max())


@pytest.mark.parametrize("name", NETS)
def test_a_students_network_is_the_same_on_paddle(name: str) -> None:
    need("paddle")
    with get_backend("torch").seeded(0):
        source = tl.wrap(NETS[name]().eval(), input_shape=SHAPE)
    built = convert(source)
    assert isinstance(built.net, paddle.nn.Layer)
    x = pictures(3, 7, SHAPE) - 0.5
    assert_same_network(source, built, x)
    # The same layers under the same names, with the same weights.
    assert [row.name for row in built.layers()] == [row.name for row in source.layers()]
    for key, array in source.state().items():
        np.testing.assert_array_equal(built.state()[key], array)


SET = [
    "ELU(0.3)", "CELU(0.3)", "SELU(1.1, 1.3)", "Softshrink(0.1)", "Hardtanh(-0.5, 0.7)", "Softplus(0.3, 1)", "RReLU()",
    "Dropout(0.4, mode='downscale_in_infer')", "ThresholdedReLU(0.1)", "LeakyReLU(0.3)", "BatchNorm1D(6, epsilon=0.3)",
]  # fmt: skip


@pytest.mark.parametrize("layer", SET)
def test_layers_of_paddle_may_be_set_to_numbers_that_single_precision_does_not_hold(layer: str) -> None:
    need("paddle")
    net = paddle.nn.Sequential(paddle.nn.Linear(6, 6), eval(f"nn.{layer}", {"nn": paddle.nn}), paddle.nn.Linear(6, 3))
    source = randomise(tl.wrap(net, input_shape=(6,)))
    x = np.random.default_rng(0).normal(size=(4, 6))
    # The rebuilt network has Paddle's numbers; only the gradient of SELU multiplies two of them in single precision.
    assert_same_network(source, convert(source), x, 1e-6 if "SELU" in layer else EXACT[0])


def _thin(name: str) -> Any:
    """Networks of torchvision with all their kinds of layers and few channels."""
    from twinlens.backends.torch_backend import import_torchvision

    models = import_torchvision().models
    return {
        "resnet": lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5, width_per_group=64),
        "mobilenet_v2": lambda: models.mobilenet_v2(num_classes=5, width_mult=0.25),
        "mobilenet_v3_small": lambda: models.mobilenet_v3_small(num_classes=5, width_mult=0.5),
        "squeezenet1_1": lambda: models.squeezenet1_1(num_classes=5),
        "densenet": lambda: models.DenseNet(4, (2, 2), 8, num_classes=5),
        "shufflenet_v2": lambda: models.ShuffleNetV2([1, 1, 1], [8, 16, 24, 32, 48], num_classes=5),
        "convnext": lambda: models.ConvNeXt(
            [models.convnext.CNBlockConfig(8, 16, 1), models.convnext.CNBlockConfig(16, None, 1)], 0.1, num_classes=5
        ),
        "swin": lambda: models.SwinTransformer([4, 4], 24, [1, 1], [2, 3], [4, 4], num_classes=5),
        "vision transformer": lambda: models.VisionTransformer(32, 8, 2, 2, 24, 32, num_classes=5),
    }[name]()


@pytest.mark.parametrize(
    "name",
    [
        *("resnet", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "densenet", "shufflenet_v2", "convnext"),
        *("swin", "vision transformer"),
    ],
)
def test_a_network_of_torchvision_is_the_same_on_paddle(name: str) -> None:
    need("paddle")
    with get_backend("torch").seeded(0):
        source = randomise(tl.wrap(_thin(name).eval(), input_shape=(3, 32, 32)))
    built = convert(source)
    limit = 1e-6 if name == "mobilenet_v3_small" else EXACT[0]  # hard sigmoids
    assert_same_network(source, built, pictures(2, 3, (3, 32, 32)), limit)


def test_layers_are_hooked_under_the_same_names() -> None:
    need("paddle")
    source = tl.wrap(NETS["residual"]().eval(), input_shape=SHAPE)
    built, x = convert(source), pictures(2, 1, SHAPE)
    names = [row.name for row in source.layers(SHAPE) if row.calls and row.name]
    with source.capture(names) as here, built.capture(names) as there:
        source.forward(x)
        built.forward(x)
    for name in names:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5)


def test_the_way_back_gives_the_first_network() -> None:
    need("paddle")
    source = tl.wrap(NETS["branches"]().eval(), input_shape=SHAPE)
    again = convert(convert(source))
    assert isinstance(again.net, nn.Module)
    x = pictures(2, 1, SHAPE)
    np.testing.assert_allclose(again.forward(x), source.forward(x), rtol=1e-4, atol=1e-6)
    for key, array in source.state().items():
        np.testing.assert_array_equal(again.state()[key], array)


def test_both_train_alike() -> None:
    need("paddle")
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3, eps=1e-3), nn.ReLU(), nn.Flatten())
    built = convert(tl.wrap(net, input_shape=SHAPE), "paddle").net
    x = pictures(4, 1, SHAPE)
    assert built.training
    assert built[1].training
    for _ in range(2):
        ours, theirs = net(torch.tensor(x)), built(paddle.to_tensor(x))
    np.testing.assert_allclose(theirs.numpy(), ours.detach().numpy(), rtol=1e-4, atol=1e-5)
    for key, array in get_backend("torch").state(net).items():
        np.testing.assert_allclose(get_backend("paddle").state(built)[key], array, rtol=1e-5, atol=1e-6)


def test_dropout_drops_in_training_only() -> None:
    need("paddle")
    source = tl.wrap(NETS["functional dropout"]().eval(), input_shape=SHAPE)
    built, x = convert(source).net, paddle.to_tensor(pictures(2, 1, SHAPE))
    with get_backend("paddle").seeded(0):
        assert np.array_equal(built(x).numpy(), built(x).numpy())
        built.train()
        assert not np.array_equal(built(x).numpy(), built(x).numpy())


def test_flags_come_along() -> None:
    need("paddle")
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    built = convert(tl.wrap(net), x=np.random.default_rng(0).random((3, 4))).net
    assert [built.training, *(layer.training for layer in built)] == [True, True, False, True]
    assert [built[0].weight.stop_gradient, built[0].bias.stop_gradient] == [True, False]


def test_flags_inside_an_attention_come_along() -> None:
    need("paddle")
    encoder = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True).eval()
    encoder.self_attn.out_proj.weight.requires_grad_(False)
    built = convert(tl.wrap(encoder), x=np.random.default_rng(0).random((2, 5, 8))).net
    assert built.self_attn.out_proj.weight.stop_gradient
    assert not built.self_attn.in_proj_weight.stop_gradient
    assert not any(layer.training for layer in built.sublayers(include_self=True))


def test_a_shared_weight_stays_one_weight() -> None:
    need("paddle")
    source = tl.wrap(NETS["shared weight"]().eval(), input_shape=SHAPE)
    built = convert(source).net
    assert built.first.weight is built.second.weight
    tied = convert(tl.wrap(NETS["tied embedding"]().eval(), input_shape=SHAPE)).net
    assert tied.embedding.weight is tied.out.weight


def test_a_reused_layer_stays_one_layer() -> None:
    need("paddle")
    built = convert(tl.wrap(NETS["reused layer"]().eval(), input_shape=SHAPE)).net
    assert built.again is built.body


def test_what_the_model_knows_comes_along() -> None:
    need("paddle")
    net = TwoOutputs().eval()
    source = tl.wrap(net, tl.Normalise(0.5, 0.25), labels=list("abcde"), output=lambda out: out[0], input_shape=SHAPE)
    source.name = "named"
    built = convert(source)
    assert (built.name, built.labels, built.input_shape) == ("named", list("abcde"), SHAPE)
    x = pictures(2, 1, SHAPE)
    np.testing.assert_allclose(built.forward(x), source.forward(x), rtol=1e-4, atol=1e-5)


def test_double_networks_stay_double() -> None:
    need("paddle")
    source = tl.wrap(NETS["residual"]().eval(), dtype="float64", input_shape=SHAPE)
    built = convert(source)
    assert built.dtype == "float64"
    assert paddle.get_default_dtype() == "float32"
    x = pictures(2, 1, SHAPE)
    np.testing.assert_allclose(built.forward(x), source.forward(x), rtol=1e-10)


def test_tokens_are_taken_as_they_are() -> None:
    need("paddle")
    net = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3)).eval()
    built = convert(net, x=np.random.default_rng(0).integers(9, size=(4, 5)))
    tokens = np.random.default_rng(1).integers(9, size=(2, 5))
    expected = net(torch.tensor(tokens)).detach().numpy()
    np.testing.assert_allclose(built.net(paddle.to_tensor(tokens)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_another_batch_size_is_fine_and_another_shape_is_refused_where_it_matters() -> None:
    need("paddle")
    built = convert(tl.wrap(NETS["decides by shape"]().eval(), input_shape=SHAPE))
    assert built.forward(pictures(5, 1, SHAPE)).shape == (5, 4)
    with pytest.raises(ModelError, match="another shape"):
        built.forward(pictures(5, 1, (3, 4, 4)))


# -- the source ------------------------------------------------------------------------------------------------


class Grumbles(nn.Module):
    """Fails after a while, and would count its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        if self.first(x).sum() > 0:
            return x
        return -x


@pytest.mark.parametrize("make", [NETS["residual"], Grumbles])
def test_the_source_stays_as_it_was(make: Callable[[], Any]) -> None:
    need("paddle")
    net = make()
    net.train()
    children = list(net.modules())
    children[-1].eval()
    next(iter(net.parameters())).requires_grad_(False)
    seen: list[Any] = []
    handle = children[1].register_forward_hook(lambda *args: seen.append(args))
    before = {
        "state": {key: t.clone() for key, t in net.state_dict().items()},
        "attributes": {id(m): set(vars(m)) for m in net.modules()},
        "modes": [m.training for m in net.modules()],
        "flags": [p.requires_grad for p in net.parameters()],
        "hooks": [len(m._forward_hooks) for m in net.modules()],
        "random": random_states(),
        "patched": (torch.zeros, nn.Module.__call__, paddle.get_default_dtype()),
    }
    x = pictures(3, 1, SHAPE) if make is not Grumbles else np.random.default_rng(0).random((3, 4))
    try:
        convert(net, x=x)
    except ModelError:
        assert make is Grumbles
    assert all(torch.equal(t, before["state"][key]) for key, t in net.state_dict().items())
    assert {id(m): set(vars(m)) for m in net.modules()} == before["attributes"]
    assert [m.training for m in net.modules()] == before["modes"]
    assert [p.requires_grad for p in net.parameters()] == before["flags"]
    assert all(p.grad is None for p in net.parameters())
    assert [len(m._forward_hooks) for m in net.modules()] == before["hooks"]
    assert random_states() == before["random"]
    assert (torch.zeros, nn.Module.__call__, paddle.get_default_dtype()) == before["patched"]
    handle.remove()


# -- refusals --------------------------------------------------------------------------------------------------


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, dilation=2))
        self.late = nn.Sequential(nn.LPPool2d(2, 2))

    def forward(self, x: Any) -> Any:
        x = torch.fft.fft2(x).real
        x = self.late(self.body(x))
        return torch.linalg.svdvals(x.flatten(1))


def test_everything_unknown_is_listed_in_one_error_with_its_place() -> None:
    need("paddle")
    with pytest.raises(ModelError) as caught:
        convert(tl.wrap(Unknown(), input_shape=SHAPE))
    text = str(caught.value)
    assert "\n" not in text
    for part in ("fft_fft2", "'body.1'", "dilation=2", "lp_pool2d", "'late.0'", "linalg_svdvals", "Unknown line"):
        assert part in text


class Decides(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.mean() > 0 else -x


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        self.seen.add_(1)
        return x * self.seen


class Overwrites(nn.Module):
    def forward(self, x: Any) -> Any:
        y = x * 2
        z = y.view(len(y), -1)
        z.add_(1)
        return y


class Draws(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + torch.rand(1)


class CountsSamples(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.reshape(len(x), -1)


class CutsTheGraph(nn.Module):
    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            y = x * 2
        return x + y


class TwoOptions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.join = Join()

    def forward(self, x: Any) -> Any:
        x = torch.cat([x, x, x[:, :1]], 1)
        return self.join(x) + self.join(x, factor=2.0)


class TakenName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sublayers = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.sublayers(x)


class PreActivation(nn.Module):
    """What the body changes is read again outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))

    def forward(self, x: Any) -> Any:
        x = x * 2
        return self.body(x) + x


class TwoInputs(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Decides, "values of a tensor"),
        (Remembers, "'seen' in place"),
        (Overwrites, "in place"),
        (Draws, "differ"),
        (CountsSamples, "not len"),
        (CutsTheGraph, "input gradients differ"),
        (TwoOptions, "different options .*'join'"),
        (PreActivation, "changes a tensor in place"),
        (TakenName, "'sublayers' is taken"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Linear(4, 2).double()), "mixes float32 and float64"),
        (TwoInputs, "missing 1 required"),
    ],
)
def test_what_cannot_be_the_same_is_refused(make: Callable[[], Any], reason: str) -> None:
    need("paddle")
    with pytest.raises(ModelError, match=reason):
        convert(make(), x=pictures(2) - 0.5)


def test_wrong_calls_are_refused(backend: Any) -> None:
    need("torch"), need("paddle")
    model = small_net(backend)
    with pytest.raises(BackendError, match="already"):
        convert(model, backend.name)
    with pytest.raises(BackendError):
        convert(model, "keras")
    with pytest.raises(BackendError):
        convert("resnet18")
    with pytest.raises(ModelError, match="does not run"):
        convert(model, x=np.ones((2, 5, 8, 8)))
    with pytest.raises(ModelError, match="Pass x="):
        convert(tl.wrap(torch.nn.Identity()))
    with pytest.raises(ModelError, match="float16"):
        convert(tl.wrap(torch.nn.Linear(3, 2).half()), x=np.ones((2, 3)))
