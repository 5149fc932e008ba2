"""Weights reach networks whose layers are called otherwise, whole kinds of layers cross, and doubts stop the copy."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import WeightsError

from ..frameworks import need
from ..random_states import random_states
from .named_nets import in_turn, layer, named_net, randomised, rows, state_bytes

MINE = {"c1": ("conv", 3, 4, 3), "n1": ("norm", 4), "r": ("ReLU",), "flat": ("Flatten",), "fc": ("Linear", 16, 2)}
THEIRS = {
    "head": ("Linear", 16, 2),
    "conv_first": ("conv", 3, 4, 3),
    "bn": ("norm", 4),
    "act": ("ReLU",),
    "flatten": ("Flatten",),
}


def users_pair(first: Backend, second: Backend) -> tuple[tl.Model, tl.Model]:
    return (
        named_net(first, MINE, in_turn(*MINE), seed=1),
        named_net(second, THEIRS, in_turn("conv_first", "bn", "act", "flatten", "head"), seed=2),
    )


def test_a_users_own_pair_with_other_names_computes_the_same(both: tuple[Backend, Backend]) -> None:
    x = rows(3, 3, 4, 4)
    for backends in product(both, both):
        source, destination = users_pair(*backends)
        report = tl.transfer(source, destination)
        assert report.how == "structure"
        assert set(report.pairs) == {("c1", "conv_first"), ("n1", "bn"), ("fc", "head")}
        assert report.differences == ()
        assert report.scores is not None
        assert report.scores < 1e-10
        np.testing.assert_allclose(destination.forward(x), source.forward(x), rtol=1e-10)


def test_there_and_back_every_bit_is_the_same(both: tuple[Backend, Backend]) -> None:
    for backends in permutations(both):
        source, middle = users_pair(*backends)
        end = named_net(backends[0], MINE, in_turn(*MINE), seed=3)
        tl.transfer(source, middle)
        tl.transfer(middle, end)
        assert state_bytes(end) == state_bytes(source)


def test_a_square_linear_layer_with_another_name_is_turned(both: tuple[Backend, Backend]) -> None:
    for backends in product(both, both):
        source = named_net(backends[0], {"a": ("Linear", 4, 4)}, in_turn("a"), seed=1)
        destination = named_net(backends[1], {"b": ("Linear", 4, 4)}, in_turn("b"), seed=2)
        tl.transfer(source, destination)
        np.testing.assert_allclose(
            destination.forward(np.eye(4)), source.state()["a.weight"].T + source.state()["a.bias"], rtol=1e-12
        )


def test_the_order_of_execution_decides_over_that_of_definition(both: tuple[Backend, Backend]) -> None:
    for backends in product(both, both):
        source = named_net(backends[0], {"a": ("Linear", 4, 4), "b": ("Linear", 4, 4)}, in_turn("a", "b"), seed=1)
        layers = {"late": ("Linear", 4, 4), "early": ("Linear", 4, 4)}
        destination = named_net(backends[1], layers, in_turn("early", "late"), seed=2)
        assert tl.transfer(source, destination).pairs == (("a", "early"), ("b", "late"))
        np.testing.assert_allclose(destination.forward(rows(3, 4)), source.forward(rows(3, 4)), rtol=1e-10)


def two_inputs(backend: Backend, *names: str) -> tl.Model:
    """Takes a pair of tensors: no input can be made up for it."""
    first, second = names
    layers = {first: ("Linear", 4, 4), second: ("Linear", 4, 4)}
    return named_net(backend, layers, lambda net, x: getattr(net, first)(x.p) + getattr(net, second)(x.q))


def test_what_is_not_certain_is_refused_and_nothing_is_changed(both: tuple[Backend, Backend]) -> None:
    for backends in product(both, both):
        source, destination = two_inputs(backends[0], "a", "b"), two_inputs(backends[1], "c", "d")
        before = state_bytes(destination)
        with pytest.raises(WeightsError, match=r"'a', 'b' becomes which of 'c', 'd' is not certain.*x=.*pairs="):
            tl.transfer(source, destination)
        assert state_bytes(destination) == before


def test_pairs_that_the_user_names_are_obeyed(both: tuple[Backend, Backend]) -> None:
    source, destination = two_inputs(both[0], "a", "b"), two_inputs(both[1], "c", "d")
    report = tl.transfer(source, destination, pairs={"a": "d", "b": "c"})
    assert report.how == "pairs"
    assert np.array_equal(destination.state()["d.weight"], source.state()["a.weight"])
    assert np.array_equal(destination.state()["c.bias"], source.state()["b.bias"])


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({"a": "c", "bb": "d"}, "no layer 'bb'.*Did you mean 'b'"),
        ({"a": "c", "b": "e"}, "no layer 'e'"),
        ({"a": "c"}, "'b' is not named exactly once"),
        ({"a": "c", "b": "c"}, "'d' is not named exactly once"),
        ({}, "'a' is not named exactly once"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(backend: Backend, pairs: dict[str, str], said: str) -> None:
    destination = two_inputs(backend, "c", "d")
    before = state_bytes(destination)
    with pytest.raises(WeightsError, match=said):
        tl.transfer(two_inputs(backend, "a", "b"), destination, pairs=pairs)
    assert state_bytes(destination) == before


OTHERS = {
    "missing": (
        {"a": ("Linear", 4, 4), "z": ("Linear", 4, 2)},
        r"destination lacks 'b\.weight' \(5, 4\) of kind linear",
    ),
    "kind": (
        {"a": ("Linear", 4, 4), "b": ("Linear", 4, 5), "c": ("GroupNorm", 1, 5)},
        r"'c' is a layer_norm in the source, 'c' a group_norm in the destination",
    ),
    "shape": (
        {"a": ("Linear", 4, 4), "b": ("Linear", 4, 6), "c": ("LayerNorm", 5)},
        r"'b\.weight' has shape \(5, 4\) in the source, 'b\.weight' has shape \(6, 4\) in the destination",
    ),
    "superfluous": (
        {"a": ("Linear", 4, 4), "b": ("Linear", 4, 5), "c": ("LayerNorm", 5), "d": ("Linear", 7, 2)},
        r"source lacks 'd\.weight' \(2, 7\) of kind linear",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_networks_of_other_layers_are_refused_by_name(both: tuple[Backend, Backend], case: str) -> None:
    layers, said = OTHERS[case]
    mine = {"a": ("Linear", 4, 4), "b": ("Linear", 4, 5), "c": ("LayerNorm", 5)}
    for backends in product(both, both):
        source = named_net(backends[0], mine, in_turn(*mine))
        destination = named_net(backends[1], layers, in_turn(*layers), seed=1)
        before = state_bytes(destination)
        with pytest.raises(WeightsError, match=said):
            tl.transfer(source, destination)
        assert state_bytes(destination) == before


def test_a_layer_without_the_sources_bias_is_refused(both: tuple[Backend, Backend]) -> None:
    for first, second in permutations(both):
        source = tl.wrap(layer(first, "Linear", 3, 2))
        option = {"bias": False} if second.name == "torch" else {"bias_attr": False}
        with pytest.raises(WeightsError, match=r"'bias' has shape \(2,\) in the source.*no such array"):
            tl.transfer(source, layer(second, "Linear", 3, 2, **option))


def test_settings_that_differ_are_reported_by_name(both: tuple[Backend, Backend]) -> None:
    for first, second in permutations(both):
        source = tl.wrap(layer(first, "conv", 3, 4, 3, padding=1, stride=2))
        report = tl.transfer(source, layer(second, "conv", 3, 4, 3, padding=(1, 0)))
        assert len(report.differences) == 2
        assert report.differences == (
            "the network itself has stride 2, the network itself has 1",
            "the network itself has padding 1, the network itself has (1, 0)",
        )
        assert "stride" in str(report)
        epsilons = {"torch": {"eps": 1e-3}, "paddle": {"epsilon": 1e-3}}
        report = tl.transfer(layer(first, "norm", 4, **epsilons[first.name]), layer(second, "norm", 4))
        assert report.differences == ("the network itself has epsilon 0.001, the network itself has 1e-05",)


def test_settings_that_are_only_written_otherwise_are_not_reported(both: tuple[Backend, Backend]) -> None:
    for first, second in permutations(both):
        for one, other in (("same", 1), (1, (1, 1)), ("same", "same"), ("valid", 0)):
            source, destination = (
                layer(backend, "conv", 3, 4, 3, padding=padding) for backend, padding in ((first, one), (second, other))
            )
            assert tl.transfer(source, destination).differences == ()
        for mode in ("reflect", "zeros"):
            source, destination = (layer(b, "conv", 3, 4, 3, padding=1, padding_mode=mode) for b in (first, second))
            assert tl.transfer(source, destination).differences == ()
        report = tl.transfer(layer(first, "conv", 3, 4, 3, padding=1, padding_mode="reflect"), destination)
        assert report.differences == ("the network itself has padding mode reflect, the network itself has zeros",)


def test_scores_that_differ_although_the_layers_fit_are_reported(both: tuple[Backend, Backend]) -> None:
    for backends in permutations(both):
        source = named_net(backends[0], {"a": ("Linear", 4, 4), "s": ("Sigmoid",)}, in_turn("a", "s"), seed=1)
        destination = named_net(backends[1], {"b": ("Linear", 4, 4), "t": ("Tanh",)}, in_turn("b", "t"))
        report = tl.transfer(source, destination)
        assert report.scores is not None
        assert report.scores > 0.1
        assert "THE OUTPUTS DIFFER" in str(report)


# -- kinds of layers -------------------------------------------------------------------------------------------------

# (torch's class, Paddle's class, arguments, shape of an input, whether the output is a tuple)
KINDS: dict[str, tuple[str, str, tuple[Any, ...], tuple[int, ...]]] = {
    "linear": ("Linear", "Linear", (4, 4), (2, 4)),
    "conv1d": ("Conv1d", "Conv1D", (3, 3, 3), (2, 3, 6)),
    "conv2d": ("Conv2d", "Conv2D", (3, 3, 3), (2, 3, 6, 6)),
    "conv3d": ("Conv3d", "Conv3D", (2, 2, 2), (2, 2, 4, 4, 4)),
    "conv_transpose1d": ("ConvTranspose1d", "Conv1DTranspose", (3, 3, 3), (2, 3, 6)),
    "conv_transpose2d": ("ConvTranspose2d", "Conv2DTranspose", (3, 3, 3), (2, 3, 6, 6)),
    "batch_norm1d": ("BatchNorm1d", "BatchNorm1D", (4,), (3, 4)),
    "batch_norm2d": ("BatchNorm2d", "BatchNorm2D", (4,), (3, 4, 2, 2)),
    "older batch norm": ("BatchNorm2d", "BatchNorm", (4,), (3, 4, 2, 2)),
    "layer_norm": ("LayerNorm", "LayerNorm", (4,), (3, 4)),
    "group_norm": ("GroupNorm", "GroupNorm", (2, 4), (3, 4, 5)),
    "prelu": ("PReLU", "PReLU", (4,), (3, 4, 2)),
    "embedding": ("Embedding", "Embedding", (5, 3), ()),
    "rnn": ("RNN", "SimpleRNN", (3, 4), (2, 5, 3)),
    "lstm": ("LSTM", "LSTM", (3, 4, 2), (2, 5, 3)),
    "gru": ("GRU", "GRU", (3, 4), (2, 5, 3)),
    "encoder": ("TransformerEncoderLayer", "TransformerEncoderLayer", (8, 2, 16), (2, 5, 8)),
}
_BATCH_FIRST = ("rnn", "lstm", "gru", "encoder")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_arrives_and_computes_the_same(kind: str) -> None:
    names = dict(zip(("torch", "paddle"), KINDS[kind][:2], strict=True))
    arguments, shape = KINDS[kind][2:]
    x = rows(*shape) if shape else np.array([[0, 4, 2], [3, 3, 1]])
    for source_name, destination_name in permutations(("torch", "paddle")):
        models = []
        for seed, name in enumerate((source_name, destination_name)):
            options = {"batch_first": True} if name == "torch" and kind in _BATCH_FIRST else {}
            native = layer(need(name), names[name], *arguments, **options)
            models.append(randomised(tl.wrap(native, dtype="float64"), seed))
        source, destination = models
        report = tl.transfer(source, destination)
        assert report.how == "name"
        outputs = []
        for model in models:
            with model.backend.frozen(model.net), model.backend.no_grad():
                output = model.net(model.backend.asarray(x, "float64" if shape else "int64"))
            outputs.append(model.backend.numpy(output[0] if isinstance(output, tuple) else output))
        np.testing.assert_allclose(outputs[1], outputs[0], rtol=0, atol=1e-9)
        middle = state_bytes(source)
        tl.transfer(destination, randomised(source, 7))
        assert state_bytes(source) == middle


@pytest.mark.parametrize("options", [{}, {"kdim": 3, "vdim": 5}], ids=["joint", "separate"])
def test_attention_crosses_though_torch_keeps_its_projections_together(options: dict[str, int]) -> None:
    torch, paddle = need("torch"), need("paddle")
    first = tl.wrap(layer(torch, "MultiheadAttention", 8, 2, batch_first=True, **options), dtype="float64")
    second = tl.wrap(layer(paddle, "MultiHeadAttention", 8, 2, **options), dtype="float64")
    inputs = [rows(2, 4, size, seed=size) for size in (8, options.get("kdim", 8), options.get("vdim", 8))]
    for source, destination in permutations((first, second)):
        randomised(source, 1)
        randomised(destination, 2)
        report = tl.transfer(source, destination)
        assert set(report.names) == set(source.state())
        expected, found = (
            model.net(*(model.backend.asarray(x, "float64") for x in inputs)) for model in (source, destination)
        )
        expected, found = (out[0] if isinstance(out, tuple) else out for out in (expected, found))
        np.testing.assert_allclose(destination.backend.numpy(found), source.backend.numpy(expected), rtol=0, atol=1e-12)
        sent = state_bytes(source)
        tl.transfer(destination, randomised(source, 3))
        assert state_bytes(source) == sent


def test_a_whole_transformer_with_other_names_crosses() -> None:
    def build(name: str, *titles: str) -> tl.Model:
        backend = need(name)
        option = {"batch_first": True} if name == "torch" else {}
        encoder = layer(backend, "TransformerEncoderLayer", 8, 2, 16, **option)
        net = layer(backend, "Sequential")
        parts = (
            layer(backend, "Linear", 3, 8),
            layer(backend, "TransformerEncoder", encoder, 2),
            layer(backend, "Linear", 8, 2),
        )
        for title, part in zip(titles, parts, strict=True):
            net.add_module(title, part) if name == "torch" else net.add_sublayer(title, part)
        return randomised(tl.wrap(net, dtype="float64"))

    source, destination = build("torch", "embed", "body", "head"), build("paddle", "first", "encoder", "last")
    randomised(destination, 5)
    report = tl.transfer(source, destination)
    assert report.how == "structure"
    assert ("body.layers.1.self_attn", "encoder.layers.1.self_attn") in report.pairs
    x = rows(2, 5, 3)
    np.testing.assert_allclose(destination.forward(x), source.forward(x), rtol=0, atol=1e-9)


def test_nothing_else_of_the_users_is_touched(both: tuple[Backend, Backend]) -> None:
    source, destination = users_pair(*both)
    for model in (source, destination):
        model.net.train()
    sent, states = state_bytes(source), random_states()
    tl.transfer(source, destination)
    assert random_states() == states
    assert state_bytes(source) == sent
    assert source.net.training
    assert destination.net.training
