"""Batches are given to torch networks with their channels last in memory, where that changes nothing but the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, quick
from twinlens.methods.checks import independent_samples

from ..frameworks import need, torch
from ..nets import pictures, small_net

MANY = quick._WORTH_ARRANGING
RUNS = quick._RUNS_WORTH_ARRANGING


class Seen:
    """A small torch network that keeps how its pictures lay in memory, and what it is made to do with them."""

    def __init__(self, between: Callable[[Any, Any], Any] = lambda x, maps: maps.flatten(1), dtype: str = "float32"):
        need("torch")
        self.orders: list[bool] = []
        seen = self

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.convolution = torch.nn.Conv2d(3, 4, 3)
                self.head = torch.nn.Linear(144, 5)

            def forward(self, x: Any) -> Any:
                seen.orders.append(not x.is_contiguous())
                return self.head(between(x, self.convolution(x).relu_()))

        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = tl.wrap(Net(), dtype=dtype)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """What the plain network says."""
        return self.model.gradient(x, 1)

    def explained(self, x: np.ndarray) -> np.ndarray:
        """What `explain` says, with `orders` those of its own runs."""
        independent_samples(self.model, x)
        self.orders.clear()
        values = tl.explain(self.model, x, "saliency", 1).values
        assert values.flags.c_contiguous
        return values


def rounding(values: np.ndarray, expected: np.ndarray) -> bool:
    """The sums of a small network in another order: some dozens of roundings of 6e-8."""
    return bool(np.abs(values - expected).max() <= 1e-5 * np.abs(expected).max())


def test_a_batch_lies_with_its_channels_last() -> None:
    net, x = Seen(), pictures(MANY)
    assert rounding(net.explained(x), net.gradient(x))
    # The first sample in both orders, then the batch; the plain gradient of the comparison behind.
    assert net.orders == [False, True, True, False]


def test_the_order_is_tried_once() -> None:
    net, x = Seen(), pictures(MANY)
    net.explained(x)
    net.explained(x)
    assert net.orders == [True]


def test_other_layers_and_other_shapes_are_tried_anew() -> None:
    net, x = Seen(lambda _x, maps: maps[:, :, :6, :6].flatten(1)), pictures(MANY)
    net.explained(x)
    net.model.net.convolution = torch.nn.Conv2d(3, 4, 3)
    assert rounding(net.explained(x), net.gradient(x))
    assert net.orders[:3] == [False, True, True]
    net.explained(np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 2))))
    assert net.orders == [False, True, True]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda x, maps: maps.view(len(maps), -1), id="a view, which torch refuses"),
        pytest.param(lambda x, maps: maps.as_strided((len(maps), 144), (144, 1)), id="memory read as it lies"),
        pytest.param(lambda x, maps: maps.flatten(1) * (1 + x.is_contiguous()), id="another answer"),
    ],
)
def test_networks_that_notice_get_what_they_expect(between: Callable[[Any, Any], Any]) -> None:
    net, x = Seen(between), pictures(MANY)
    np.testing.assert_array_equal(net.explained(x), net.gradient(x))
    assert net.orders[:3] == [False, True, False]


def test_a_network_that_asserts_an_order_gets_it() -> None:
    def between(x: Any, maps: Any) -> Any:
        assert x.is_contiguous(), "channels second, please"
        return maps.flatten(1)

    net, x = Seen(between), pictures(MANY)
    np.testing.assert_array_equal(net.explained(x), net.gradient(x))


def test_a_network_that_notices_on_a_later_sample_only_is_explained_from_the_beginning() -> None:
    net = Seen(lambda x, maps: maps.view(len(maps), -1) if len(x) > 1 else maps.flatten(1))
    x = pictures(MANY)
    np.testing.assert_array_equal(net.explained(x), net.gradient(x))
    assert net.orders[:4] == [False, True, True, False]


def test_one_sample_that_is_run_many_times_lies_with_its_channels_last() -> None:
    net, x = Seen(), pictures(1)
    assert net.model.streamlined(x, RUNS - 1) is net.model
    other = net.model.streamlined(x, RUNS)
    assert other is not net.model
    assert other.net is net.model.net
    assert other.streamlined(x, RUNS) is other
    plain = net.model.forward(x)
    net.orders.clear()
    assert rounding(other.forward(x), plain)
    assert net.orders == [True]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda x, maps: maps.flatten(1), id="any order will do"),
        # The first sample alone, which is tried, does not tell.
        pytest.param(
            lambda x, maps: maps.view(len(maps), -1) if len(x) > 1 else maps.flatten(1), id="a view of several"
        ),
    ],
)
def test_what_is_run_many_times_is_explained_alike(between: Callable[[Any, Any], Any]) -> None:
    net, x = Seen(between), pictures(1)

    def explained() -> np.ndarray:
        return tl.explain(net.model, x, "occlusion", 1, window=2, stride=1, batch_size=4).values

    found = explained()
    assert True in net.orders
    net.orders.clear()
    with net.model.hook("convolution", post=lambda *_: None):
        assert rounding(found, explained())
    assert True not in net.orders


def test_an_order_that_was_refused_is_not_tried_again() -> None:
    net, x = Seen(lambda x, maps: maps.view(len(maps), -1) if len(x) > 1 else maps.flatten(1)), pictures(MANY)
    net.explained(x)
    net.explained(x)
    assert net.orders == [False]


def test_an_error_of_the_network_itself_is_raised() -> None:
    net = Seen(lambda x, maps: maps.flatten(1)[:, 1:])
    with pytest.raises(tl.errors.ModelError, match="The network fails on an input of shape"):
        net.explained(pictures(MANY))


def test_few_samples_double_precision_and_tables_are_left_alone() -> None:
    net = Seen()
    net.explained(pictures(MANY - 1))
    assert net.orders == [False]
    net = Seen(dtype="float64")
    net.explained(pictures(MANY))
    assert net.orders == [False]
    table = tl.wrap(torch.nn.Linear(3, 2))
    assert table.arranged(np.zeros((MANY, 3), dtype=np.float32)) is table
    rows = tl.wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2)))
    assert rows.arranged(np.zeros((MANY, 3, 2, 2), dtype=np.float32)) is rows


def test_who_looks_into_a_layer_sees_the_usual_order() -> None:
    net, seen = Seen(), []
    handle = net.model.net.convolution.register_forward_hook(lambda _l, _i, output: seen.append(output.is_contiguous()))
    net.explained(pictures(MANY))
    handle.remove()
    assert seen
    assert all(seen)
    with net.model.capture("convolution") as captured:
        net.explained(pictures(MANY))
    assert net.orders == [False]
    assert captured["convolution"].shape == (MANY, 4, 6, 6)


def test_a_network_that_draws_random_numbers_in_the_order_in_memory_draws_the_usual_ones() -> None:
    net, x = Seen(lambda _x, maps: torch.nn.functional.dropout(maps, 0.5).flatten(1)), pictures(MANY)
    values = net.explained(x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.testing.assert_array_equal(values, net.gradient(x))
    assert net.orders[:3] == [False, True, False]


def test_the_model_itself_is_not_changed() -> None:
    model = small_net(need("torch"))
    before = dict(vars(model))
    other = model.arranged(pictures(MANY))
    assert other is not model
    assert other.net is model.net
    assert {name: vars(model)[name] for name in before} == before


def test_paddle_has_no_other_order() -> None:
    model: Model = small_net(need("paddle"))
    assert model.arranged(pictures(MANY)) is model


def test_inner_products_take_tensors_as_they_lie(rng: np.random.Generator) -> None:
    backend: Backend = need("torch")
    a, b = (torch.from_numpy(rng.normal(size=(3, 4, 5, 6))) for _ in range(2))
    expected = (a * b).sum((1, 2, 3)).numpy()
    last = [t.contiguous(memory_format=torch.channels_last) for t in (a, b)]
    for pair in ((a, b), (last[0], b), (a, last[1]), last):
        np.testing.assert_allclose(backend.numpy(backend.inner(*pair)), expected, rtol=1e-12, atol=1e-13)
