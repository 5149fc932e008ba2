"""What cannot be rebuilt is refused by name, all of it at once, and nothing is baked in silently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.comparison.conversion.from_paddle import torch_network
from twinlens.errors import BackendError, ModelError

from ...frameworks import need, paddle
from .rebuilding import formula, gap

X = np.random.default_rng(0).normal(size=(2, 4, 6))
FLOATS = X.astype("float32")


@pytest.fixture(autouse=True)
def _both() -> None:
    need("paddle")
    need("torch")


def _refusal(net: Any, x: np.ndarray = X) -> str:
    with pytest.raises(ModelError) as caught:
        torch_network(net, x)
    text = str(caught.value)
    assert "\n" not in text
    return text


READING = {
    "a branch on values": lambda x: x * 2 if x.mean() > 0 else x,
    "a branch on one value": lambda x: x * 2 if bool((x > 100).any()) else x,
    "a float": lambda x: x / float(x.max()),
    "an int": lambda x: x * int(x.max()),
    "item": lambda x: x / x.max().item(),
    "numpy": lambda x: x + paddle.to_tensor(x.numpy()),
    "asarray": lambda x: x + paddle.to_tensor(np.asarray(x)),
    "tolist": lambda x: x * x.shape[0] if x.sum().tolist() else x,
    "a loop over values": lambda x: x[:, : int(paddle.argmax(x[0, 0])) + 1],
    "an index": lambda x: [1.0, 2.0][(x.sum() > 0).astype("int64")] * x,
}


@pytest.mark.parametrize("name", READING)
def test_values_that_steer_the_network_are_refused(name: str) -> None:
    assert "reads values while the network runs" in _refusal(formula(READING[name]))


UNSEEN = {
    "through a view": lambda x: _through_a_view(x * 1.0),
    "set_value": lambda x: _set_value(x * 1.0),
    "a rule of its own": lambda x: _rule().apply(x),
    "a hook on a gradient": lambda x: _hooked(x * 1.0),
    "random numbers": lambda x: x + paddle.rand(x.shape),
}


def _through_a_view(x: Any) -> Any:
    x[:, :2].zero_()
    return x


def _set_value(x: Any) -> Any:
    x.set_value(np.zeros(x.shape))
    return x + 1


def _rule() -> Any:
    class Rule(paddle.autograd.PyLayer):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return gradient * 100

    return Rule


def _hooked(x: Any) -> Any:
    x.register_hook(lambda gradient: gradient * 0)
    return x


@pytest.mark.parametrize("name", UNSEEN)
def test_what_happens_out_of_sight_is_refused(name: str) -> None:
    _refusal(formula(UNSEEN[name]))


def test_everything_that_is_unknown_is_named_at_once_with_its_place() -> None:
    class Head(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            return paddle.linalg.svd(x)[1]

    class Odd(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = Head()

        def forward(self, x: Any) -> Any:
            x = paddle.sinh(paddle.digamma(x.abs() + 1))
            x = paddle.kron(x, x)
            y = self.head(x)
            return y if y.mean() > 0 else paddle.fft.fft(y).real()

    text = _refusal(Odd())
    for part in ("'kron'", "'svd'", "'head'", "Tensor.__bool__", "test_from_paddle_refusals.py:"):
        assert part in text


@pytest.mark.parametrize(
    "function",
    [lambda x: x.reshape([int(x.shape[0]), -1]), lambda x: x * len(x), lambda x: sum(row for row in x)],
    ids=["int", "len", "iteration"],
)
def test_a_number_of_samples_that_is_written_down_is_refused(function: Any) -> None:
    assert "depends on how many samples there are" in _refusal(formula(function))


def test_a_number_of_samples_that_the_source_insists_on_is_said() -> None:
    assert "does not run on 3 samples" in _refusal(formula(lambda x: x.reshape([2, 24])))


def test_a_layer_that_does_something_else_each_time_is_refused() -> None:
    class Switched(paddle.nn.Layer):
        def forward(self, x: Any, double: bool) -> Any:
            return x * 2 if double else x + 1

    net = formula(lambda net, x: net.switched(x, True) + net.switched(x, False), switched=Switched())
    assert "'switched' is called several times" in _refusal(net)


def test_a_layer_that_remembers_its_last_input_is_refused() -> None:
    class Remembering(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            last = getattr(self, "last", None)
            object.__setattr__(self, "last", x)
            return x if last is None else x + last[:1]

    _refusal(Remembering())


def test_a_layer_that_changes_its_caller_s_tensor_is_refused() -> None:
    class Changing(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            return paddle.nn.functional.relu_(x)

    net = formula(lambda net, x: _twice(net.changing, x * 1.0), changing=Changing())
    assert "changed in place" in _refusal(net)


def _twice(layer: Any, x: Any) -> Any:
    return layer(x) + x


def test_layers_that_are_not_registered_are_refused() -> None:
    hidden = [paddle.nn.Linear(6, 6)]
    assert "'Linear' is not registered" in _refusal(
        formula(lambda net, x: hidden[0](x), other=paddle.nn.ReLU()), FLOATS
    )


def test_weight_normalisation_is_refused_by_name() -> None:
    net = paddle.nn.Sequential(paddle.nn.utils.weight_norm(paddle.nn.Linear(6, 3)))
    assert "forward hooks" in _refusal(net, FLOATS)


def test_names_that_torch_has_taken_are_refused() -> None:
    net = formula(lambda net, x: net.share_memory(x), share_memory=paddle.nn.ReLU())
    assert "'share_memory' is taken in torch" in _refusal(net)


def test_settings_that_torch_lacks_are_said() -> None:
    net = formula(lambda x: paddle.nn.functional.interpolate(x[:, None], size=[3, 3], mode="bilinear", align_mode=1))
    assert "align_mode=1" in _refusal(net)
    assert "backwards" in _refusal(formula(lambda x: x[:, ::-1]))


def test_gradients_that_the_network_stops_are_stopped() -> None:
    def stopping(x: Any) -> Any:
        y = x * 2
        y.stop_gradient = True
        return x * y

    assert gap(formula(stopping), X).gradient < 1e-12


def test_infinities_and_numpy_numbers_are_written_down_as_they_are() -> None:
    mask = np.tril(np.ones((6, 6)))
    net = formula(
        lambda x: paddle.nn.functional.softmax(
            paddle.where(
                paddle.to_tensor(mask) > 0, x[:, :1] * np.float64(0.5), paddle.full([6, 6], -np.inf, "float64")
            )
        )
    )
    assert gap(net, X).values < 1e-12


def test_printing_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def talking(x: Any) -> Any:
        print(x.shape, x.mean(), f"{x.max()}")
        return x * 2

    assert gap(formula(talking), X).values == 0
    assert "Tensor" in capsys.readouterr().out


def test_a_torch_network_is_refused() -> None:
    import torch

    with pytest.raises(BackendError, match="not Paddle's"):
        torch_network(torch.nn.ReLU(), X)


@pytest.mark.parametrize("example", [np.float32(1), np.zeros((0, 3), "float32"), ()])
def test_an_example_without_a_sample_is_refused(example: Any) -> None:
    with pytest.raises(ModelError, match="holds no sample"):
        torch_network(paddle.nn.ReLU(), example)


def test_an_example_that_the_network_does_not_take_is_refused() -> None:
    assert "does not run" in _refusal(paddle.nn.Sequential(paddle.nn.Linear(5, 3)), FLOATS)


@pytest.mark.parametrize(("inside", "where"), [(False, "the network"), (True, "layer '0'")])
def test_a_network_that_to_static_compiled_is_refused_with_the_way_back(inside: bool, where: str) -> None:
    compiled = paddle.jit.to_static(paddle.nn.Linear(6, 3))
    net = paddle.nn.Sequential(compiled) if inside else compiled
    text = _refusal(net, FLOATS)
    assert f"to_static has compiled {where}," in text
    assert "rollback" in text
    compiled.forward.rollback()
    assert torch_network(net, FLOATS) is not None
