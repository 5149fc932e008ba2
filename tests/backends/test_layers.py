"""The table of layers: one vocabulary, one set of counts and shapes for both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, wrap

from ..frameworks import need, paddle, torch
from .nets import build, convolutional, layer_class, linear, native_nn

KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "conv1d": (lambda nn: nn.Conv1d(1, 1, 1), lambda nn: nn.Conv1D(1, 1, 1)),
    "conv2d": (lambda nn: nn.Conv2d(1, 1, 1), lambda nn: nn.Conv2D(1, 1, 1)),
    "conv3d": (lambda nn: nn.Conv3d(1, 1, 1), lambda nn: nn.Conv3D(1, 1, 1)),
    "conv_transpose1d": (lambda nn: nn.ConvTranspose1d(1, 1, 1), lambda nn: nn.Conv1DTranspose(1, 1, 1)),
    "conv_transpose2d": (lambda nn: nn.ConvTranspose2d(1, 1, 1), lambda nn: nn.Conv2DTranspose(1, 1, 1)),
    "batch_norm1d": (lambda nn: nn.BatchNorm1d(2), lambda nn: nn.BatchNorm1D(2)),
    "batch_norm2d": (lambda nn: nn.BatchNorm2d(2), lambda nn: nn.BatchNorm2D(2)),
    "instance_norm2d": (lambda nn: nn.InstanceNorm2d(2), lambda nn: nn.InstanceNorm2D(2)),
    "layer_norm": (lambda nn: nn.LayerNorm(2), lambda nn: nn.LayerNorm(2)),
    "group_norm": (lambda nn: nn.GroupNorm(1, 2), lambda nn: nn.GroupNorm(1, 2)),
    "linear": (lambda nn: nn.Linear(1, 1), lambda nn: nn.Linear(1, 1)),
    "embedding": (lambda nn: nn.Embedding(2, 2), lambda nn: nn.Embedding(2, 2)),
    "relu": (lambda nn: nn.ReLU(), lambda nn: nn.ReLU()),
    "relu6": (lambda nn: nn.ReLU6(), lambda nn: nn.ReLU6()),
    "leaky_relu": (lambda nn: nn.LeakyReLU(), lambda nn: nn.LeakyReLU()),
    "prelu": (lambda nn: nn.PReLU(), lambda nn: nn.PReLU()),
    "elu": (lambda nn: nn.ELU(), lambda nn: nn.ELU()),
    "celu": (lambda nn: nn.CELU(), lambda nn: nn.CELU()),
    "selu": (lambda nn: nn.SELU(), lambda nn: nn.SELU()),
    "gelu": (lambda nn: nn.GELU(), lambda nn: nn.GELU()),
    "silu": (lambda nn: nn.SiLU(), lambda nn: nn.Silu()),
    "mish": (lambda nn: nn.Mish(), lambda nn: nn.Mish()),
    "sigmoid": (lambda nn: nn.Sigmoid(), lambda nn: nn.Sigmoid()),
    "log_sigmoid": (lambda nn: nn.LogSigmoid(), lambda nn: nn.LogSigmoid()),
    "tanh": (lambda nn: nn.Tanh(), lambda nn: nn.Tanh()),
    "softplus": (lambda nn: nn.Softplus(), lambda nn: nn.Softplus()),
    "softmax": (lambda nn: nn.Softmax(1), lambda nn: nn.Softmax(1)),
    "log_softmax": (lambda nn: nn.LogSoftmax(1), lambda nn: nn.LogSoftmax(1)),
    "hardswish": (lambda nn: nn.Hardswish(), lambda nn: nn.Hardswish()),
    "hardsigmoid": (lambda nn: nn.Hardsigmoid(), lambda nn: nn.Hardsigmoid()),
    "dropout": (lambda nn: nn.Dropout(), lambda nn: nn.Dropout()),
    "dropout2d": (lambda nn: nn.Dropout2d(), lambda nn: nn.Dropout2D()),
    "max_pool1d": (lambda nn: nn.MaxPool1d(1), lambda nn: nn.MaxPool1D(1)),
    "max_pool2d": (lambda nn: nn.MaxPool2d(1), lambda nn: nn.MaxPool2D(1)),
    "avg_pool2d": (lambda nn: nn.AvgPool2d(1), lambda nn: nn.AvgPool2D(1)),
    "adaptive_avg_pool2d": (lambda nn: nn.AdaptiveAvgPool2d(1), lambda nn: nn.AdaptiveAvgPool2D(1)),
    "max_unpool2d": (lambda nn: nn.MaxUnpool2d(2), lambda nn: nn.MaxUnPool2D(2)),
    "flatten": (lambda nn: nn.Flatten(), lambda nn: nn.Flatten()),
    "identity": (lambda nn: nn.Identity(), lambda nn: nn.Identity()),
    "upsample": (lambda nn: nn.Upsample(2), lambda nn: nn.Upsample(2)),
    "pixel_shuffle": (lambda nn: nn.PixelShuffle(2), lambda nn: nn.PixelShuffle(2)),
    "sequential": (lambda nn: nn.Sequential(), lambda nn: nn.Sequential()),
    "module_list": (lambda nn: nn.ModuleList(), lambda nn: nn.LayerList()),
    "lstm": (lambda nn: nn.LSTM(1, 1), lambda nn: nn.LSTM(1, 1)),
    "gru": (lambda nn: nn.GRU(1, 1), lambda nn: nn.GRU(1, 1)),
    "rnn": (lambda nn: nn.RNN(1, 1), lambda nn: nn.SimpleRNN(1, 1)),
    "lstm_cell": (lambda nn: nn.LSTMCell(1, 1), lambda nn: nn.LSTMCell(1, 1)),
    "multihead_attention": (lambda nn: nn.MultiheadAttention(2, 1), lambda nn: nn.MultiHeadAttention(2, 1)),
    "transformer_encoder_layer": (
        lambda nn: nn.TransformerEncoderLayer(2, 1, 2),
        lambda nn: nn.TransformerEncoderLayer(2, 1, 2),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_has_one_kind_on_both_frameworks(backend: Backend, kind: str) -> None:
    on_torch, on_paddle = KINDS[kind]
    make = on_torch if backend.name == "torch" else on_paddle
    assert backend.kind(make(native_nn(backend))) == kind


def test_a_users_own_layer_is_called_by_its_class(backend: Backend) -> None:
    class BasicBlock(layer_class(backend)):  # type: ignore[misc]
        pass

    class GatedReLU2D(layer_class(backend)):  # type: ignore[misc]
        pass

    assert backend.kind(BasicBlock()) == "basic_block"
    assert backend.kind(GatedReLU2D()) == "gated_relu2d"


def test_a_users_class_named_as_one_of_the_frameworks_is_not_taken_for_it(backend: Backend) -> None:
    base = native_nn(backend).Module if backend.name == "torch" else native_nn(backend).Layer

    class Linear(base):  # type: ignore[misc, valid-type]
        pass

    assert backend.kind(Linear()) == "own_linear"


def test_paddles_linear_in_torchs_layout_is_not_turned() -> None:
    paddle_backend = need("paddle")
    if not hasattr(paddle, "compat"):
        pytest.skip("this Paddle has no paddle.compat")
    layer = paddle.compat.nn.Linear(3, 3)
    np.testing.assert_array_equal(paddle_backend.state(layer)["weight"], layer.weight.numpy())


def test_a_users_subclass_of_a_layer_has_the_kind_of_that_layer(backend: Backend) -> None:
    class QuietLinear(native_nn(backend).Linear):  # type: ignore[misc]
        pass

    assert backend.kind(QuietLinear(1, 1)) == "linear"


def test_a_model_zoos_block_is_called_by_its_class_but_its_activations_are_not() -> None:
    kinds = {row.kind for row in wrap(paddle.vision.models.mobilenet_v2()).layers()}
    assert "inverted_residual" in kinds
    assert "conv_norm_activation" not in kinds
    assert {"conv2d", "batch_norm2d", "relu6", "sequential", "linear"} <= kinds


def test_the_table_is_the_same_on_both_frameworks(both: tuple[Backend, Backend]) -> None:
    first, second = (wrap(convolutional(backend)).layers((3, 8, 8)) for backend in both)
    assert first == second


def test_the_table_has_names_kinds_shapes_counts_and_calls(backend: Backend) -> None:
    rows = {row.name: row for row in wrap(convolutional(backend), input_shape=(3, 8, 8)).layers()}
    assert next(iter(rows)) == ""
    assert rows["conv1"].kind == "conv2d"
    assert rows["conv1"].output_shape == (5, 8, 8)
    assert rows["conv1"].parameters == 5 * 3 * 9 + 5
    assert rows["norm1"].parameters == 10
    assert rows["pool1"].output_shape == (5, 4, 4)
    assert rows["fc2"].output_shape == (4,)
    assert rows["fc2"].parameters == 7 * 4 + 4
    assert rows[""].kind == "sequential"
    assert rows[""].parameters == 0
    assert rows[""].output_shape == (4,)
    assert {row.calls for row in rows.values()} == {1}


def test_without_an_input_shape_nothing_runs(backend: Backend) -> None:
    rows = wrap(convolutional(backend)).layers()
    assert {row.output_shape for row in rows} == {None}
    assert {row.calls for row in rows} == {0}
    assert sum(row.parameters for row in rows) == 5 * 27 + 5 + 10 + 6 * 45 + 6 + 12 + 24 * 7 + 7 + 32


def test_nested_names_are_dotted(both: tuple[Backend, Backend]) -> None:
    for backend in both:
        inner = build(backend, lambda net, x: net.fc(x), fc=linear(backend, 3, 3))
        rows = wrap(build(backend, lambda net, x: net.block(x), block=inner)).layers((3,))
        assert [(row.name, row.kind, row.output_shape) for row in rows] == [
            ("", "net", (3,)),
            ("block", "net", (3,)),
            ("block.fc", "linear", (3,)),
        ]


def test_reused_and_spare_layers_are_counted(backend: Backend) -> None:
    layers = {"twice": linear(backend, 3, 3), "never": linear(backend, 3, 3)}
    net = build(backend, lambda net, x: net.twice(net.twice(x)), **layers)
    rows = {row.name: row for row in wrap(net).layers((3,))}
    assert (rows["twice"].calls, rows["never"].calls) == (2, 0)
    assert rows["never"].output_shape is None


def test_a_shared_layer_is_listed_and_counted_once(backend: Backend) -> None:
    layer = linear(backend, 3, 3)
    rows = wrap(build(backend, lambda net, x: net.b(net.a(x)), a=layer, b=layer)).layers((3,))
    assert [row.name for row in rows] == ["", "a"]
    assert sum(row.parameters for row in rows) == 12


def test_a_recurrent_layer_is_one_row(both: tuple[Backend, Backend]) -> None:
    native = (
        torch.nn.Sequential(torch.nn.LSTM(2, 3, 2, bidirectional=True)),
        paddle.nn.Sequential(paddle.nn.LSTM(2, 3, 2, direction="bidirect")),
    )
    tables = [wrap(net).layers() for net in native]
    assert tables[0] == tables[1]
    assert [row.name for row in tables[0]] == ["", "0"]
    assert [row.name for row in wrap(paddle.nn.LSTM(2, 3)).layers()] == [""]


def test_the_table_can_be_made_of_a_network_that_returns_several_tensors(backend: Backend) -> None:
    net = build(backend, lambda net, x: (net.fc(x), x), fc=linear(backend, 3, 2))
    rows = {row.name: row for row in wrap(net).layers((3,))}
    assert rows["fc"].output_shape == (2,)
    assert rows[""].output_shape is None


def test_a_float64_model_has_the_same_table(backend: Backend) -> None:
    net = convolutional(backend)
    assert wrap(net, dtype="float64").layers((3, 8, 8)) == wrap(net).layers((3, 8, 8))


def test_numbers_of_parameters_are_plain_ints(backend: Backend) -> None:
    for row in wrap(convolutional(backend)).layers((3, 8, 8)):
        assert type(row.parameters) is int
        assert row.output_shape is not None
        assert all(type(n) is int for n in row.output_shape)
        assert np.prod(row.output_shape) > 0
