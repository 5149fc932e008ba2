from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from twinlens.comparison.conversion.from_paddle_layers import LAYERS

from ...frameworks import need, paddle
from .rebuilding import Gap, formula, gap, gaps, randomised, side_by_side

PICTURE, ROW, VOLUME, FLAT = (2, 4, 9, 10), (2, 4, 9), (2, 4, 5, 6, 7), (3, 8)

EXACT = {
    ROW: """LSTM(9, 5); LSTM(9, 5, 2, direction="bidirect"); LSTM(9, 5, time_major=True); GRU(9, 5);
        GRU(9, 5, 2, direction="bidirect"); SimpleRNN(9, 5); SimpleRNN(9, 5, activation="relu");
        Conv1D(4, 6, 3, padding=1); Conv1D(4, 6, 3, padding="SAME", stride=2); Conv1D(4, 6, 3, padding=[1, 2]);
        Conv1DTranspose(4, 6, 3, stride=2); BatchNorm1D(4); InstanceNorm1D(4); BatchNorm(4); MaxPool1D(2);
        MaxPool1D(3, 2, 1, ceil_mode=True); AdaptiveMaxPool1D(3); Pad1D([1, 2], mode="reflect"); ZeroPad1D(1);
        AvgPool1D(2)""",
    FLAT: """Linear(8, 3); Linear(8, 3, bias_attr=False); BatchNorm1D(8); BatchNorm(8); LayerNorm(8)""",
    VOLUME: """Conv3D(4, 6, 3, padding=1); Conv3D(4, 6, 3, padding="SAME", stride=2);
        Conv3DTranspose(4, 6, 3, stride=2);
        BatchNorm3D(4); InstanceNorm3D(4); MaxPool3D(2); AdaptiveMaxPool3D(2); Pad3D(1);
        Pad3D([1, 0, 1, 1, 0, 2], mode="replicate"); ZeroPad3D(1); Dropout3D(0.5)""",
    PICTURE: """Conv2D(4, 6, 3, padding=[1, 2]); Conv2D(4, 6, 3, padding=[1, 2, 0, 1]);
        Conv2D(4, 6, 3, padding=[[0, 0], [0, 0], [1, 2], [0, 1]]);
        Conv2D(4, 6, 3, padding=[[0, 0], [0, 0], [2, 2], [1, 1]]); Conv2D(4, 6, 3, padding="SAME", stride=2);
        Conv2D(4, 6, 3, padding="SAME", dilation=2); Conv2D(4, 6, (3, 5), padding="VALID", stride=(1, 2));
        Conv2D(4, 8, 3, groups=2, bias_attr=False); Conv2D(4, 4, 3, groups=4, padding=1);
        Conv2D(4, 6, 3, padding=1, padding_mode="reflect"); Conv2D(4, 6, 3, padding=2, padding_mode="replicate");
        Conv2D(4, 6, 3, padding=1, padding_mode="circular"); Conv2D(10, 6, 3, data_format="NHWC", padding=1);
        Conv2DTranspose(4, 6, 3, stride=2, padding=1, output_padding=1);
        Conv2DTranspose(4, 6, 3, stride=2, padding=[1, 0, 1, 1]); Conv2DTranspose(4, 6, 3, groups=2, dilation=2);
        BatchNorm2D(4, epsilon=1e-3); BatchNorm2D(4, use_global_stats=True); BatchNorm2D(4, weight_attr=False);
        BatchNorm2D(4, weight_attr=False, bias_attr=False); BatchNorm2D(10, data_format="NHWC");
        BatchNorm(4, act="relu"); BatchNorm(4); BatchNorm(4, use_global_stats=True); LayerNorm(10);
        LayerNorm([9, 10]); LayerNorm(10, weight_attr=False); LayerNorm(10, bias_attr=False);
        LayerNorm(10, weight_attr=False, bias_attr=False, epsilon=1e-3); GroupNorm(2, 4);
        GroupNorm(2, 4, weight_attr=False, bias_attr=False); BatchNorm2D(4, use_global_stats=False);
        GroupNorm(2, 10, data_format="NHWC"); InstanceNorm2D(4);
        InstanceNorm2D(4, epsilon=1e-3); InstanceNorm2D(4, weight_attr=False, bias_attr=False);
        LocalResponseNorm(3); LocalResponseNorm(4, alpha=0.1, beta=0.5, k=2.0); PReLU(); PReLU(4);
        PReLU(10, data_format="NHWC"); ELU(0.7); CELU(0.6); GELU(); GELU(True);
        Hardshrink(0.3); Hardswish(); Hardtanh(-0.3, 0.7); LogSigmoid(); LogSoftmax(1); Mish(); ReLU(); ReLU6();
        SELU(1.2, 1.5); Sigmoid(); Silu(); Softmax(); Softmax(1); Softmax2D(); Softplus(); Softplus(2.0, 5);
        Softplus(0.3, 1); RReLU(); RReLU(0.1, 0.3);
        Softshrink(0.3); Softsign(); Swish(); Tanh(); Tanhshrink(); ThresholdedReLU(); ThresholdedReLU(0.2, 0.1);
        Maxout(2); GLU(1); Identity(); Flatten(); Flatten(2, 3); Flatten(0, 1); Unflatten(1, [2, 2]); Dropout(0.3);
        Dropout(0.3, mode="downscale_in_infer"); Dropout(0.3, axis=1); Dropout2D(0.3); AlphaDropout(0.3);
        PixelShuffle(2); ChannelShuffle(2); Pad2D(1); Pad2D([1, 2, 3, 0], mode="reflect");
        Pad2D([1, 2, 3, 0], mode="replicate"); Pad2D([1, 2, 3, 0], mode="circular"); Pad2D(1, data_format="NHWC");
        ZeroPad2D([1, 0, 2, 3]); Unfold(3); Unfold([2, 3], strides=2, paddings=1); Unfold(2, paddings=[1, 0, 2, 1]);
        MaxPool2D(2); MaxPool2D(3, 2, 1); MaxPool2D(3, 2, 1, ceil_mode=True); MaxPool2D(2, 2, 1, ceil_mode=True);
        MaxPool2D(2, 3, 1, ceil_mode=True); MaxPool2D(3, 2, [1, 0, 1, 1]); MaxPool2D(3, 2, "SAME");
        MaxPool2D(3, 2, "VALID"); MaxPool2D(2, return_mask=True); MaxPool2D(2, data_format="NHWC");
        AdaptiveMaxPool2D((2, 3)); AdaptiveAvgPool2D(1)""",
    (2, 4, 8, 10): "PixelUnshuffle(2)",
    (2, 8, 20): "Fold([5, 6], 2)",
    (2, 8, 9): "Fold([5, 6], 2, strides=2, paddings=[1, 0])",
}
# Paddle computes these, or their gradients, in single precision; the first four up to 2.6 only.
ROUNDED = {
    PICTURE: """LeakyReLU(); LeakyReLU(0.3); GroupNorm(2, 4, epsilon=0.3); Pad2D(1, value=0.3);
        Hardsigmoid(); SELU(); AvgPool2D(2); AvgPool2D(3, 2, 1);
        AvgPool2D(3, 2, "SAME");
        AvgPool2D(3, 2, 1, exclusive=False); AvgPool2D(3, 2, 1, ceil_mode=True); AvgPool2D(2, 2, 1, ceil_mode=True);
        AvgPool2D(2, 2, 1, ceil_mode=True, exclusive=False); AvgPool2D(3, 2, "SAME", exclusive=False);
        AvgPool2D(3, 2, [0, 1, 1, 0]); AvgPool2D(3, 2, [0, 2, 1, 0], exclusive=False, ceil_mode=True);
        AvgPool2D(2, divisor_override=3); AdaptiveAvgPool2D((3, 2)); AdaptiveAvgPool2D((2, None));
        Upsample(scale_factor=2); Upsample(size=[5, 6], mode="bilinear"); Upsample(size=[12, 1], mode="bilinear");
        Upsample(scale_factor=[2, 3], mode="bilinear", align_corners=True);
        Upsample(scale_factor=2, mode="bicubic"); Upsample(scale_factor=0.5, mode="nearest");
        Upsample(scale_factor=0.5, mode="bilinear"); Upsample(scale_factor=2.5, mode="bilinear");
        Upsample(size=[4, 4], mode="area"); UpsamplingNearest2D(scale_factor=2); UpsamplingBilinear2D(size=[4, 4]);
        UpsamplingBilinear2D(scale_factor=2)""",
    ROW: """AdaptiveAvgPool1D(1); AdaptiveAvgPool1D(3); Upsample(scale_factor=2, mode="linear", data_format="NCW");
        AvgPool1D(3, 2, 1)""",
    VOLUME: 'AvgPool3D(2); AdaptiveAvgPool3D(2); Upsample(size=[3, 4, 5], mode="trilinear", data_format="NCDHW")',
}


@pytest.fixture(autouse=True)
def _both() -> None:
    need("paddle")
    need("torch")


def _listed(table: dict[tuple[int, ...], str]) -> list[Any]:
    return [
        pytest.param(spelling, shape, id=spelling)
        for shape, spellings in table.items()
        for spelling in _split(spellings)
    ]


def _split(spellings: str) -> list[str]:
    return [" ".join(each.split()) for each in spellings.split(";")]


def _exists(spelling: str) -> bool:
    """Whether this Paddle has the layer; 2.6 lacks a few."""
    return hasattr(paddle.nn, spelling.partition("(")[0])


def _layer(spelling: str) -> Any:
    return eval(f"nn.{spelling}", {"nn": paddle.nn})


def _net(spelling: str) -> Any:
    return randomised(paddle.nn.Sequential(paddle.nn.Identity(), _layer(spelling)))


def _input(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@functools.cache
def _together(spellings: str, shape: tuple[int, ...]) -> dict[str, Gap]:
    net = side_by_side({name: _layer(name) for name in _split(spellings) if _exists(name)})
    return gaps(randomised(net), _input(shape))


def _found(spelling: str, table: dict[tuple[int, ...], str], shape: tuple[int, ...]) -> Gap:
    if not _exists(spelling):
        pytest.skip(f"this Paddle has no {spelling}")
    return _together(table[shape], shape)[spelling]


@pytest.mark.parametrize(("spelling", "shape"), _listed(EXACT))
def test_layers_compute_the_same_in_torch(spelling: str, shape: tuple[int, ...]) -> None:
    found = _found(spelling, EXACT, shape)
    assert found.values < 1e-10
    assert found.gradient < 1e-9


@pytest.mark.parametrize(("spelling", "shape"), _listed(ROUNDED))
def test_layers_that_paddle_computes_in_single_precision_agree_to_it(spelling: str, shape: tuple[int, ...]) -> None:
    found = _found(spelling, ROUNDED, shape)
    assert found.values < 5e-6
    assert found.gradient < 2e-5


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
def test_embeddings_compute_the_same_in_torch(padding_idx: int | None) -> None:
    net = randomised(paddle.nn.Sequential(paddle.nn.Embedding(7, 3, padding_idx=padding_idx)))
    assert gap(net, np.array([[0, 1, 6], [1, 2, 2]])).values == 0


@pytest.mark.parametrize("padding_idx", [1, -1, -6])
def test_an_embedding_gives_zeros_for_the_padding_index_whatever_its_row_holds(padding_idx: int) -> None:
    net = randomised(paddle.nn.Sequential(paddle.nn.Embedding(7, 3, padding_idx=padding_idx)))
    need("paddle").load(net, {"0.weight": np.ones((7, 3))})
    assert gap(net, np.array([[0, 1, 6], [1, 2, 2]])).values == 0


def test_an_embedding_as_a_function_counts_its_padding_index_from_the_end() -> None:
    net = formula(
        lambda net, x: paddle.nn.functional.embedding(x, net.table.weight, padding_idx=-1),
        table=paddle.nn.Embedding(7, 3),
    )
    assert gap(net, np.array([[0, 1, 6], [1, 2, 2]])).values == 0


@pytest.mark.parametrize("spelling", ["MultiHeadAttention(8, 2)", "TransformerEncoderLayer(8, 2, 16)"])
def test_attention_is_rebuilt_from_its_parts(spelling: str) -> None:
    found = gap(_net(spelling), _input((2, 5, 8)))
    assert found.values < 1e-10
    assert found.gradient < 1e-9


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_of_the_table_is_tested_here(name: str) -> None:
    tested = " ".join(text for table in (EXACT, ROUNDED) for text in table.values())
    assert f"{name}(" in tested or name in ("Embedding", "SamePad2d")


def test_a_single_layer_becomes_torch_s_own() -> None:
    net = randomised(paddle.nn.Conv2D(4, 6, 3))
    found = gap(net, _input(PICTURE))
    assert type(found.built).__name__ == "Conv2d"
    assert found.values < 1e-10


def test_settings_that_torch_lacks_keep_the_kind_and_the_weights_of_the_layer() -> None:
    net = randomised(
        paddle.nn.Sequential(paddle.nn.Conv2D(4, 6, 3, padding="SAME"), paddle.nn.BatchNorm(6, act="relu"))
    )
    built = gap(net, _input(PICTURE)).built
    torch = need("torch")
    assert [torch.kind(layer) for layer in built] == ["conv2d", "batch_norm"]
    assert {"0.weight", "1.running_var"} < set(torch.state(built))
    assert torch.parameter_names(built) == need("paddle").parameter_names(net)


def test_same_padding_follows_the_size_of_the_input() -> None:
    net = randomised(paddle.nn.Sequential(paddle.nn.Conv2D(4, 6, 3, padding="SAME", stride=2)))
    assert gap(net, _input((2, 4, 9, 10)), _input((1, 4, 12, 7))).values < 1e-10


def test_the_running_statistics_move_at_the_speed_of_the_source() -> None:
    net = paddle.nn.Sequential(paddle.nn.BatchNorm2D(4, momentum=0.75))
    assert gap(randomised(net), _input(PICTURE)).built[0].momentum == 0.25


def test_dropout_that_scales_in_evaluation_keeps_the_mean_in_training() -> None:
    net = randomised(paddle.nn.Sequential(paddle.nn.Dropout(0.25, mode="downscale_in_infer")))
    built, torch = gap(net, _input(FLAT)).built, need("torch")
    ones = torch.asarray(np.ones((100, 100)))
    with torch.seeded(0):
        dropped = built.train()(ones).numpy()
    assert set(np.unique(dropped)) == {0.0, 1.0}
    assert abs(dropped.mean() - 0.75) < 0.03
    assert np.allclose(built.eval()(ones).numpy(), 0.75)
