"""Weights under torch's names and in torch's layout, read and loaded strictly on both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, wrap
from twinlens.errors import WeightsError

from ..frameworks import paddle, torch
from .nets import build, convolutional, linear, pictures, randomised

PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: torch.nn.Linear(3, 5), lambda: paddle.nn.Linear(3, 5), (2, 3)),
    "square linear": (lambda: torch.nn.Linear(4, 4), lambda: paddle.nn.Linear(4, 4), (2, 4)),
    "linear without bias": (
        lambda: torch.nn.Linear(3, 5, bias=False),
        lambda: paddle.nn.Linear(3, 5, bias_attr=False),
        (2, 3),
    ),
    "conv1d": (lambda: torch.nn.Conv1d(2, 3, 3), lambda: paddle.nn.Conv1D(2, 3, 3), (2, 2, 7)),
    "grouped conv2d": (
        lambda: torch.nn.Conv2d(4, 6, 3, groups=2),
        lambda: paddle.nn.Conv2D(4, 6, 3, groups=2),
        (2, 4, 5, 5),
    ),
    "conv_transpose2d": (
        lambda: torch.nn.ConvTranspose2d(2, 3, 3),
        lambda: paddle.nn.Conv2DTranspose(2, 3, 3),
        (2, 2, 4, 4),
    ),
    "batch_norm1d": (lambda: torch.nn.BatchNorm1d(3), lambda: paddle.nn.BatchNorm1D(3), (4, 3)),
    "batch_norm2d": (lambda: torch.nn.BatchNorm2d(3), lambda: paddle.nn.BatchNorm2D(3), (2, 3, 4, 4)),
    "layer_norm": (lambda: torch.nn.LayerNorm(4), lambda: paddle.nn.LayerNorm(4), (2, 4)),
    "group_norm": (lambda: torch.nn.GroupNorm(2, 4), lambda: paddle.nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    "instance_norm2d": (
        lambda: torch.nn.InstanceNorm2d(3, affine=True),
        lambda: paddle.nn.InstanceNorm2D(3),
        (2, 3, 4, 4),
    ),
    "prelu": (lambda: torch.nn.PReLU(3), lambda: paddle.nn.PReLU(3), (2, 3)),
    "lstm": (
        lambda: torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
        lambda: paddle.nn.LSTM(3, 4, 2, direction="bidirect"),
        (2, 5, 3),
    ),
    "gru": (lambda: torch.nn.GRU(3, 4, batch_first=True), lambda: paddle.nn.GRU(3, 4), (2, 5, 3)),
    "rnn": (lambda: torch.nn.RNN(3, 4, batch_first=True), lambda: paddle.nn.SimpleRNN(3, 4), (2, 5, 3)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_layer_carries_its_weights_to_the_other_framework_and_back(both: tuple[Backend, Backend], name: str) -> None:
    on_torch, on_paddle, shape = PAIRS[name]
    output = (lambda out: out[0]) if name in ("lstm", "gru", "rnn") else None
    native = randomised(both[0], on_torch())
    first = wrap(native, dtype="float64", output=output)
    second = wrap(on_paddle(), dtype="float64", output=output)
    back = wrap(on_torch(), dtype="float64", output=output)
    assert list(second.state()) == list(first.state())
    second.load_state(first.state())
    back.load_state(second.state())
    for key, array in first.state().items():
        assert second.state()[key].tobytes() == array.tobytes(), key
        assert back.state()[key].tobytes() == array.tobytes(), key
    x = np.random.default_rng(3).normal(size=shape)
    np.testing.assert_allclose(second.forward(x), first.forward(x), rtol=1e-9, atol=1e-10)
    assert second.backend.parameter_names(second.net) == first.backend.parameter_names(first.net)


def test_embeddings_have_torchs_layout(both: tuple[Backend, Backend]) -> None:
    native = (torch.nn.Embedding(5, 3), paddle.nn.Embedding(5, 3))
    shapes = [backend.state(net)["weight"].shape for backend, net in zip(both, native, strict=True)]
    assert shapes == [(5, 3), (5, 3)]


def test_a_whole_network_has_the_same_names_shapes_and_numbers(both: tuple[Backend, Backend]) -> None:
    first, second = (backend.state(convolutional(backend)) for backend in both)
    assert list(first) == list(second)
    assert "norm1.running_mean" in first
    assert not any("num_batches_tracked" in name for name in first)
    for name, array in first.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, second[name])


def test_running_statistics_are_state_but_not_parameters(backend: Backend) -> None:
    net = convolutional(backend)
    statistics = set(backend.state(net)) - backend.parameter_names(net)
    assert statistics == {f"norm{i}.running_{what}" for i in (1, 2) for what in ("mean", "var")}


def test_a_state_is_a_copy(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    before = model.forward(pictures())
    for array in model.state().values():
        array[...] = 0
    np.testing.assert_array_equal(model.forward(pictures()), before)


def test_a_loaded_state_is_a_copy(backend: Backend) -> None:
    model = wrap(linear(backend, 3, 3))
    state = {name: array + 1 for name, array in model.state().items()}
    model.load_state(state)
    expected = model.forward(np.ones((1, 3)))
    for array in state.values():
        array[...] = 0
    np.testing.assert_array_equal(model.forward(np.ones((1, 3))), expected)


def test_a_shared_layer_has_its_weights_under_both_names(both: tuple[Backend, Backend]) -> None:
    states = []
    for backend in both:
        layer = linear(backend, 4, 4)
        states.append(backend.state(build(backend, lambda net, x: net.b(net.a(x)), a=layer, b=layer)))
    assert list(states[0]) == list(states[1]) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    np.testing.assert_array_equal(states[1]["a.weight"], states[1]["b.weight"])


def test_two_values_for_one_shared_tensor_are_refused(backend: Backend) -> None:
    layer = linear(backend, 4, 4)
    net = build(backend, lambda net, x: net.b(net.a(x)), a=layer, b=layer)
    state = backend.state(net)
    before = {name: array.tobytes() for name, array in state.items()}
    with pytest.raises(WeightsError, match=r"'a\.bias' and 'b\.bias' are one tensor"):
        backend.load(net, state | {"b.bias": state["b.bias"] + 1})
    assert {name: array.tobytes() for name, array in backend.state(net).items()} == before
    backend.load(net, {name: array * 2 for name, array in state.items()})
    np.testing.assert_array_equal(backend.state(net)["a.weight"], state["a.weight"] * 2)


def test_buffers_belong_to_the_state_unless_they_are_not_persistent(backend: Backend) -> None:
    net = linear(backend, 3, 2)
    net.register_buffer("kept", backend.asarray(np.arange(3)))
    if backend.name == "torch":
        net.register_buffer("passing", torch.ones(2), persistent=False)
    else:
        net.register_buffer("passing", paddle.ones([2]), persistable=False)
    assert list(backend.state(net)) == ["weight", "bias", "kept"]
    assert backend.state(net)["kept"].dtype == np.int64
    assert backend.parameter_names(net) == {"weight", "bias"}


def test_a_scalar_parameter_makes_the_round_trip(backend: Backend) -> None:
    net = linear(backend, 3, 2)
    net.register_buffer("scale", backend.asarray(np.array(1.5, "float32")))
    state = backend.state(net)
    assert state["scale"].shape == ()
    backend.load(net, state | {"scale": np.float32(2.5)})
    assert backend.state(net)["scale"] == 2.5


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: array[::-1].copy()[::-1],
        lambda array: np.asfortranarray(array),
        lambda array: array.astype("float64"),
        lambda array: array.tolist(),
        lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    ],
    ids=["big-endian", "negative strides", "fortran", "float64", "list", "read-only"],
)
@pytest.mark.filterwarnings("error")
def test_any_layout_of_the_arrays_is_loaded_bit_by_bit(backend: Backend, change: Callable[[Any], Any]) -> None:
    state = backend.state(convolutional(backend))
    net = convolutional(backend, seed=9)
    backend.load(net, {name: change(array) for name, array in state.items()})
    for name, array in backend.state(net).items():
        assert array.tobytes() == state[name].tobytes(), name


def missing(state: dict[str, Any]) -> None:
    del state["fc2.weight"]


def superfluous(state: dict[str, Any]) -> None:
    state["fc3.weight"] = np.ones(3)


def renamed(state: dict[str, Any]) -> None:
    state["fc2.kernel"] = state.pop("fc2.weight")


def ill_shaped(state: dict[str, Any]) -> None:
    state["fc2.weight"] = np.ones((5, 7), "float32")


def transposed(state: dict[str, Any]) -> None:
    state["fc2.weight"] = state["fc2.weight"].T


def of_text(state: dict[str, Any]) -> None:
    state["fc2.bias"] = np.array(["a", "b", "c", "d"])


def complex_valued(state: dict[str, Any]) -> None:
    state["fc2.bias"] = state["fc2.bias"].astype("complex64")


def too_wide(state: dict[str, Any]) -> None:
    state["fc2.bias"] = state["fc2.bias"].astype("longdouble")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, r"missing: 'fc2\.weight'"),
        (superfluous, r"not wanted: 'fc3\.weight'"),
        (renamed, r"missing: 'fc2\.weight'; not wanted: 'fc2\.kernel'"),
        (ill_shaped, r"'fc2\.weight' has shape \(5, 7\) in the weights and \(4, 7\) in the network"),
        (transposed, r"\(7, 4\) in the weights and \(4, 7\) in the network"),
        (of_text, r"'fc2\.bias' holds <U1"),
        (complex_valued, r"'fc2\.bias' holds complex64"),
        (too_wide, r"'fc2\.bias' holds (float128|longdouble)"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_nothing_is_changed(
    backend: Backend, spoil: Callable[[dict[str, Any]], None], message: str
) -> None:
    model = wrap(convolutional(backend))
    before = {name: array.tobytes() for name, array in model.state().items()}
    state = {name: array + 1 for name, array in model.state().items()}
    spoil(state)
    with pytest.raises(WeightsError, match=message) as caught:
        model.load_state(state)
    assert "\n" not in str(caught.value)
    assert {name: array.tobytes() for name, array in model.state().items()} == before


def test_an_empty_state_lists_a_few_names_and_counts_the_rest(backend: Backend) -> None:
    with pytest.raises(WeightsError, match=r"missing: 'conv1\.weight', .* and 12 more"):
        wrap(convolutional(backend)).load_state({})


def test_special_numbers_make_the_round_trip(both: tuple[Backend, Backend]) -> None:
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], "float32")
    for backend in both:
        net = linear(backend, 1, 5)
        backend.load(net, {"weight": special[:, None], "bias": special})
        assert backend.state(net)["weight"].tobytes() == special.tobytes()


def test_loading_keeps_flags_and_tensors(backend: Backend) -> None:
    net = linear(backend, 3, 2)
    parameters = list(net.parameters())
    flags = [getattr(p, "requires_grad", None) for p in parameters]
    stops = [getattr(p, "stop_gradient", None) for p in parameters]
    backend.load(net, backend.state(net))
    assert [id(p) for p in net.parameters()] == [id(p) for p in parameters]
    assert [getattr(p, "requires_grad", None) for p in parameters] == flags
    assert [getattr(p, "stop_gradient", None) for p in parameters] == stops


def test_a_whole_network_goes_to_paddle_and_comes_back_unchanged(both: tuple[Backend, Backend]) -> None:
    on_torch, on_paddle = both
    source = convolutional(on_torch)
    across, back = convolutional(on_paddle, seed=1), convolutional(on_torch, seed=2)
    on_paddle.load(across, on_torch.state(source))
    on_torch.load(back, on_paddle.state(across))
    for name, array in on_torch.state(source).items():
        assert on_torch.state(back)[name].tobytes() == array.tobytes(), name
    np.testing.assert_array_equal(wrap(back).forward(pictures()), wrap(source).forward(pictures()))
