"""Winograd's convolutions give what torch's own give, and stand only where they suit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import twinlens as tl

from ..frameworks import need, torch


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    need("torch")
    pytest.importorskip("numba", reason="what is compiled needs numba")
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("torch computes these convolutions on x86 processors only")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# A few operations more than a plain convolution: the factors of the transformations reach 8² and 5², so that some of
# the 24 bits of each product are lost.
ROUNDING = 2**-24 * 100


def convolution(inputs: int = 5, outputs: int = 7, **options: Any) -> Any:
    return torch.nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def winograd(layer: Any) -> Any:
    from twinlens.backends.torch_winograd import WinogradConvolution

    return WinogradConvolution(layer)


def off(found: Any, expected: Any) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def gradient(layer: Any, x: Any, seed: Any) -> Any:
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(layer(leaf), leaf, seed)[0]


@pytest.fixture
def few_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as small as they are where a layer has many channels."""
    from twinlens.backends import torch_winograd

    monkeypatch.setattr(torch_winograd, "_MOST_TILES", torch_winograd._FEWEST_TILES)
    monkeypatch.setattr(torch_winograd, "_cut", torch_winograd._cut.__wrapped__)


def check(layer: Any, x: Any) -> None:
    """Outputs and gradients of the input are those of the layer in double precision, and are not the layer's own."""
    fast, exact = winograd(layer), copy.deepcopy(layer).double()
    seed = torch.randn_like(layer(x))
    pairs = [
        (fast(x), layer(x), exact(x.double())),
        (gradient(fast, x, seed), gradient(layer, x, seed), gradient(exact, x.double(), seed.double())),
    ]
    for found, plain, truth in pairs:
        assert found.shape == truth.shape
        assert off(found.detach(), truth.detach()) < ROUNDING
        assert not torch.equal(found, plain)


# -- the same numbers ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_tiles")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(6, 8), (7, 7), (8, 13), (14, 6), (14, 14), (28, 28), (29, 50), (56, 33), (3, 130)])
def test_outputs_and_gradients_are_right_whatever_the_size(size: tuple[int, int], bias: bool) -> None:
    check(convolution(bias=bias), torch.randn(8, 5, *size))


@pytest.mark.usefixtures("few_tiles")
@pytest.mark.parametrize("samples", [1, 2, 3, 7, 8, 9, 16, 21])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (20, 44)])
def test_nobody_can_tell_which_pictures_filled_a_block(samples: int, size: tuple[int, int]) -> None:
    layer, x = convolution(), torch.randn(samples, 5, *size)
    fast, exact = winograd(layer), copy.deepcopy(layer).double()
    seed = torch.randn_like(layer(x))
    pairs = [(fast(x), exact(x.double())), (gradient(fast, x, seed), gradient(exact, x.double(), seed.double()))]
    for found, truth in pairs:
        for mine, its in zip(found, truth, strict=True):
            assert off(mine.detach(), its.detach()) < ROUNDING


@pytest.mark.parametrize("tiles", [1, 10, 30, 36, 81])
def test_nobody_can_tell_where_the_work_was_cut(tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.backends import torch_winograd

    monkeypatch.setattr(torch_winograd, "_FEWEST_TILES", tiles)
    monkeypatch.setattr(torch_winograd, "_MOST_TILES", tiles)
    monkeypatch.setattr(torch_winograd, "_cut", torch_winograd._cut.__wrapped__)
    for size in ((10, 11), (30, 21), (64, 5)):
        check(convolution(), torch.randn(9, 5, *size))


@pytest.mark.usefixtures("few_tiles")
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 8), (8, 3)])
def test_any_layout_and_any_number_of_channels(inputs: int, outputs: int, layout: str) -> None:
    x = torch.randn(4, inputs, 16, 19).contiguous(memory_format=getattr(torch, layout))
    layer = convolution(inputs, outputs)
    check(layer, x)
    assert winograd(layer)(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("few_tiles")
def test_the_second_derivative_is_right_too() -> None:
    layer = convolution(2, 3)
    x, direction = torch.randn(1, 2, 32, 32), torch.randn(1, 2, 32, 32)

    def second(layer: Any, x: Any, direction: Any) -> Any:
        leaf = x.clone().requires_grad_()
        first = torch.autograd.grad(layer(leaf).sin().sum(), leaf, create_graph=True)[0]
        return torch.autograd.grad((first * direction).sum(), leaf)[0]

    exact = second(copy.deepcopy(layer).double(), x.double(), direction.double())
    assert off(second(winograd(layer), x, direction), exact) < 10 * ROUNDING


def test_what_it_does_not_compute_goes_the_usual_way() -> None:
    layer = convolution()
    for shape in ((5, 32, 32), (0, 5, 32, 32)):
        x = torch.randn(*shape)
        assert torch.equal(winograd(layer)(x), layer(x))
    double = convolution(dtype=torch.float64)
    x = torch.randn(1, 5, 32, 32, dtype=torch.float64)
    assert torch.equal(winograd(double)(x), double(x))


def test_rounding_is_that_of_a_few_operations_more_with_many_channels_too() -> None:
    check(convolution(128, 128), torch.randn(4, 128, 14, 14))
    check(convolution(512, 130), torch.randn(8, 512, 7, 7))


@pytest.mark.usefixtures("few_tiles")
def test_what_comes_out_may_be_changed_in_place() -> None:
    layer, x = convolution(), torch.randn(2, 5, 32, 32)
    exact = copy.deepcopy(layer).double()
    found, truth = (
        gradient(lambda leaf, layer=layer: layer(leaf).relu_().sum(), x, None)
        for layer, x in ((winograd(layer), x), (exact, x.double()))
    )
    # A unit next to 0 may switch; an error would move all of them.
    assert off(found, truth) < 1e-3


@pytest.mark.usefixtures("few_tiles")
@pytest.mark.parametrize(
    ("shape", "direct"),
    [
        ((64, 1, 1), True),
        ((64, 2, 2), True),
        ((64, 5, 5), True),
        ((31, 4, 4), True),
        ((32, 4, 4), False),
        ((7, 7, 7), True),
        ((8, 7, 7), False),
        ((1, 14, 14), True),
        ((2, 14, 14), False),
        ((1, 28, 28), False),
        ((1, 56, 56), False),
    ],
    ids=str,
)
def test_maps_that_hardly_fill_the_tiles_and_batches_that_fill_no_block_are_left_to_torch(
    shape: tuple[int, int, int], direct: bool
) -> None:
    samples, height, width = shape
    layer, x = convolution(8, 8), torch.randn(samples, 8, height, width)
    assert torch.equal(winograd(layer)(x), layer(x)) is direct


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_does_not_change_a_bit(threads: int) -> None:
    layer, x = winograd(convolution(64, 64)), torch.randn(3, 64, 30, 29)
    expected = layer(x)
    usual = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert torch.equal(layer(x), expected)
    finally:
        torch.set_num_threads(usual)


def test_several_threads_of_the_users_may_run_it_at_once() -> None:
    layer = winograd(convolution(64, 64))
    batches = [torch.randn(2, 64, 24 + number, 20) for number in range(12)]
    with torch.no_grad(), ThreadPoolExecutor(4) as pool:
        expected = [layer(x) for x in batches]
        for _ in range(5):
            assert all(map(torch.equal, pool.map(layer, batches), expected))


def test_numbers_that_are_none_stay_with_their_picture() -> None:
    layer, x = convolution(64, 64), torch.randn(4, 64, 28, 28)
    x[1, 0, 3, 3] = float("nan")
    found = winograd(layer)(x).detach()
    assert [bool(each.isnan().any()) for each in found] == [False, True, False, False]


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
        ({"in_channels": 64}, True),
        ({"in_channels": 63}, False),
        ({"out_channels": 63}, False),
        ({"device": "meta"}, False),
        ({"dtype": "float64"}, False),
    ],
    ids=str,
)
def test_which_convolutions_suit(options: dict[str, Any], suited: bool) -> None:
    from twinlens.backends.torch_winograd import suits

    given = {"in_channels": 128, "out_channels": 130, "kernel_size": 3, "padding": 1} | options
    if "dtype" in given:
        given["dtype"] = getattr(torch, given["dtype"])
    assert suits(torch.nn.Conv2d(**given)) is suited


@pytest.mark.parametrize("processor", ["DEFAULT", "SVE256"])
def test_on_processors_where_it_was_not_measured_it_is_not_used(
    processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twinlens.backends.torch_winograd import suits

    layer = torch.nn.Conv2d(128, 128, 3, padding=1)
    assert suits(layer)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    assert not suits(layer)


def test_what_cannot_be_compiled_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.backends import torch_winograd, winograd_kernels

    def fails(library: str) -> None:
        raise OSError("no memory that may be executed")

    monkeypatch.setattr(winograd_kernels, "kernels", fails)
    monkeypatch.setattr(torch_winograd, "_kernels", torch_winograd._kernels.__wrapped__)
    assert not torch_winograd.suits(torch.nn.Conv2d(128, 128, 3, padding=1))
    assert kinds(residual_network().streamlined(np.zeros((1, 3, 16, 16), np.float32), 1000)).count("Conv2d") == 3


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
    assert "WinogradConvolution" not in kinds(model.streamlined(x, 40))
    assert "WinogradConvolution" not in kinds(model)


def test_scores_and_gradients_of_a_network_agree_with_the_plain_one() -> None:
    model = residual_network()
    x = np.random.default_rng(0).random((3, 3, 64, 70), dtype=np.float32)
    quick = model.streamlined(x, 1000)
    np.testing.assert_allclose(quick.forward(x), model.forward(x), rtol=1e-4, atol=1e-5)
    gradient = model.gradient(x, 1)
    assert np.linalg.norm(quick.gradient(x, 1) - gradient) < 1e-4 * np.linalg.norm(gradient)


def test_the_users_network_keeps_its_layers_and_weights() -> None:
    model = residual_network()
    before = {name: t.clone() for name, t in model.net.state_dict().items()}
    x = np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32)
    tl.explain(model, x, "smoothgrad", 1, samples=80)
    assert "WinogradConvolution" not in kinds(model)
    assert all(torch.equal(t, before[name]) for name, t in model.net.state_dict().items())


def test_less_precision_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    model = residual_network()
    rough = model.rough(np.zeros((1, 3, 16, 16), np.float32), "bfloat16")
    assert "WinogradConvolution" not in kinds(rough)
