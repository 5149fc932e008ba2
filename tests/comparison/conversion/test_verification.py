"""Verification finds what two networks do differently, and lets pass what is only rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.comparison.conversion.verification import Verification, verified
from twinlens.errors import ModelError

from ...frameworks import BOTH, need, paddle, torch
from ...nets import pictures, randomise, small_net

for framework in BOTH:
    pytest.importorskip(framework)


def pair(change: Any = None) -> tuple[Model, Model]:
    """One small network on both frameworks, the one on Paddle changed by a function."""
    source, built = small_net(need("torch")), small_net(need("paddle"))
    if change is not None:
        change(built.net)
    return source, built


def assert_refused(source: Model, built: Model, *parts: str) -> None:
    with pytest.raises(ModelError) as caught:
        verified(source, built, pictures(3))
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_network_passes_with_its_numbers(both: tuple[Backend, Backend]) -> None:
    for one, other in (both, both[::-1]):
        found = verified(small_net(one), small_net(other), pictures(3))
        assert isinstance(found, Verification)
        assert 0 < found.scores < 1e-5
        assert 0 < found.gradient < 1e-4
        assert found.exact_scores is not None
        assert found.exact_gradient is not None
        assert found.exact_scores < 1e-10
        assert found.exact_gradient < 1e-9
        assert found.rounded == ()


def test_neither_network_is_changed() -> None:
    source, built = pair()
    states = [{name: array.copy() for name, array in model.state().items()} for model in (source, built)]
    verified(source, built, pictures(3))
    for model, state in zip((source, built), states, strict=True):
        for name, array in model.state().items():
            np.testing.assert_array_equal(array, state[name])
        assert not model.backend.on_exit(model.layer("0"), lambda *args: None).remove()


def test_a_fault_is_named_by_its_layer() -> None:
    def change(net: Any) -> None:
        net[4] = paddle.nn.Conv2D(6, 8, 3, padding=1, padding_mode="replicate")

    source, built = pair(change)
    assert_refused(randomise(source, 1), randomise(built, 1), "first layer to differ is '4' (conv2d)", "scores")


def test_a_fault_that_float32_hides_shows_in_float64() -> None:
    def change(net: Any) -> None:
        net[1]._epsilon = 1.1e-5

    assert_refused(*pair(change), "float64", "'1' (batch_norm2d)")


def test_a_fault_behind_a_branch_that_starts_at_zero_is_found() -> None:
    nets = []
    for name, slope in (("torch", 0.1), ("paddle", 0.2)):
        model = small_net(need(name))
        model.net[6] = {"torch": torch, "paddle": paddle}[name].nn.LeakyReLU(slope)
        state = model.state()
        model.load_state(state | {key: 0 * state[key] for key in ("5.weight", "5.bias")})
        nets.append(model)
    assert_refused(*nets, "'6' (leaky_relu)")


def test_equal_scores_with_another_gradient_are_refused() -> None:
    def change(net: Any) -> None:
        net[2].register_forward_post_hook(lambda layer, inputs, output: output.detach() + 0 * inputs[0])

    assert_refused(*pair(change), "input gradients")


def test_what_paddle_rounds_is_allowed_and_said() -> None:
    class Torch(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.elu(self.conv(x), 0.7)

    class Paddle(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = paddle.nn.Conv2D(3, 4, 3)

        def forward(self, x: Any) -> Any:
            return paddle.nn.functional.elu(self.conv(x), 0.7)

    found = verified(randomise(tl.wrap(Torch())), randomise(tl.wrap(Paddle())), pictures(2))
    assert found.rounded == ("elu",)
    assert found.exact_scores is not None
    assert 1e-10 < found.exact_scores < 1e-6


def test_an_activation_that_is_a_layer_is_not_rounded_in_the_copies() -> None:
    source = tl.wrap(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ELU(0.7)))
    built = tl.wrap(paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.ELU(0.7)))
    found = verified(randomise(source), randomise(built), pictures(2))
    assert found.rounded == ()
    assert found.exact_scores is not None
    assert found.exact_scores < 1e-13


def test_whole_numbers_stay_whole() -> None:
    source = tl.wrap(torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Flatten()))
    built = tl.wrap(paddle.nn.Sequential(paddle.nn.Embedding(5, 3), paddle.nn.Flatten()))
    found = verified(randomise(source), randomise(built), np.array([[0, 4], [3, 1]]))
    assert found.scores == found.gradient == 0


def _embedded(nn: Any, **settings: Any) -> Model:
    return randomise(tl.wrap(nn.Sequential(nn.Embedding(5, 3, **settings), nn.Flatten())))


def test_padding_is_tried_where_the_input_holds_none() -> None:
    source, built = _embedded(paddle.nn, padding_idx=-1), _embedded(torch.nn)
    built.load_state(source.state())
    with pytest.raises(ModelError, match="scores differ"):
        verified(source, built, np.array([[0, 3], [3, 1]]))


def test_padding_of_zeros_passes_on_either_framework() -> None:
    source, built = _embedded(paddle.nn, padding_idx=2), _embedded(torch.nn, padding_idx=2)
    state = source.state()
    state["0.weight"][2] = 0.0
    for model in (source, built):
        model.load_state(state)
    for pair in ((source, built), (built, source)):
        assert verified(*pair, np.array([[0, 2], [3, 1]])).scores == 0


def test_padding_that_the_network_does_not_take_there_is_not_tried() -> None:
    class Two(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.large, self.small = paddle.nn.Embedding(9, 3, padding_idx=-1), paddle.nn.Embedding(4, 3)

        def forward(self, x: Any) -> Any:
            return self.large(x) + self.small(x)

    assert tl.twin(Two(), x=np.array([[0, 3], [3, 1]])).backend.name == "torch"


class SumsToOne(paddle.nn.Layer):
    """The sum of a softmax is 1 whatever the input: the gradient is 0 but for rounding."""

    def __init__(self, slope: float = 0.0) -> None:
        super().__init__()
        self.fc, self.slope = paddle.nn.Linear(4, 3), slope

    def forward(self, x: Any) -> Any:
        return self.fc(paddle.nn.functional.softmax(x, 1).sum(1) + self.slope * x[:, 0])


def test_rounding_is_not_held_against_a_gradient_of_zero() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    assert tl.twin(SumsToOne(), x=x).backend.name == "torch"


def test_a_gradient_that_should_be_zero_and_is_not_is_refused() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    built = tl.twin(SumsToOne(1e-9), x=x)
    source = tl.wrap(SumsToOne())
    source.load_state(built.state())
    with pytest.raises(ModelError, match="differ"):
        verified(source, built, x)


class Casts(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(x.float())


def test_a_network_that_insists_on_float32_is_judged_in_it() -> None:
    source, built = tl.wrap(Casts()), tl.wrap(paddle.nn.Sequential(("fc", paddle.nn.Linear(4, 3))))
    found = verified(randomise(source), randomise(built), np.ones((2, 4)))
    assert found.exact_scores is None
    assert found.scores < 1e-5


def test_a_network_without_numbers_is_refused() -> None:
    source, built = pair()
    source.load_state({name: array * np.nan for name, array in source.state().items()})
    assert_refused(source, built, "NaN")
