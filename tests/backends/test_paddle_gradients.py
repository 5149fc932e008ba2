"""Operators whose gradients Paddle gets wrong, or lacks, have right ones inside of twinlens."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ..frameworks import need, paddle


def layer_norm_net(backend: Backend, rng: np.random.Generator, **options: Any) -> tl.Model:
    nn = importlib.import_module(f"{backend.name}.nn")
    model = tl.wrap(nn.Sequential(nn.LayerNorm(6, **options), nn.Linear(6, 3)), dtype="float64")
    model.load_state({name: rng.normal(size=array.shape) for name, array in model.state().items()})
    return model


def by_hand(state: dict[str, np.ndarray], x: np.ndarray, target: int) -> np.ndarray:
    """The gradient of one score by the textbook's formula."""
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    normal, g = centred / spread, state["1.weight"][target] * state["0.weight"]
    return (g - g.mean() - normal * (g * normal).mean(-1, keepdims=True)) / spread


def test_the_gradient_is_the_textbooks(backend: Backend, rng: np.random.Generator) -> None:
    model, x = layer_norm_net(backend, rng), rng.normal(size=(4, 6))
    np.testing.assert_allclose(model.gradient(x, 1), by_hand(model.state(), x, 1), rtol=1e-8, atol=1e-10)


def test_scores_do_not_change(rng: np.random.Generator) -> None:
    backend = need("paddle")
    model, x = layer_norm_net(backend, rng), rng.normal(size=(4, 6))
    np.testing.assert_allclose(model.forward(x), model.net(paddle.to_tensor(x)).numpy(), rtol=1e-12)


@pytest.mark.parametrize("options", [{"weight_attr": False}, {"bias_attr": False}, {"epsilon": 1e-3}])
def test_every_kind_of_layer_norm_runs(options: dict[str, Any], rng: np.random.Generator) -> None:
    model, x = layer_norm_net(need("paddle"), rng, **options), rng.normal(size=(4, 6))
    step, gradient = 1e-6, model.gradient(x, 1)
    for place in range(6):
        shift = np.eye(6)[place] * step
        slope = (model.forward(x + shift)[:, 1] - model.forward(x - shift)[:, 1]) / (2 * step)
        np.testing.assert_allclose(gradient[:, place], slope, rtol=1e-5, atol=1e-7)


def test_paddle_itself_is_left_alone(rng: np.random.Generator) -> None:
    model = layer_norm_net(need("paddle"), rng)
    operators = paddle._C_ops.layer_norm, paddle._C_ops.group_norm, paddle._C_ops.batch_norm, paddle._C_ops.rnn
    x = rng.normal(size=(4, 6))
    with model.backend.frozen(model.net):
        model.gradient(x, 1)
    threads = [threading.Thread(target=model.gradient, args=(x, 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(tl.errors.TwinlensError):
        model.gradient(x[:, :3], 1)
    now = paddle._C_ops.layer_norm, paddle._C_ops.group_norm, paddle._C_ops.batch_norm, paddle._C_ops.rnn
    assert all(one is other for one, other in zip(now, operators, strict=True))


def ending(layer: Any, features: int) -> tl.Model:
    """The layer, then two scores of all that it says; every weight is drawn anew."""

    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = layer, paddle.nn.Linear(features, 2)

        def forward(self, x: Any) -> Any:
            out = self.layer(x)
            return self.last((out[0] if isinstance(out, tuple) else out).flatten(1))

    model = tl.wrap(Net(), dtype="float64")
    draw = np.random.default_rng(5)
    model.load_state({name: draw.uniform(0.3, 1.5, array.shape) for name, array in model.state().items()})
    return model


def check_slopes(model: tl.Model, x: np.ndarray) -> None:
    """The gradient of the batch's summed scores is what finite differences say it is."""
    step, gradient = 1e-6, model.gradient(x, 1)
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[place] = step
        slopes[place] = (model.forward(x + shift) - model.forward(x - shift))[:, 1].sum() / (2 * step)
    # Rounding of scores around 10 by 1e-15 relative, over steps of 1e-6.
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)


AFFINE = [{}, {"weight_attr": False}, {"bias_attr": False}, {"weight_attr": False, "bias_attr": False}]


@pytest.mark.parametrize("affine", AFFINE)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GroupNorm", {"num_groups": 2, "num_channels": 4}),
        ("BatchNorm2D", {"num_features": 4}),
        ("BatchNorm2D", {"num_features": 4, "use_global_stats": False}),
    ],
)
def test_norms_have_the_slopes_of_their_scores(
    kind: str, options: dict[str, Any], layout: str, affine: dict[str, Any], rng: np.random.Generator
) -> None:
    need("paddle")
    layer = getattr(paddle.nn, kind)(**options, **affine, data_format=layout)
    shape = (2, 4, 2, 3) if layout == "NCHW" else (2, 2, 3, 4)
    check_slopes(ending(layer, 24), rng.normal(size=shape))


def test_a_batch_norm_on_its_own_batch_says_what_paddle_says_and_moves_nothing(rng: np.random.Generator) -> None:
    need("paddle")
    model, x = ending(paddle.nn.BatchNorm2D(4, use_global_stats=False), 24), rng.normal(size=(2, 4, 2, 3))
    before = model.state()
    scores = model.forward(x)
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])
    model.net.eval()
    np.testing.assert_allclose(scores, model.net(paddle.to_tensor(x)).numpy(), rtol=1e-10)


RECURRENT = ["LSTM", "GRU", "SimpleRNN"]


@pytest.mark.parametrize("direction", ["forward", "bidirect"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_networks_have_the_slopes_of_their_scores(
    kind: str, direction: str, rng: np.random.Generator
) -> None:
    need("paddle")
    layer = getattr(paddle.nn, kind)(3, 2, num_layers=2, direction=direction, dropout=0.5)
    check_slopes(ending(layer, 4 * (2 if direction == "forward" else 4)), rng.normal(size=(2, 4, 3)))


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "SimpleRNNCell"])
def test_cells_have_the_slopes_of_their_scores_in_float64(kind: str, rng: np.random.Generator) -> None:
    """Precise to less than float32, in which Paddle makes the states that they begin with."""
    need("paddle")
    check_slopes(ending(paddle.nn.RNN(getattr(paddle.nn, kind)(3, 2)), 8), rng.normal(size=(2, 4, 3)))


def test_a_copy_of_a_cell_leaves_the_original_alone_and_can_be_copied_back(rng: np.random.Generator) -> None:
    need("paddle")
    cell, x = paddle.nn.GRUCell(3, 2), rng.normal(size=(2, 4, 3)).astype("float32")
    plain = tl.wrap(paddle.nn.RNN(cell), output=lambda out: out[0])
    scores = plain.forward(x)
    doubled = tl.wrap(plain.net, dtype="float64", output=lambda out: out[0])
    np.testing.assert_allclose(doubled.forward(x), scores, rtol=1e-5, atol=1e-6)
    back = tl.wrap(doubled.net, dtype="float32", output=lambda out: out[0])
    for model in (plain, back):
        np.testing.assert_array_equal(model.forward(x), scores)
    assert "get_initial_states" not in vars(cell)


def test_whole_numbers_among_the_states_of_a_cell_stay_whole() -> None:
    need("paddle")

    class Counting(paddle.nn.GRUCell):
        @property
        def state_shape(self) -> Any:
            return (self.hidden_size,), (1,)

        @property
        def state_dtype(self) -> Any:
            return "float32", "int64"

    cell = tl.wrap(Counting(3, 2), dtype="float64").net
    state, count = cell.get_initial_states(paddle.zeros([2, 3]))
    assert (state.dtype, count.dtype) == (paddle.float64, paddle.int64)


def test_relu_steps_have_the_slopes_of_their_scores(rng: np.random.Generator) -> None:
    need("paddle")
    check_slopes(ending(paddle.nn.SimpleRNN(3, 2, activation="relu"), 8), rng.normal(size=(2, 4, 3)))


@pytest.mark.parametrize("direction", ["forward", "bidirect"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_steps_written_out_say_what_paddles_operator_says(kind: str, direction: str, rng: np.random.Generator) -> None:
    backend = need("paddle")
    layer = getattr(paddle.nn, kind)(3, 2, num_layers=2, direction=direction)
    layer.eval()
    lengths = paddle.to_tensor([4, 2])
    x = paddle.to_tensor(rng.normal(size=(2, 4, 3)).astype("float32"))
    output, states = layer(x, sequence_length=lengths)
    x.stop_gradient = False
    with backend.frozen(layer):
        ours, our_states = layer(x, sequence_length=lengths)
    np.testing.assert_allclose(ours.numpy(), output.numpy(), rtol=1e-5, atol=1e-6)
    pairs = zip(our_states, states, strict=True) if kind == "LSTM" else [(our_states, states)]
    for our, their in pairs:
        np.testing.assert_allclose(our.numpy(), their.numpy(), rtol=1e-5, atol=1e-6)


def test_gradients_in_several_threads_do_not_disturb_one_another(rng: np.random.Generator) -> None:
    need("paddle")
    models = [ending(paddle.nn.Linear(3, 4), 4) for _ in range(8)]
    x = rng.normal(size=(16, 3))
    expected = [model.gradient(x, 1) for model in models]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(models[number].gradient(x, 1), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
