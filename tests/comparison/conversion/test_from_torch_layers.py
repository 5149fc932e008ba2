"""Each of torch's layers does the same on Paddle, with several settings, judged in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinlens.backends import get_backend
from twinlens.comparison.conversion.from_torch import paddle_network
from twinlens.errors import ModelError

from ...frameworks import need, torch
from .rebuilt import EXACT, assert_same, built
from .torch_cases import Shape

nn = torch.nn

PICTURE, SERIES, VOLUME, TABLE, WORDS = (2, 4, 7, 6), (2, 4, 9), (1, 4, 4, 5, 4), (3, 6), (2, 5, 6)


class OnWords(nn.Module):
    """A layer that returns several tensors."""

    def __init__(self, layer: Any, call: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.layer = layer
        self.call = call

    def forward(self, x: Any) -> Any:
        return self.call(self.layer, x)


class Tokens(nn.Module):
    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 3, **settings)

    def forward(self, x: Any) -> Any:
        return self.embedding(x.long().clamp(0, 6)) * x.unsqueeze(-1)


def _attended(attention: Any, x: Any) -> Any:
    out, weights = attention(x, x, x)
    return out.sum() * weights + out.mean()


LAYERS: dict[str, list[tuple[Callable[[], Any], Shape]]] = {
    "linear": [(lambda: nn.Linear(6, 5), TABLE), (lambda: nn.Linear(6, 6, bias=False), WORDS)],
    "conv1d": [
        (lambda: nn.Conv1d(4, 6, 3, 2, 1), SERIES),
        (lambda: nn.Conv1d(4, 6, 4, padding="same", dilation=2), SERIES),
        (lambda: nn.Conv1d(4, 6, 3, padding=2, padding_mode="circular"), SERIES),
    ],
    "conv2d": [
        (lambda: nn.Conv2d(4, 6, 3, (2, 1), (1, 0)), PICTURE),
        (lambda: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4, bias=False), PICTURE),
        (lambda: nn.Conv2d(4, 6, (3, 5), padding="same", dilation=(2, 1)), PICTURE),
        (lambda: nn.Conv2d(4, 6, (2, 5), padding="same"), PICTURE),
        (lambda: nn.Conv2d(4, 6, 3, padding="valid"), PICTURE),
        *(
            (lambda mode=mode: nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode=mode), PICTURE)
            for mode in ("reflect", "replicate", "circular")
        ),
    ],
    "conv3d": [(lambda: nn.Conv3d(4, 6, 3, 2, 1), VOLUME)],
    "conv_transpose": [
        (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), SERIES),
        (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2, bias=False), PICTURE),
        (lambda: nn.ConvTranspose2d(4, 6, (3, 2), (1, 2), dilation=2), PICTURE),
        (lambda: nn.ConvTranspose3d(4, 3, 2, 2), VOLUME),
    ],
    "batch_norm": [
        (lambda: nn.BatchNorm1d(6, eps=1e-3), TABLE),
        (lambda: nn.BatchNorm1d(4), SERIES),
        (lambda: nn.BatchNorm2d(4, eps=1e-2, momentum=0.3), PICTURE),
        (lambda: nn.BatchNorm3d(4), VOLUME),
        (lambda: nn.BatchNorm2d(4, affine=False), PICTURE),
        (lambda: nn.BatchNorm2d(4, track_running_stats=False), PICTURE),
    ],
    "norms": [
        (lambda: nn.LayerNorm(6, eps=1e-2), PICTURE),
        (lambda: nn.LayerNorm((7, 6), elementwise_affine=False), PICTURE),
        (lambda: nn.LayerNorm([7, 6], bias=False), PICTURE),
        (lambda: nn.GroupNorm(2, 4, eps=1e-2), PICTURE),
        (lambda: nn.GroupNorm(4, 4, affine=False), PICTURE),
        (lambda: nn.InstanceNorm1d(4), SERIES),
        (lambda: nn.InstanceNorm2d(4, affine=True, eps=1e-2), PICTURE),
        (lambda: nn.InstanceNorm3d(4, affine=True), VOLUME),
        (lambda: nn.RMSNorm(6), PICTURE),
        (lambda: nn.LocalResponseNorm(3, 1e-2), PICTURE),
    ],
    "embedding": [(lambda: Tokens(), (2, 5)), (lambda: Tokens(padding_idx=2), (2, 5))],
    "activations": [
        (make, PICTURE)
        for make in (
            *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
            *(nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.LogSigmoid, nn.PReLU),
            *(nn.Hardshrink, nn.Softshrink, nn.RReLU, nn.Softmax2d),
            lambda: nn.ReLU(inplace=True),
            lambda: nn.LeakyReLU(0.3, inplace=True),
            lambda: nn.GELU(approximate="tanh"),
            lambda: nn.Hardtanh(-0.3, 0.7),
            lambda: nn.Hardtanh(-0.5, 0.75, inplace=True),
            lambda: nn.Softplus(1.3, 2.1),
            lambda: nn.PReLU(4),
            lambda: nn.Hardshrink(0.7),
            lambda: nn.Softshrink(0.3),
            lambda: nn.Threshold(0.1, 2),
            lambda: nn.GLU(1),
            lambda: nn.Softmax(1),
            lambda: nn.Softmin(-1),
            lambda: nn.LogSoftmax(1),
        )
    ],
    "rounded": [
        (nn.Hardsigmoid, PICTURE),
        (lambda: nn.ELU(0.7), PICTURE),
        (lambda: nn.CELU(0.7), PICTURE),
        (lambda: nn.AvgPool2d(3, 2, 1), PICTURE),
        (lambda: nn.AvgPool2d((3, 2), count_include_pad=False, padding=1), PICTURE),
        (lambda: nn.AdaptiveAvgPool2d(1), PICTURE),
        (lambda: nn.AdaptiveAvgPool2d((3, None)), PICTURE),
    ],
    "pools": [
        (lambda: nn.MaxPool2d(2), PICTURE),
        (lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 0)), PICTURE),
        (lambda: nn.MaxPool2d(2, 2, 1, ceil_mode=True), PICTURE),
        (lambda: nn.MaxPool1d(3, 2, 1), SERIES),
        (lambda: nn.MaxPool3d(2), VOLUME),
        (lambda: nn.AvgPool1d(3, 2, 1), SERIES),
        (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), PICTURE),
        (lambda: nn.AvgPool2d(2, divisor_override=3), PICTURE),
        (lambda: nn.AvgPool3d(2, padding=1), VOLUME),
        (lambda: nn.AdaptiveAvgPool1d(4), SERIES),
        (lambda: nn.AdaptiveAvgPool3d((2, 3, 1)), VOLUME),
        (lambda: nn.AdaptiveMaxPool2d((3, 4)), PICTURE),
    ],
    "dropouts": [(make, PICTURE) for make in (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)]
    + [(nn.Dropout1d, SERIES), (lambda: nn.Dropout3d(0.2), VOLUME)],
    "shapes": [
        (nn.Flatten, PICTURE),
        (lambda: nn.Flatten(2), PICTURE),
        (nn.Identity, PICTURE),
        (lambda: nn.Unflatten(1, (2, 2)), PICTURE),
        (lambda: nn.PixelShuffle(2), PICTURE),
        (lambda: nn.PixelUnshuffle(2), (1, 3, 4, 6)),
        (lambda: nn.ChannelShuffle(2), PICTURE),
        (lambda: nn.Unfold(3, padding=1), PICTURE),
        (lambda: nn.Fold((4, 5), 2), (2, 8, 12)),
        (lambda: nn.Upsample(scale_factor=2), PICTURE),
        (lambda: nn.Upsample(size=(5, 11), mode="bilinear", align_corners=True), PICTURE),
        (lambda: nn.Upsample(scale_factor=1.5, mode="bicubic"), PICTURE),
        (lambda: nn.UpsamplingBilinear2d(scale_factor=2), PICTURE),
    ],
    "padding": [
        (lambda: nn.ZeroPad2d((1, 2, 0, 3)), PICTURE),
        (lambda: nn.ConstantPad2d(1, 0.3), PICTURE),
        (lambda: nn.ReflectionPad1d(2), SERIES),
        (lambda: nn.ReflectionPad2d((1, 2, 3, 0)), PICTURE),
        (lambda: nn.ReplicationPad2d(2), PICTURE),
        (lambda: nn.ReplicationPad3d(1), VOLUME),
        (lambda: nn.CircularPad2d((1, 2, 3, 0)), PICTURE),
    ],
    "attention": [
        (lambda: OnWords(nn.MultiheadAttention(6, 2, batch_first=True), _attended), WORDS),
        (
            lambda: OnWords(
                nn.MultiheadAttention(6, 3, bias=False), lambda a, x: a(x, x * 2, x, need_weights=False)[0]
            ),
            WORDS,
        ),
        (
            lambda: OnWords(
                nn.MultiheadAttention(6, 2, dropout=0.3, batch_first=True),
                lambda a, x: a(
                    x, x, x, attn_mask=torch.ones(5, 5, dtype=torch.bool).triu(1), average_attn_weights=False
                )[1],
            ),
            WORDS,
        ),
        (
            lambda: OnWords(
                nn.MultiheadAttention(6, 2, batch_first=True),
                lambda a, x: a(x, x, x, key_padding_mask=x[..., 0] > 1, attn_mask=torch.eye(5).double())[0],
            ),
            WORDS,
        ),
    ],
    "recurrent": [
        (lambda: OnWords(nn.LSTM(6, 4, batch_first=True), lambda layer, x: layer(x)[0]), WORDS),
        (
            lambda: OnWords(
                nn.LSTM(6, 4, num_layers=2, bidirectional=True),
                lambda layer, x: torch.cat([t.flatten() for t in layer(x)[1]]),
            ),
            WORDS,
        ),
        (lambda: OnWords(nn.GRU(6, 4, dropout=0.2, num_layers=2), lambda layer, x: layer(x)[0]), WORDS),
        (
            lambda: OnWords(
                nn.GRU(6, 4, batch_first=True), lambda layer, x: layer(x, x[None, :, 0, :4].contiguous())[1]
            ),
            WORDS,
        ),
        (lambda: OnWords(nn.RNN(6, 4, batch_first=True, nonlinearity="relu"), lambda layer, x: layer(x)[0]), WORDS),
    ],
    "pairs": [
        (lambda: OnWords(nn.Bilinear(6, 6, 3), lambda layer, x: layer(x, x * 2)), TABLE),
        (lambda: OnWords(nn.CosineSimilarity(), lambda layer, x: layer(x, x * x)), TABLE),
        (lambda: OnWords(nn.PairwiseDistance(), lambda layer, x: layer(x, x * x)), TABLE),
    ],
    "transformer": [
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), WORDS),
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, activation="gelu", norm_first=True), WORDS),
    ],
}

CASES = [pytest.param(name, place, id=f"{name}-{place}") for name, made in LAYERS.items() for place in range(len(made))]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_layer_computes_the_same(name: str, place: int) -> None:
    need("paddle")
    make, shape = LAYERS[name][place]
    with get_backend("torch").seeded(0):
        net = make()
        for module in net.modules():
            for buffer in module.buffers(recurse=False):
                if buffer.is_floating_point():
                    buffer.uniform_(0.5, 1.5)
    there, x = built(net, shape)
    assert_same(net, there, x, (1e-6, 1e-6) if name == "rounded" else EXACT)


REFUSED = {
    "with_indices": lambda: OnWords(nn.MaxPool2d(2, return_indices=True), lambda layer, x: layer(x)[0]),
    "dilation": lambda: nn.MaxPool2d(2, dilation=2),
    "antialias": lambda: OnWords(
        nn.Identity(), lambda layer, x: torch.nn.functional.interpolate(x, (3, 3), mode="bilinear", antialias=True)
    ),
    "momentum=None": lambda: nn.BatchNorm2d(4, momentum=None),
    "track_running_stats=True": lambda: nn.InstanceNorm2d(4, track_running_stats=True),
    "add_bias_kv": lambda: OnWords(nn.MultiheadAttention(4, 2, add_bias_kv=True), lambda a, x: a(x[0], x[0], x[0])[0]),
    "proj_size": lambda: OnWords(nn.LSTM(6, 4, proj_size=2), lambda layer, x: layer(x[0])[0]),
    "max_norm": lambda: Tokens(max_norm=1.0),
    "parametrize": lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)),
    "weight_norm": lambda: torch.nn.utils.weight_norm(nn.Linear(6, 6)),
    "no shape yet": lambda: nn.LazyLinear(3),
    "fft": lambda: OnWords(nn.Identity(), lambda layer, x: torch.fft.fft(x).real),
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(reason: str) -> None:
    need("paddle")
    with pytest.raises(ModelError, match=reason):
        paddle_network(REFUSED[reason](), torch.rand(PICTURE))
