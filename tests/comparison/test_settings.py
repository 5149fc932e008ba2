"""Settings that part two networks with the same weights are named, by the transfer and by the diff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl

from ..frameworks import BOTH, need, paddle, torch

for framework in BOTH:
    pytest.importorskip(framework)


def first_output(net: Any, inputs: int = 1) -> Any:
    """A network that gives its input to a layer so many times, and returns the first of what that returns."""

    class First(torch.nn.Module if isinstance(net, torch.nn.Module) else paddle.nn.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = net

        def forward(self, x: Any) -> Any:
            returned = self.layer(*[x] * inputs)
            return returned[0] if isinstance(returned, tuple) else returned

    first = First()
    first.eval()
    return first


class Tokens(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Embedding(10, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x.long())


class PaddedTokens(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.layer = paddle.nn.Embedding(10, 4, padding_idx=1)

    def forward(self, x: Any) -> Any:
        return self.layer(x.astype("int64"))


def _attention() -> tuple[Any, Any]:
    ours, theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True), paddle.nn.MultiHeadAttention(8, 4)
    return first_output(ours, 3), first_output(theirs, 3)


def _encoder(**options: Any) -> Callable[[], tuple[Any, Any]]:
    settings = {"nhead": 2, "norm_first": False} | options
    return lambda: (
        first_output(torch.nn.TransformerEncoderLayer(8, dim_feedforward=16, batch_first=True, **settings)),
        first_output(paddle.nn.TransformerEncoderLayer(8, 2, 16)),
    )


def _pair(ours: Callable[[Any], Any], theirs: Callable[[Any], Any]) -> Callable[[], tuple[Any, Any]]:
    return lambda: (first_output(ours(torch.nn)), first_output(theirs(paddle.nn)))


SEQUENCE, PICTURE, TOKENS = (3, 3, 8), (2, 4, 6, 6), (2, 3)
CASES: dict[str, tuple[Callable[[], tuple[Any, Any]], tuple[int, ...], str, tuple[Any, Any]]] = {
    "attention": (_attention, SEQUENCE, "number of heads", (2, 4)),
    "encoder": (_encoder(nhead=4), SEQUENCE, "number of heads", (4, 2)),
    "order": (_encoder(norm_first=True), SEQUENCE, "norm first", (True, False)),
    "rnn": (
        _pair(lambda nn: nn.RNN(8, 4, batch_first=True, nonlinearity="relu"), lambda nn: nn.SimpleRNN(8, 4)),
        SEQUENCE, "nonlinearity", ("relu", "tanh"),
    ),
    "time": (_pair(lambda nn: nn.LSTM(8, 4), lambda nn: nn.LSTM(8, 4)), SEQUENCE, "time axis", (0, 1)),
    "time major": (
        _pair(lambda nn: nn.GRU(8, 4, batch_first=True), lambda nn: nn.GRU(8, 4, time_major=True)),
        SEQUENCE, "time axis", (1, 0),
    ),
    "transposed": (
        _pair(lambda nn: nn.ConvTranspose2d(4, 3, 3, 2, output_padding=1), lambda nn: nn.Conv2DTranspose(4, 3, 3, 2)),
        PICTURE, "output padding", (1, 0),
    ),
    "response": (
        _pair(lambda nn: nn.LocalResponseNorm(3, 0.1), lambda nn: nn.LocalResponseNorm(3, 0.5)),
        PICTURE, "alpha", (0.1, 0.5),
    ),
    "resize": (
        _pair(lambda nn: nn.Upsample(None, 2, "bicubic"), lambda nn: nn.Upsample(None, 2, "bilinear")),
        PICTURE, "mode", ("bicubic", "bilinear"),
    ),
    "padding": (lambda: (Tokens(), PaddedTokens()), TOKENS, "row replaced by zeros", (None, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_setting_that_parts_two_networks_is_named(case: str) -> None:
    need("torch"), need("paddle")
    make, shape, name, values = CASES[case]
    first, second = make()
    rng = np.random.default_rng(0)
    x = (rng.permutation(6).reshape(shape) if shape is TOKENS else rng.normal(size=shape)).astype(np.float32)
    differences = tl.transfer(first, second, x).differences
    assert [name in text for text in differences] == [True]
    assert f"{name} {values[0]}, " in differences[0]
    assert differences[0].endswith(f" has {values[1]}")
    found = tl.diff(first, second, x)
    assert not found.agrees
    assert found.causes == ()
    assert found.verdict.endswith(f" has {name} {values[0]} in A, {values[1]} in B.")
    assert "a possible cause: '" in found.verdict
    assert found.places[0].unexplained in str(found)
    assert found.to_dict()["places"][0]["possible"] == list(found.places[0].possible)


def test_layers_that_are_set_alike_have_no_differences() -> None:
    need("torch"), need("paddle")
    for make in (
        _encoder(),
        _pair(lambda nn: nn.RNN(8, 4, batch_first=True), lambda nn: nn.SimpleRNN(8, 4)),
        _pair(lambda nn: nn.ConvTranspose2d(4, 3, 3, 2), lambda nn: nn.Conv2DTranspose(4, 3, 3, 2)),
        _pair(lambda nn: nn.LocalResponseNorm(3, 0.1), lambda nn: nn.LocalResponseNorm(3, 0.1)),
        _pair(lambda nn: nn.Upsample(None, 2), lambda nn: nn.Upsample(None, 2)),
        lambda: (Tokens(), Tokens()),
    ):
        assert tl.transfer(*make()).differences == ()
