"""Winograd's convolutions give what torch's own give, and stand only where they suit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import twinlens as tl

from ..frameworks import need, torch


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    need("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def convolution(inputs: int = 5, outputs: int = 7, dtype: str = "float64", **options: Any) -> Any:
    return torch.nn.Conv2d(inputs, outputs, 3, padding=1, dtype=getattr(torch, dtype), **options)


def winograd(layer: Any) -> Any:
    from twinlens.backends.torch_winograd import WinogradConvolution

    return WinogradConvolution(layer)


def off(found: Any, expected: Any) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def both(layer: Any, x: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Output and gradient of the input, by the layer and by its replacement."""
    found = []
    for each in (layer, winograd(layer)):
        leaf = x.detach().clone().requires_grad_()
        y = each(leaf)
        found.append((y.detach(), torch.autograd.grad((y.sin() * y).sum(), leaf)[0]))
    return found[0], found[1]


# -- the same numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(3, 3), (3, 4), (4, 4), (6, 9), (7, 7), (8, 13), (14, 6)])
def test_outputs_and_gradients_are_exact_whatever_the_size(size: tuple[int, int], bias: bool) -> None:
    plain, fast = both(convolution(bias=bias), torch.randn(3, 5, *size, dtype=torch.float64))
    for found, expected in zip(fast, plain, strict=True):
        assert found.shape == expected.shape
        assert off(found, expected) < 1e-13


@pytest.mark.parametrize("block", [1, 6_000, 20_000, 50_000, 1 << 30])
def test_nobody_can_tell_where_the_work_was_cut(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.backends import torch_winograd

    x = torch.randn(5, 5, 10, 11, dtype=torch.float64)
    layer = convolution()
    whole = winograd(layer)(x).detach()
    monkeypatch.setattr(torch_winograd, "_BLOCK", block)
    assert off(winograd(layer)(x).detach(), whole) < 1e-14


@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 8), (8, 3)])
def test_any_layout_and_any_number_of_channels(inputs: int, outputs: int, layout: str) -> None:
    x = torch.randn(2, inputs, 6, 9, dtype=torch.float64).contiguous(memory_format=getattr(torch, layout))
    plain, fast = both(convolution(inputs, outputs), x)
    assert max(off(found, expected) for found, expected in zip(fast, plain, strict=True)) < 1e-13
    assert fast[0].is_contiguous(memory_format=torch.channels_last)


def test_the_second_derivative_is_right_too() -> None:
    layer = winograd(convolution(2, 3))
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).sin(), (x,))


def test_one_picture_without_a_batch_and_a_batch_without_pictures() -> None:
    layer = convolution()
    for shape in ((5, 6, 6), (0, 5, 6, 6)):
        x = torch.randn(*shape, dtype=torch.float64)
        np.testing.assert_allclose(winograd(layer)(x).detach(), layer(x).detach(), rtol=1e-12)


def test_rounding_in_single_precision_is_that_of_a_few_operations_more() -> None:
    layer, x = convolution(128, 128, "float32"), torch.randn(2, 128, 14, 14)
    exact = copy.deepcopy(layer).double()(x.double()).detach()
    # The factors of the transformations reach 8² and 5², so that some of the 24 bits of each product are lost.
    assert off(winograd(layer)(x).detach(), exact) < 2**-24 * 100


def test_what_comes_out_may_be_changed_in_place() -> None:
    layer = convolution()
    x = torch.randn(2, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    gradients = [torch.autograd.grad(each(x).relu_().sum(), x)[0] for each in (layer, winograd(layer))]
    assert off(gradients[1], gradients[0]) < 1e-13


@pytest.mark.parametrize(("size", "direct"), [((1, 1), True), ((2, 2), True), ((5, 5), True), ((3, 3), False)])
def test_maps_that_hardly_fill_the_tiles_are_left_to_torch(size: tuple[int, int], direct: bool) -> None:
    layer, x = convolution(128, 128, "float32"), torch.randn(2, 128, *size)
    assert torch.equal(winograd(layer)(x), layer(x)) is direct


# -- where it is used ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "suited"),
    [
        ({}, True),
        ({"padding": "same"}, True),
        ({"bias": False}, True),
        ({"padding": 0}, False),
        ({"padding": "valid"}, False),
        ({"padding": 2, "dilation": 2}, False),
        ({"stride": 2}, False),
        ({"groups": 2}, False),
        ({"padding_mode": "reflect"}, False),
        ({"kernel_size": 1, "padding": 0}, False),
        ({"kernel_size": (3, 1), "padding": (1, 0)}, False),
        ({"in_channels": 64}, False),
        ({"out_channels": 64}, False),
        ({"device": "meta"}, False),
    ],
    ids=str,
)
def test_which_convolutions_suit(options: dict[str, Any], suited: bool) -> None:
    from twinlens.backends.torch_winograd import suits

    given = {"in_channels": 128, "out_channels": 130, "kernel_size": 3, "padding": 1} | options
    assert suits(torch.nn.Conv2d(**given)) is suited


def test_a_convolution_of_the_users_own_kind_does_not_suit() -> None:
    from twinlens.backends.torch_winograd import suits

    class Scaled(torch.nn.Conv2d):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 2

    assert not suits(Scaled(128, 128, 3, padding=1))
    layer = torch.nn.Conv2d(128, 128, 3, padding=1)
    layer.forward = lambda x: x * 2
    assert not suits(layer)


def residual_network() -> tl.Model:
    """A convolution that suits, used twice, with batch norm and residual adds; and one that does not."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 128, 3, 2, 1)
            self.wide, self.norm = torch.nn.Conv2d(128, 128, 3, padding=1), torch.nn.BatchNorm2d(128)
            self.again = torch.nn.Conv2d(128, 128, 3, padding=1)
            self.head = torch.nn.Linear(128, 4)

        def forward(self, x: Any) -> Any:
            out = self.stem(x).relu_()
            out = out + self.norm(self.wide(out))
            out += self.again(self.again(out.relu()).relu_())
            return self.head(out.relu_().mean((2, 3)))

    return tl.wrap(Net().eval())


def kinds(model: tl.Model) -> list[str]:
    return [type(module).__name__ for module in model.net.modules()]


def test_many_runs_are_made_by_winograd_and_few_are_not() -> None:
    model = residual_network()
    x = np.zeros((1, 3, 16, 16), np.float32)
    assert kinds(model.streamlined(x, 1000)).count("WinogradConvolution") == 2
    assert "WinogradConvolution" not in kinds(model.streamlined(x, 20))
    assert "WinogradConvolution" not in kinds(model)


def test_scores_and_gradients_of_a_network_agree_with_the_plain_one() -> None:
    model = residual_network()
    x = np.random.default_rng(0).random((3, 3, 17, 22), dtype=np.float32)
    quick = model.streamlined(x, 1000)
    np.testing.assert_allclose(quick.forward(x), model.forward(x), rtol=1e-4, atol=1e-5)
    gradient = model.gradient(x, 1)
    assert np.linalg.norm(quick.gradient(x, 1) - gradient) < 1e-4 * np.linalg.norm(gradient)


def test_the_users_network_keeps_its_layers_and_weights() -> None:
    model = residual_network()
    before = {name: t.clone() for name, t in model.net.state_dict().items()}
    x = np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32)
    tl.explain(model, x, "smoothgrad", 1, samples=40)
    assert "WinogradConvolution" not in kinds(model)
    assert all(torch.equal(t, before[name]) for name, t in model.net.state_dict().items())


def test_less_precision_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    model = residual_network()
    rough = model.rough(np.zeros((1, 3, 16, 16), np.float32), "bfloat16")
    assert "WinogradConvolution" not in kinds(rough)
