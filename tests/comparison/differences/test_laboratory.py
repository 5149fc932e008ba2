"""The laboratory's layers compute what the frameworks' own layers do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, wrap
from twinlens.comparison.differences.laboratory import Recipe
from twinlens.comparison.differences.settings import family, settings

from ...frameworks import paddle, torch
from ...nets import randomise

PICTURE = (2, 4, 9, 7)
# On torch, on Paddle, and what goes in.
LAYERS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "conv": (lambda n: n.Conv2d(4, 6, 3, 2, 1), lambda n: n.Conv2D(4, 6, 3, 2, 1), PICTURE),
    "grouped": (
        lambda n: n.Conv2d(4, 8, (3, 2), dilation=2, groups=2),
        lambda n: n.Conv2D(4, 8, (3, 2), dilation=2, groups=2),
        PICTURE,
    ),
    "same": (lambda n: n.Conv2d(4, 6, 5, padding="same"), lambda n: n.Conv2D(4, 6, 4, padding="SAME"), PICTURE),
    "circular": (
        lambda n: n.Conv2d(4, 6, 3, padding=2, padding_mode="circular"),
        lambda n: n.Conv2D(4, 6, 3, padding=2, padding_mode="circular"),
        PICTURE,
    ),
    "conv1d": (lambda n: n.Conv1d(4, 6, 3, padding=1), lambda n: n.Conv1D(4, 6, 3, padding=1), (2, 4, 9)),
    "batch_norm": (lambda n: n.BatchNorm2d(4, eps=1e-3), lambda n: n.BatchNorm2D(4, epsilon=1e-3), PICTURE),
    "layer_norm": (lambda n: n.LayerNorm(7), lambda n: n.LayerNorm(7), PICTURE),
    "group_norm": (lambda n: n.GroupNorm(2, 4), lambda n: n.GroupNorm(2, 4), PICTURE),
    "instance_norm": (lambda n: n.InstanceNorm2d(4, affine=True), lambda n: n.InstanceNorm2D(4), PICTURE),
    "max_pool": (lambda n: n.MaxPool2d(3, 2, 1), lambda n: n.MaxPool2D(3, 2, 1), PICTURE),
    "ragged": (
        lambda n: n.MaxPool2d(2, 2, 1, ceil_mode=True),
        lambda n: n.MaxPool2D(2, 2, 1, ceil_mode=True),
        PICTURE,
    ),
    "dilated_pool": (lambda n: n.MaxPool2d(2, 1, dilation=2), None, PICTURE),
    "avg_pool": (lambda n: n.AvgPool2d(3, 2, 1), lambda n: n.AvgPool2D(3, 2, 1), PICTURE),
    "avg_with_padding": (
        lambda n: n.AvgPool2d(3, 2, 1, count_include_pad=False),
        lambda n: n.AvgPool2D(3, 2, 1, exclusive=False),
        PICTURE,
    ),
    "avg_ceil": (lambda n: n.AvgPool2d(3, 2, ceil_mode=True), lambda n: n.AvgPool2D(3, 2, ceil_mode=True), PICTURE),
    "avg_divisor": (
        lambda n: n.AvgPool2d(2, divisor_override=3),
        lambda n: n.AvgPool2D(2, divisor_override=3),
        PICTURE,
    ),
    "adaptive": (lambda n: n.AdaptiveAvgPool2d((4, 3)), lambda n: n.AdaptiveAvgPool2D((4, 3)), PICTURE),
    "adaptive_max": (lambda n: n.AdaptiveMaxPool2d(2), lambda n: n.AdaptiveMaxPool2D(2), PICTURE),
    "bilinear": (
        lambda n: n.Upsample(scale_factor=2, mode="bilinear"),
        lambda n: n.Upsample(scale_factor=2, mode="bilinear"),
        PICTURE,
    ),
    "corners": (
        lambda n: n.Upsample(size=(12, 5), mode="bilinear", align_corners=True),
        lambda n: n.Upsample(size=(12, 5), mode="bilinear", align_corners=True),
        PICTURE,
    ),
    "align_mode": (None, lambda n: n.Upsample(scale_factor=2, mode="bilinear", align_mode=1), PICTURE),
    "nearest": (lambda n: n.Upsample(size=(4, 10)), lambda n: n.Upsample(size=(4, 10)), PICTURE),
    "reflection": (
        lambda n: n.ReflectionPad2d((1, 2, 3, 0)),
        lambda n: n.Pad2D((1, 2, 3, 0), mode="reflect"),
        PICTURE,
    ),
    "constant": (lambda n: n.ConstantPad2d(1, 2.5), lambda n: n.Pad2D(1, value=2.5), PICTURE),
    "zeros": (lambda n: n.ZeroPad2d(2), lambda n: n.ZeroPad2D(2), PICTURE),
    "linear": (lambda n: n.Linear(7, 5), lambda n: n.Linear(7, 5), PICTURE),
    "dropout": (lambda n: n.Dropout(0.3), lambda n: n.Dropout(0.3, mode="downscale_in_infer"), PICTURE),
    "gelu": (lambda n: n.GELU(), lambda n: n.GELU(), PICTURE),
    "gelu_tanh": (lambda n: n.GELU("tanh"), lambda n: n.GELU(True), PICTURE),
    "leaky": (lambda n: n.LeakyReLU(0.3), lambda n: n.LeakyReLU(0.3), PICTURE),
    "elu": (lambda n: n.ELU(0.7), lambda n: n.ELU(0.7), PICTURE),
    "softplus": (lambda n: n.Softplus(2), lambda n: n.Softplus(2), PICTURE),
    "softmax": (lambda n: n.Softmax(1), lambda n: n.Softmax(1), PICTURE),
    "log_softmax": (lambda n: n.LogSoftmax(-1), lambda n: n.LogSoftmax(-1), PICTURE),
    "silu": (lambda n: n.SiLU(), lambda n: n.Silu(), PICTURE),
    "mish": (lambda n: n.Mish(), lambda n: n.Mish(), PICTURE),
    "hardswish": (lambda n: n.Hardswish(), lambda n: n.Hardswish(), PICTURE),
    "hardtanh": (lambda n: n.Hardtanh(-0.5, 0.7), lambda n: n.Hardtanh(-0.5, 0.7), PICTURE),
    "relu6": (lambda n: n.ReLU6(), lambda n: n.ReLU6(), PICTURE),
    "selu": (lambda n: n.SELU(), lambda n: n.SELU(), PICTURE),
    "prelu": (lambda n: n.PReLU(4), lambda n: n.PReLU(4), PICTURE),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_recomputed(backend: Backend, name: str) -> None:
    make = LAYERS[name][0 if backend.name == "torch" else 1]
    if make is None:
        pytest.skip("this framework has no such layer")
    model = wrap(make(torch.nn if backend.name == "torch" else paddle.nn), dtype="float64")
    if model.state():
        randomise(model)
    x = np.random.default_rng(0).normal(scale=2, size=LAYERS[name][2])
    with backend.frozen(model.net), backend.no_grad():
        expected = backend.numpy(model.net(backend.asarray(x)))
    kind = backend.kind(model.net)
    found = Recipe(family(kind), settings(model.net, kind), model.state()).compute(x)
    assert found is not None
    # Paddle computes interpolation, hardswish and epsilons in float32.
    np.testing.assert_allclose(found, expected, atol=2e-5 if backend.name == "paddle" else 1e-9)


def test_what_is_not_known_is_not_computed() -> None:
    assert Recipe("lstm", {}, {}).compute(np.ones((1, 2))) is None
    assert Recipe("linear", {}, {"weight": np.ones((3, 5))}).compute(np.ones((1, 4))) is None
