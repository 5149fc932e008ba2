from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from ...frameworks import need, paddle
from .rebuilding import Gap, formula, gap, gaps, side_by_side


@pytest.fixture(autouse=True)
def _both() -> None:
    need("paddle")
    need("torch")


class _Functional:
    def __getattr__(self, name: str) -> Any:
        return getattr(paddle.nn.functional, name)


F = _Functional()
X = np.random.default_rng(0).normal(size=(2, 4, 6, 8))
POSITIVE = np.abs(X) + 0.1

ELEMENTWISE = {
    "operators": lambda x: (x + 1) * 2 - x / 3 + (1 - x) * (2 / (x * x + 1)),
    "reflected": lambda x: 2**x + 3 - x,
    "floor": lambda x: (x * 5) // 2 + (x * 5) % 2,
    "negative": lambda x: -x,
    "matrix product": lambda x: x @ x.transpose([0, 1, 3, 2]),
    "abs": lambda x: x.abs() + paddle.abs(x),
    "exp": lambda x: paddle.exp(x) + x.exp() + paddle.expm1(x),
    "trigonometry": lambda x: paddle.sin(x) + paddle.cos(x) * paddle.tan(x) + paddle.atan(x) + paddle.sinh(x * 0.1),
    "rounding": lambda x: x * (paddle.floor(x) + paddle.ceil(x) + paddle.sign(x)),
    "square": lambda x: x.square() + paddle.square(x) + x * x,
    "scale": lambda x: paddle.scale(x, 2.0, 1.0) + paddle.scale(x, 2.0, 1.0, bias_after_scale=False),
    "clip": lambda x: paddle.clip(x, -0.5, 0.75) + x.clip(min=0) + paddle.clip(x, max=0.5),
    "maximum": lambda x: paddle.maximum(x, x * 2) + paddle.minimum(x, x * x),
    "where": lambda x: paddle.where(x > 0, x, 0.5 * x) + paddle.where(x[:, :1] > 0, x, x[0, 0]),
    "atan2": lambda x: paddle.atan2(x, x * x + 5),
    "masks": lambda x: x * paddle.cast(x > 0, "float64") + x * (x <= 0.5).astype("float64"),
    "logic": lambda x: paddle.where(paddle.logical_and(x > -1, x < 1), x, x * 0),
    "bitwise logic": lambda x: paddle.where((x > -1) & ~(x > 1), x, x * 0),
    "masked_fill": lambda x: paddle.masked_fill(x, x > 1, 0.0),
    "lerp": lambda x: paddle.lerp(x, x * x, 0.25),
    "add_n": lambda x: paddle.add(x, x) + paddle.subtract(x, x * 3) + paddle.multiply(x, x) + paddle.divide(x, x + 9),
    "relu": lambda x: F.relu(x) + F.relu6(x * 4) + F.leaky_relu(x, 0.25) + F.elu(x, 0.5) + F.celu(x, 0.5),
    "gelu": lambda x: F.gelu(x) + F.gelu(x, approximate=True),
    "sigmoid": lambda x: F.sigmoid(x) + paddle.nn.functional.log_sigmoid(x) + F.silu(x) + F.swish(x) + F.mish(x),
    "tanh": lambda x: paddle.tanh(x) + F.tanhshrink(x) + F.softsign(x) + paddle.stanh(x),
    "hard": lambda x: F.hardswish(x) + F.hardtanh(x, -0.5, 0.5) + F.hardshrink(x, 0.25) + F.softshrink(x, 0.25),
    "softplus": lambda x: F.softplus(x) + F.softplus(x, beta=2.0, threshold=4.0),
    "threshold": lambda x: F.thresholded_relu(x, 0.5),
    "softmax": lambda x: F.softmax(x) + F.softmax(x, axis=1) + F.log_softmax(x, axis=1),
    "glu": lambda x: F.glu(x, axis=1),
    "maxout": lambda x: F.maxout(x, 2, axis=1),
    "swish of a gate": lambda x: x * F.sigmoid(x.mean([2, 3], keepdim=True)),
}
REDUCTIONS = {
    "sum": lambda x: x.sum() + paddle.sum(x, axis=[1, 2]).sum(-1, keepdim=True),
    "mean": lambda x: x.mean() + paddle.mean(x, axis=1).mean([1, 2], keepdim=True),
    "max": lambda x: x.max() + paddle.max(x, axis=-1) + paddle.amax(x, axis=3),
    "min": lambda x: x.min(axis=1, keepdim=True) + paddle.amin(x, axis=1, keepdim=True),
    "prod": lambda x: paddle.prod(x, axis=-1) + paddle.prod(x, axis=[2, 3], keepdim=True).squeeze(-1),
    "logsumexp": lambda x: paddle.logsumexp(x, axis=1),
    "var": lambda x: paddle.var(x, axis=1) + paddle.var(x, axis=1, unbiased=False),
    "std": lambda x: paddle.std(x, axis=[2, 3]),
    "norm": lambda x: paddle.norm(x, axis=1) + paddle.norm(x, p=1, axis=1) + x.norm(),
    "normalize": lambda x: F.normalize(x, axis=1),
    "cumsum": lambda x: paddle.cumsum(x, axis=1) + paddle.cumprod(x, dim=2),
    "argmax": lambda x: x * paddle.argmax(x, axis=1, keepdim=True).astype("float64"),
    "topk": lambda x: paddle.topk(x, 3, axis=-1)[0],
    "sort": lambda x: paddle.take_along_axis(x, paddle.argsort(x, axis=1), 1),
    "matmul": lambda x: paddle.matmul(x, x, transpose_y=True) + paddle.matmul(x, x * 2, transpose_y=True),
    "bmm": lambda x: paddle.bmm(x[:, 0], x[:, 1].transpose([0, 2, 1])),
    "einsum": lambda x: paddle.einsum("bchw,bdhw->bcd", x, x * 2),
    "all and any": lambda x: x * paddle.any(x > 2, axis=1, keepdim=True).astype("float64"),
}
SHAPES = {
    "reshape": lambda x: x.reshape([x.shape[0], -1]),
    "reshape with zeros": lambda x: paddle.reshape(x, [0, 0, -1]),
    "view": lambda x: x.reshape([-1, 192]) * (x * 2).detach().view([x.shape[0], 192]),
    "flatten": lambda x: x.flatten(1) if False else paddle.flatten(x, 1, 2),
    "transpose": lambda x: paddle.transpose(x, [0, 2, 3, 1]),
    "T": lambda x: x.mean([2, 3]).T,
    "moveaxis": lambda x: paddle.moveaxis(x, 1, -1),
    "squeeze": lambda x: x.mean(1, keepdim=True).squeeze(1).unsqueeze(-1).squeeze(),
    "unsqueeze": lambda x: paddle.unsqueeze(x, [0, 2]),
    "concat": lambda x: paddle.concat([x, x * 2], axis=1),
    "stack": lambda x: paddle.stack([x, x * 2], axis=1),
    "split": lambda x: paddle.concat(paddle.split(x, [1, 3], axis=1)[::-1], axis=1),
    "split the rest": lambda x: paddle.split(x, [1, -1], axis=1)[1],
    "split the rest from the end": lambda x: paddle.split(x, [-1, 2], axis=-1)[0],
    "split evenly": lambda x: paddle.split(x, 2, axis=1)[1],
    "chunk": lambda x: paddle.chunk(x, 2, axis=2)[0],
    "unbind": lambda x: sum(paddle.unbind(x, axis=1)),
    "slices": lambda x: x[:, 1:3, ::2, -3:] + x[:, :2, 1::2, :3],
    "one channel": lambda x: x[:, 0] + x[:, -1] + x[..., 0].mean([1, 2], keepdim=True),
    "new axis": lambda x: x[:, None, :, 0],
    "list index": lambda x: x[:, [2, 0]],
    "slices by a size": lambda x: x[:, : x.shape[1] // 2] * x.shape[1] ** 0.5,
    "expand": lambda x: paddle.expand(x.mean(1, keepdim=True), [x.shape[0], 4, 6, 8]) + x.mean(1, True).expand_as(x),
    "tile": lambda x: paddle.tile(x, [1, 2, 1, 1]),
    "flip": lambda x: paddle.flip(x, [2]) + paddle.flip(x, 2),
    "roll": lambda x: paddle.roll(x, 1, 2) + paddle.roll(x, [1, 2], [2, 3]),
    "gather": lambda x: paddle.index_select(x, paddle.to_tensor([2, 0]), axis=1),
    "tril": lambda x: paddle.tril(x) + paddle.triu(x, 1),
    "zeros": lambda x: paddle.concat([x, paddle.zeros([x.shape[0], 1, 6, 8], dtype="float64")], axis=1),
    "zeros like": lambda x: x + paddle.zeros_like(x) + paddle.ones_like(x) + paddle.full_like(x, 2.0),
    "arange": lambda x: x * paddle.arange(8, dtype="float64"),
    "literal": lambda x: x.transpose([0, 2, 3, 1]) - paddle.to_tensor([0.1, 0.2, 0.3, 0.4], dtype="float64"),
    "one_hot": lambda x: F.one_hot(paddle.argmax(x[:, :, 0, 0], axis=1), 4).astype("float64") * x.mean([2, 3]),
    "pad": lambda x: F.pad(x, [1, 2, 0, 1]) + F.pad(x, [1, 2, 0, 1], value=0.5),
    "pad by a mode": lambda x: F.pad(x, [1, 2, 0, 1], mode="reflect") + F.pad(x, [1, 2, 0, 1], mode="replicate"),
    "pad all axes": lambda x: F.pad(x, [0, 0, 1, 0, 2, 1, 0, 1]),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "unfold": lambda x: F.unfold(x, 3, paddings=1),
    "repeat": lambda x: paddle.repeat_interleave(x, 2, axis=1),
    "meshgrid": lambda x: sum(paddle.meshgrid(x[0, 0, 0], x[0, 0, 1])),
    "set a part": lambda x: _with_zeros(x * 1.0),
    "swap in place": lambda x: F.relu_((x * 1.0).add_(x)),
    "detached": lambda x: x * x.detach(),
    "without gradient": lambda x: x * _without_gradient(x),
    "several outputs": lambda x: {"a": x * 2, "b": [x.sum(), (x, x + 1)]},
}


def _with_zeros(x: Any) -> Any:
    x[:, 0] = 0.0
    x[:, 1] = x[:, 2] * 2
    return x


def _without_gradient(x: Any) -> Any:
    with paddle.no_grad():
        return x * 2


@functools.cache
def _together() -> dict[str, Gap]:
    # Two samples are recorded; three tell whether their number is written down anywhere.
    return gaps(side_by_side({**ELEMENTWISE, **REDUCTIONS, **SHAPES}), X, np.concatenate([X, X[:1] * 0.7]))


@pytest.mark.parametrize("name", [*ELEMENTWISE, *REDUCTIONS, *SHAPES])
def test_functions_compute_the_same_in_torch(name: str) -> None:
    found = _together()[name]
    assert found.values < 1e-10
    assert found.gradient < 1e-9


def test_torch_s_names_of_arguments_are_understood_where_paddle_does() -> None:
    if paddle.__version__.startswith("2."):
        pytest.skip("Paddle 3 began to take them")
    net = formula(lambda x: paddle.sum(x, dim=1, keepdim=True) + paddle.mean(input=x, axis=1, keepdim=True))
    assert gap(net, X).values < 1e-10


@pytest.mark.parametrize(
    "function",
    [
        lambda x: paddle.log(x) + paddle.log2(x) + paddle.log10(x) + paddle.log1p(x) + x.log(),
        lambda x: paddle.sqrt(x) + paddle.rsqrt(x) + x.sqrt() + paddle.reciprocal(x),
        lambda x: paddle.pow(x, 2) + x**3 + x.pow(2) + x**0.5,
        lambda x: paddle.pow(x, x) + paddle.lgamma(x) + paddle.erf(x),
    ],
    ids=["logarithms", "roots", "powers", "powers of tensors"],
)
def test_functions_of_positive_numbers_compute_the_same_in_torch(function: Any) -> None:
    found = gap(formula(function), POSITIVE)
    assert found.values < 1e-10
    assert found.gradient < 1e-9


SPATIAL = {
    "conv2d": lambda w, x: F.conv2d(x, w, padding=1) + F.conv2d(x, w, padding="SAME", dilation=2),
    "conv2d with pairs": lambda w, x: F.conv2d(x, w, padding=[1, 0, 2, 1], stride=2),
    "conv2d by keywords": lambda w, x: F.conv2d(x=x, weight=w, bias=w[:, 0, 0, 0]),
    "conv2d_transpose": lambda w, x: F.conv2d_transpose(x, w, stride=2, output_padding=1),
    "conv2d_transpose to a size": lambda w, x: F.conv2d_transpose(x, w, stride=2, output_size=[14, 18]),
    "conv2d_transpose unevenly": lambda w, x: F.conv2d_transpose(x, w, stride=2, padding=[1, 0, 0, 1]),
    "conv1d": lambda w, x: F.conv1d(x[:, :, 0], w[:, :, 0], padding=1),
    "conv1d_transpose": lambda w, x: F.conv1d_transpose(x[:, :, 0], w[:, :, 0], stride=2),
    "linear": lambda w, x: F.linear(x, w[0, 0, 0].reshape([1, 3]).tile([8, 1])),
    "max pools": lambda w, x: F.max_pool2d(x, 2) + F.adaptive_max_pool2d(x, [3, 4]) + F.max_pool2d(x, 2, 2, "SAME"),
    "max_pool1d": lambda w, x: F.max_pool1d(x[:, :, 0], 2, ceil_mode=True),
    "global max pool": lambda w, x: F.max_pool2d(x, x.shape[2:]),
    "batch_norm": lambda w, x: F.batch_norm(x, w[0, :, 0, 0].detach(), (w[0, :, 0, 1] ** 2 + 1).detach()),
    "instance_norm": lambda w, x: F.instance_norm(x),
    "local_response_norm": lambda w, x: F.local_response_norm(x, 3),
    "dropout": lambda w, x: F.dropout(x, 0.5, training=False) + F.dropout2d(x, 0.5, training=False),
    "dropout that scales": lambda w, x: F.dropout(x, 0.3, training=False, mode="downscale_in_infer"),
    "prelu": lambda w, x: F.prelu(x, w[0, 0, 0, :1]),
    "grid_sample": lambda w, x: F.grid_sample(x, paddle.tanh(x[:, :2].transpose([0, 2, 3, 1])), align_corners=True),
}


@functools.cache
def _of_pictures() -> dict[str, Gap]:
    weight = paddle.create_parameter([4, 4, 3, 3], "float64")
    return gaps(formula(lambda net, x: {name: SPATIAL[name](net.weight, x) for name in SPATIAL}, weight=weight), X)


@pytest.mark.parametrize("name", SPATIAL)
def test_functions_of_pictures_compute_the_same_in_torch(name: str) -> None:
    found = _of_pictures()[name]
    assert found.values < 1e-10
    assert found.gradient < 1e-9


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.avg_pool2d(x, 2) + F.adaptive_avg_pool2d(x, [3, 4]),
        lambda x: F.avg_pool2d(x, x.shape[2:]) + F.adaptive_avg_pool2d(x, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, exclusive=False) * 2 + F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 2, divisor_override=3),
        lambda x: F.hardsigmoid(x) + F.hardsigmoid(x, slope=0.25, offset=0.4),
        lambda x: F.selu(x) + F.selu(x, 1.5, 1.2),
        lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, size=[12, 16], mode="bilinear"),
        lambda x: F.interpolate(x, size=x[:, :, ::2].shape[2:], mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, size=[1, 5], mode="bilinear") + F.upsample(x, [1, 5], mode="nearest"),
        lambda x: F.interpolate(x, scale_factor=[1.5, 0.5], mode="bicubic"),
    ],
    ids=["average", "global", "padded", "divisor", "hardsigmoid", "selu", "sizes", "corners", "one row", "bicubic"],
)
def test_functions_that_paddle_computes_in_single_precision_agree_to_it(function: Any) -> None:
    found = gap(formula(function), X)
    assert found.values < 5e-6
    assert found.gradient < 2e-5


def test_the_code_of_a_rebuilt_function_reads_like_the_function() -> None:
    built = gap(formula(lambda x: F.relu(x).reshape([x.shape[0], -1]) * 2), X).built
    assert "torch.relu(x)" in built.code
    assert ".reshape((getitem, -1))" in built.code
