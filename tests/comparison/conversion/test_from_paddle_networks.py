from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from twinlens.backends import wrap
from twinlens.comparison.conversion.convert import convert
from twinlens.comparison.conversion.from_paddle import torch_network
from twinlens.errors import LayerError
from twinlens.methods import explain

from ...frameworks import need, paddle
from .rebuilding import formula, gap, randomised, rebuilt


@pytest.fixture(autouse=True)
def _both() -> None:
    need("paddle")
    need("torch")


@pytest.fixture
def nets() -> Any:
    from . import everyday_nets

    return everyday_nets


def _pictures(samples: int, size: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, channels, size, size))


LIBRARY: dict[str, tuple[dict[str, Any], int, float, float]] = {
    "resnet18": ({}, 32, 1e-10, 1e-9),
    "vgg11": ({"num_classes": 0}, 32, 1e-10, 1e-9),
    "mobilenet_v1": ({"scale": 0.25}, 32, 1e-10, 1e-9),
    "mobilenet_v2": ({"scale": 0.25}, 32, 1e-10, 1e-9),
    "squeezenet1_0": ({}, 64, 1e-10, 1e-9),
    "shufflenet_v2_x0_25": ({}, 32, 1e-10, 1e-9),
    "alexnet": ({}, 67, 1e-10, 1e-9),
    "densenet121": ({}, 32, 1e-10, 1e-9),
    # Average pools and hardsigmoid are rounded by Paddle.
    "mobilenet_v3_small": ({"scale": 0.5}, 32, 1e-6, 1e-6),
    "googlenet": ({}, 96, 1e-10, 1e-6),
    "inception_v3": ({}, 80, 1e-10, 1e-6),
}
# These two count the numbers that a picture of 224 pixels leaves.
SMALLER = {"alexnet": {"_fc6": (256, 16), "_fc7": (16, 16), "_fc8": (16, 7)}}
SMALLER["googlenet"] = {"_fc_o1": (128, 1024), "_fc_o2": (128, 1024)}


@pytest.mark.parametrize("name", LIBRARY)
def test_library_networks_compute_the_same_in_torch(name: str) -> None:
    settings, size, values, gradient = LIBRARY[name]
    net = getattr(paddle.vision.models, name)(**{"num_classes": 7, **settings})
    for layer, sizes in SMALLER.get(name, {}).items():
        setattr(net, layer, paddle.nn.Linear(*sizes))
    net = randomised(net)
    found = gap(net, _pictures(1, size))
    assert found.values < values
    assert found.gradient < gradient
    assert set(need("torch").state(found.built)) == set(need("paddle").state(net))


def test_lenet_computes_the_same_in_torch_for_any_number_of_samples() -> None:
    net = randomised(paddle.vision.models.LeNet())
    assert gap(net, _pictures(1, 28, 1), _pictures(5, 28, 1)).values < 1e-10


def test_an_everyday_network_computes_the_same_in_torch(nets: Any) -> None:
    found = gap(randomised(nets.Everyday()), _pictures(2, 8), _pictures(3, 8))
    assert found.values < 1e-10
    assert found.gradient < 1e-9


def test_layers_have_the_names_the_order_and_the_kinds_of_the_source(nets: Any) -> None:
    net = nets.Everyday()
    built, torch, backend = rebuilt(net, _pictures(1, 8)), need("torch"), need("paddle")
    theirs = {name: backend.kind(layer) for name, layer in backend.modules(net).items()}
    ours = {name: torch.kind(layer) for name, layer in torch.modules(built).items()}
    assert list(ours) == list(theirs)
    assert ours == theirs


def test_every_layer_computes_what_the_source_s_layer_of_that_name_does(nets: Any) -> None:
    net = randomised(nets.Everyday(), dtype="float32")
    x = _pictures(2, 8).astype("float32")
    models = wrap(net), wrap(rebuilt(net, x))
    kept = []
    for model in models:
        names = ["blocks", "blocks.0", "blocks.1.conv1", "branches", "branches.branches.2", "pool", "fc"]
        with model.capture(names) as found:
            model.forward(x)
        kept.append({name: found[name] for name in names})
    for name, value in kept[0].items():
        assert np.allclose(value, kept[1][name], atol=1e-5), name


def test_functional_dropout_runs_in_training_only(nets: Any) -> None:
    built = rebuilt(nets.Everyday(), _pictures(1, 8))
    assert "self.training" in built.code
    torch = need("torch")
    x = torch.asarray(_pictures(1, 8), "float32")
    first, second = built(x), built(x)
    assert (first == second).all()
    with torch.seeded(0):
        assert not (built.train()(x) == built(x)).all()


def test_tied_weights_and_transposed_ones_compute_the_same_in_torch(nets: Any) -> None:
    found = gap(randomised(nets.Tied()), np.array([[1, 2, 3], [4, 5, 10]]))
    assert found.values < 1e-10


def test_what_the_source_shares_is_shared(nets: Any) -> None:
    net = randomised(nets.Shared())
    found = gap(net, np.random.default_rng(0).normal(size=(2, 6)))
    assert found.values < 1e-10
    assert found.gradient < 1e-9
    assert found.built.first is found.built.second
    assert found.built.third.weight is found.built.first.weight
    assert set(need("torch").state(found.built)) == set(need("paddle").state(net))


def test_lists_keywords_and_dictionaries_pass_between_layers(nets: Any) -> None:
    found = gap(randomised(nets.Outer()), np.random.default_rng(0).normal(size=(2, 6)), np.ones((5, 6)))
    assert found.values < 1e-10
    assert found.gradient < 1e-9


def test_several_inputs_are_recorded() -> None:
    class Sum(paddle.nn.Layer):
        def forward(self, x: Any, y: Any) -> Any:
            return x + 2 * y

    built = torch_network(Sum(), (np.ones((2, 3), "float32"), np.ones((2, 3), "float32")))
    torch = need("torch")
    x = torch.asarray(np.ones((4, 3), "float32"))
    assert (built(x, x) == 3).all()


def test_a_rebuilt_network_can_be_copied_and_pickled_with_all_its_layers(nets: Any) -> None:
    built, torch = rebuilt(nets.Everyday(), _pictures(1, 8)), need("torch")
    x = torch.asarray(_pictures(2, 8), "float32")
    for other in (copy.deepcopy(built), pickle.loads(pickle.dumps(built)), torch.converted(built, "float32")):
        assert list(torch.state(other)) == list(torch.state(built))
        assert list(torch.modules(other)) == list(torch.modules(built))
        assert torch.kind(other) == "everyday"
        assert other.training == built.training
        assert (other(x) == built(x)).all()
        other.fc.weight.data.zero_()
        assert built.fc.weight.abs().sum() > 0


class ChannelsLast(paddle.nn.Layer if paddle else object):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.conv = paddle.nn.Conv2D(3, 8, 3, data_format="NHWC", padding=1)
        self.norm = paddle.nn.BatchNorm2D(8, data_format="NHWC")
        self.fc = paddle.nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(paddle.nn.functional.relu(self.norm(self.conv(x))).mean([1, 2]))


def test_a_rebuilt_network_knows_the_layers_whose_channels_come_last() -> None:
    built, torch = rebuilt(ChannelsLast(), _pictures(2, 3, 8).astype("float32")), need("torch")
    for net in (built, copy.deepcopy(built), pickle.loads(pickle.dumps(built)), torch.converted(built, "float64")):
        known = [name for name, layer in torch.modules(net).items() if torch.has_channels_last(layer)]
        assert known == ["conv", "norm"]
    assert list(torch.state(built)) == list(need("paddle").state(ChannelsLast()))


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("gradcam", {"layer": "conv", "target": 1}),
        ("eigencam", {"layer": "conv", "target": 1}),
        ("filter_visualisation", {"layer": "conv", "filter": 0}),
        ("lrp", {"target": 1}),
    ],
)
def test_methods_that_read_channels_refuse_both_twins_alike(method: str, params: dict[str, Any]) -> None:
    x = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    source = wrap(ChannelsLast())
    said = []
    for model in (source, convert(source, x=x)):
        with pytest.raises(LayerError, match="channels on the last axis") as caught:
            explain(model, x, method, **params)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("cell", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_states_that_start_at_zero_follow_the_network_into_double_precision(cell: str) -> None:
    net = formula(lambda net, x: net.rnn(x)[0], rnn=paddle.nn.RNN(getattr(paddle.nn, cell)(4, 3)))
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    model = convert(wrap(net), x=x)
    assert np.allclose(wrap(model.net, dtype="float64").forward(x), wrap(net).forward(x), atol=1e-6)


def test_numbers_that_a_layer_makes_follow_its_input(nets: Any) -> None:
    net = formula(lambda x: paddle.full_like(x, 0.1) + paddle.zeros([3]) + paddle.full([3], 0.1))
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    built = rebuilt(net, x)
    assert built.code.count("torch.float32") == 1  # of 0.1, which double precision would be another number
    assert str(built.double()(need("torch").asarray(x, "float64")).dtype) == "torch.float64"


def test_parameters_that_were_not_trained_are_not_trained_in_torch(nets: Any) -> None:
    net = nets.Everyday()
    net.fc.weight.stop_gradient = True
    built = rebuilt(net, _pictures(1, 8))
    assert [name for name, p in built.named_parameters() if not p.requires_grad] == ["fc.weight"]


@pytest.mark.parametrize("training", [True, False])
def test_the_source_comes_back_as_it_was(nets: Any, training: bool) -> None:
    net = nets.Everyday()
    net.train() if training else net.eval()
    net.pool.eval()
    backend = need("paddle")
    names = dict(vars(paddle.Tensor)), dict(vars(paddle._C_ops)), paddle.nn.Layer.__call__, paddle.nn.functional.conv2d
    before = _described(net), {name: array.copy() for name, array in backend.state(net).items()}
    torch_network(net, _pictures(1, 8).astype("float32"))
    with pytest.raises(Exception, match="does not run"):
        torch_network(net, _pictures(1, 12).astype("float32"))
    assert _described(net) == before[0]
    assert all(np.array_equal(array, before[1][name]) for name, array in backend.state(net).items())
    assert names == (
        dict(vars(paddle.Tensor)),
        dict(vars(paddle._C_ops)),
        paddle.nn.Layer.__call__,
        paddle.nn.functional.conv2d,
    )


def _described(net: Any) -> list[Any]:
    layers = net.sublayers(include_self=True)
    return [
        [layer.training for layer in layers],
        [(len(layer._forward_pre_hooks), len(layer._forward_post_hooks)) for layer in layers],
        [(parameter.stop_gradient, parameter.grad) for parameter in net.parameters()],
        [sorted(vars(layer)) for layer in layers],
    ]


def test_rebuilding_leaves_the_random_state_of_both_frameworks_alone(nets: Any) -> None:
    import torch

    net = nets.Everyday()
    before = torch.get_rng_state(), np.asarray(paddle.get_rng_state()[0].current_seed())
    torch_network(net, _pictures(1, 8).astype("float32"))
    assert (torch.get_rng_state() == before[0]).all()
    assert paddle.get_rng_state()[0].current_seed() == before[1]


def test_convert_hands_out_a_verified_model(nets: Any) -> None:
    net = randomised(nets.Everyday(), dtype="float32")
    model = convert(wrap(net), x=_pictures(2, 8).astype("float32"))
    assert model.backend.name == "torch"
    assert np.allclose(
        model.forward(_pictures(3, 8).astype("float32")),
        wrap(net).forward(_pictures(3, 8).astype("float32")),
        atol=1e-4,
    )


def test_a_rebuilt_network_reads_like_its_source(nets: Any) -> None:
    code = rebuilt(nets.Residual(3, 6), _pictures(1, 8)).code
    assert "norm1 = self.norm1(conv1)" in code
    assert "torch.relu(norm1)" in code


def test_a_mask_in_a_buffer_and_a_rounding_to_whole_numbers_survive() -> None:
    mask = paddle.to_tensor(np.tril(np.ones((4, 4))), dtype="float64")
    net = formula(lambda net, x: (x * net.mask).sum(-1).astype("int32"), mask=mask)
    assert gap(net, np.random.default_rng(0).normal(size=(2, 4, 4)) * 9).values == 0
