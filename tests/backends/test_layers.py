"""The table of layers: one vocabulary, one set of counts and shapes for both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
import torch

from twinlens.backends import Backend, get_backend, wrap

from .nets import build, convolutional, layer_class, linear

T, P = torch.nn, paddle.nn

KINDS: dict[str, tuple[Any, Any]] = {
    "conv1d": (T.Conv1d(1, 1, 1), P.Conv1D(1, 1, 1)),
    "conv2d": (T.Conv2d(1, 1, 1), P.Conv2D(1, 1, 1)),
    "conv3d": (T.Conv3d(1, 1, 1), P.Conv3D(1, 1, 1)),
    "conv_transpose1d": (T.ConvTranspose1d(1, 1, 1), P.Conv1DTranspose(1, 1, 1)),
    "conv_transpose2d": (T.ConvTranspose2d(1, 1, 1), P.Conv2DTranspose(1, 1, 1)),
    "batch_norm1d": (T.BatchNorm1d(2), P.BatchNorm1D(2)),
    "batch_norm2d": (T.BatchNorm2d(2), P.BatchNorm2D(2)),
    "instance_norm2d": (T.InstanceNorm2d(2), P.InstanceNorm2D(2)),
    "layer_norm": (T.LayerNorm(2), P.LayerNorm(2)),
    "group_norm": (T.GroupNorm(1, 2), P.GroupNorm(1, 2)),
    "linear": (T.Linear(1, 1), P.Linear(1, 1)),
    "embedding": (T.Embedding(2, 2), P.Embedding(2, 2)),
    "relu": (T.ReLU(), P.ReLU()),
    "relu6": (T.ReLU6(), P.ReLU6()),
    "leaky_relu": (T.LeakyReLU(), P.LeakyReLU()),
    "prelu": (T.PReLU(), P.PReLU()),
    "elu": (T.ELU(), P.ELU()),
    "celu": (T.CELU(), P.CELU()),
    "selu": (T.SELU(), P.SELU()),
    "gelu": (T.GELU(), P.GELU()),
    "silu": (T.SiLU(), P.Silu()),
    "mish": (T.Mish(), P.Mish()),
    "sigmoid": (T.Sigmoid(), P.Sigmoid()),
    "log_sigmoid": (T.LogSigmoid(), P.LogSigmoid()),
    "tanh": (T.Tanh(), P.Tanh()),
    "softplus": (T.Softplus(), P.Softplus()),
    "softmax": (T.Softmax(1), P.Softmax(1)),
    "log_softmax": (T.LogSoftmax(1), P.LogSoftmax(1)),
    "hardswish": (T.Hardswish(), P.Hardswish()),
    "hardsigmoid": (T.Hardsigmoid(), P.Hardsigmoid()),
    "dropout": (T.Dropout(), P.Dropout()),
    "dropout2d": (T.Dropout2d(), P.Dropout2D()),
    "max_pool1d": (T.MaxPool1d(1), P.MaxPool1D(1)),
    "max_pool2d": (T.MaxPool2d(1), P.MaxPool2D(1)),
    "avg_pool2d": (T.AvgPool2d(1), P.AvgPool2D(1)),
    "adaptive_avg_pool2d": (T.AdaptiveAvgPool2d(1), P.AdaptiveAvgPool2D(1)),
    "max_unpool2d": (T.MaxUnpool2d(2), P.MaxUnPool2D(2)),
    "flatten": (T.Flatten(), P.Flatten()),
    "identity": (T.Identity(), P.Identity()),
    "upsample": (T.Upsample(2), P.Upsample(2)),
    "pixel_shuffle": (T.PixelShuffle(2), P.PixelShuffle(2)),
    "sequential": (T.Sequential(), P.Sequential()),
    "module_list": (T.ModuleList(), P.LayerList()),
    "lstm": (T.LSTM(1, 1), P.LSTM(1, 1)),
    "gru": (T.GRU(1, 1), P.GRU(1, 1)),
    "rnn": (T.RNN(1, 1), P.SimpleRNN(1, 1)),
    "lstm_cell": (T.LSTMCell(1, 1), P.LSTMCell(1, 1)),
    "multihead_attention": (T.MultiheadAttention(2, 1), P.MultiHeadAttention(2, 1)),
    "transformer_encoder_layer": (T.TransformerEncoderLayer(2, 1, 2), P.TransformerEncoderLayer(2, 1, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_has_one_kind_on_both_frameworks(kind: str) -> None:
    for layer in KINDS[kind]:
        assert get_backend(layer).kind(layer) == kind


def test_a_users_own_layer_is_called_by_its_class(backend: Backend) -> None:
    class BasicBlock(layer_class(backend)):  # type: ignore[misc]
        pass

    class GatedReLU2D(layer_class(backend)):  # type: ignore[misc]
        pass

    assert backend.kind(BasicBlock()) == "basic_block"
    assert backend.kind(GatedReLU2D()) == "gated_relu2d"


def test_a_users_subclass_of_a_layer_has_the_kind_of_that_layer() -> None:
    class QuietLinear(torch.nn.Linear):
        pass

    class QuietLinearOnPaddle(paddle.nn.Linear):
        pass

    assert get_backend("torch").kind(QuietLinear(1, 1)) == "linear"
    assert get_backend("paddle").kind(QuietLinearOnPaddle(1, 1)) == "linear"


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
        T.Sequential(T.LSTM(2, 3, 2, bidirectional=True)),
        P.Sequential(P.LSTM(2, 3, 2, direction="bidirect")),
    )
    tables = [wrap(net).layers() for net in native]
    assert tables[0] == tables[1]
    assert [row.name for row in tables[0]] == ["", "0"]
    assert [row.name for row in wrap(P.LSTM(2, 3)).layers()] == [""]


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
