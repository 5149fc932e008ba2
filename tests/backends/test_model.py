"""Scores and gradients of a wrapped network: equal to the native ones, and strict about what comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Normalise, get_backend, wrap
from twinlens.errors import (
    InputError,
    ModelError,
    NoGradientError,
    NonFiniteError,
    TargetError,
)

from ..frameworks import paddle, torch
from .nets import build, convolutional, linear, pictures
from .oracles import finite_differences, relative_error

OF = ("logit", "probability", "log_probability", "loss")
TARGETS = [3, 0, 2]


def native_scores(net: Any, x: np.ndarray) -> np.ndarray:
    if get_backend(net).name == "torch":
        return net(torch.from_numpy(x)).detach().numpy()
    return net(paddle.to_tensor(x)).numpy()


def native_gradient(net: Any, x: np.ndarray, targets: list[int], of: str) -> np.ndarray:
    """One sample at a time, ``.backward()``, the framework's own softmax and cross entropy."""
    rows = []
    for sample, target in zip(x, targets, strict=True):
        if get_backend(net).name == "torch":
            t = torch.from_numpy(sample[None].copy()).requires_grad_()
            scores = net(t)
            if of == "loss":
                value = torch.nn.functional.cross_entropy(scores, torch.tensor([target]))
            else:
                value = {"logit": scores, "probability": scores.softmax(1), "log_probability": scores.log_softmax(1)}[
                    of
                ][0, target]
        else:
            t = paddle.to_tensor(sample[None], stop_gradient=False)
            scores = net(t)
            if of == "loss":
                value = paddle.nn.functional.cross_entropy(scores, paddle.to_tensor([target]))
            else:
                probability = paddle.nn.functional.softmax(scores, axis=1)
                value = {"logit": scores, "probability": probability, "log_probability": paddle.log(probability)}[of][
                    0, target
                ]
        value.backward()
        rows.append(t.grad.numpy()[0])
    return np.stack(rows)


# -- equal to the native network -------------------------------------------------------------------------------


def test_forward_is_the_network_in_evaluation_mode(backend: Backend) -> None:
    net = convolutional(backend)
    net.train()
    found = wrap(net).forward(pictures())
    net.eval()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, native_scores(net, pictures()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of", OF)
def test_gradient_is_that_of_a_naive_loop(backend: Backend, of: Any) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    model.net.train()
    x = pictures().astype("float64")
    found = model.gradient(x, TARGETS, of)
    model.net.eval()
    assert found.shape == x.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, native_gradient(model.net, x, TARGETS, of), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("of", OF)
def test_gradient_agrees_with_finite_differences(backend: Backend, of: Any) -> None:
    net = build(backend, lambda net, x: net.fc(x * x), fc=linear(backend, 5, 3))
    model = wrap(net, dtype="float64")
    x = np.random.default_rng(1).normal(size=(1, 5))

    def value(x: np.ndarray) -> float:
        probabilities = model.probabilities(x)
        log = np.log(probabilities)
        table = {"logit": model.forward(x), "probability": probabilities, "log_probability": log, "loss": -log}
        return float(table[of][0, 1])

    np.testing.assert_allclose(model.gradient(x, 1, of), finite_differences(value, x), atol=1e-8)


@pytest.mark.parametrize("of", OF)
def test_both_frameworks_agree_in_float64(both: tuple[Backend, Backend], of: Any) -> None:
    first, second = (wrap(convolutional(backend, seed=backend.name == "paddle"), dtype="float64") for backend in both)
    second.load_state(first.state())
    x = pictures().astype("float64")
    assert relative_error(second.forward(x), first.forward(x)) < 1e-10
    assert relative_error(second.gradient(x, TARGETS, of), first.gradient(x, TARGETS, of)) < 1e-10


def test_probabilities_and_predictions_follow_from_the_scores(backend: Backend) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    scores = model.forward(pictures())
    powers = np.exp(scores)
    np.testing.assert_allclose(model.probabilities(pictures()), powers / powers.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(pictures()), scores.argmax(1))


def test_preprocessing_is_part_of_the_graph(backend: Backend) -> None:
    mean, std = [0.2, 0.4, 0.6], [0.5, 0.25, 2.0]
    net = build(backend, lambda net, x: (x * x).sum(-1).sum(-1))
    model = wrap(net, preprocess=Normalise(mean, std))
    x = np.random.default_rng(2).normal(size=(2, 3, 4, 4)).astype("float32")
    m, s = (np.reshape(v, (1, 3, 1, 1)) for v in (mean, std))
    np.testing.assert_allclose(model.forward(x), (((x - m) / s) ** 2).sum((2, 3)), rtol=1e-5)
    expected = np.zeros_like(x)
    expected[:, 1] = (2 * (x - m) / s**2)[:, 1]
    np.testing.assert_allclose(model.gradient(x, 1), expected, rtol=1e-5)


def test_one_number_normalises_all_channels(backend: Backend) -> None:
    model = wrap(build(backend, lambda net, x: x), preprocess=Normalise(1.0, 2.0))
    np.testing.assert_allclose(model.forward(np.array([[1.0, 5.0]])), [[0, 2]])


def test_a_network_that_begins_in_place_changes_nobodys_data(backend: Backend) -> None:
    relu_ = torch.relu_ if backend.name == "torch" else paddle.nn.functional.relu_
    model = wrap(build(backend, lambda net, x: net.fc(relu_(x)), fc=linear(backend, 4, 2)))
    x = np.array([[-1.0, 2.0, -3.0, 4.0]], dtype="float32")
    native = backend.asarray(x)
    gradient = model.gradient(native, 0)
    model.forward(native)
    np.testing.assert_array_equal(backend.numpy(native), x)
    np.testing.assert_allclose(gradient, model.state()["fc.weight"][:1] * (x > 0), rtol=1e-6)


# -- chunks ----------------------------------------------------------------------------------------------------


def test_the_gradient_of_one_sample_does_not_depend_on_the_others(backend: Backend) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x = pictures(5)
    targets = [0, 1, 2, 3, 0]
    together = model.gradient(x, targets, "loss")
    for i, target in enumerate(targets):
        np.testing.assert_allclose(model.gradient(x[i : i + 1], target, "loss")[0], together[i], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100, np.int64(3)])
def test_results_do_not_depend_on_the_chunk_size(backend: Backend, batch_size: int) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x = pictures(7)
    targets = [0, 1, 2, 3, 0, 1, 2]
    np.testing.assert_allclose(model.forward(x, batch_size), model.forward(x, 7), rtol=1e-12)
    for target in (targets, None, 2):
        np.testing.assert_allclose(
            model.gradient(x, target, "loss", batch_size), model.gradient(x, target, "loss", 7), rtol=1e-12, atol=1e-15
        )


# -- targets ---------------------------------------------------------------------------------------------------


def test_all_spellings_of_a_target_mean_the_same(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    expected = model.gradient(pictures(), [2, 2, 2])
    for target in (2, np.int64(2), np.uint8(2), np.array(2), np.array([2, 2, 2], dtype="int32"), (2, 2, 2)):
        np.testing.assert_array_equal(model.gradient(pictures(), target), expected)
    native = backend.asarray(np.array([2, 2, 2]))
    np.testing.assert_array_equal(model.gradient(pictures(), native), expected)
    np.testing.assert_array_equal(model.gradient(pictures(), lambda scores: scores[:, 2]), expected)


def test_no_target_means_the_predicted_class(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    predicted = model.predict(pictures())
    np.testing.assert_array_equal(model.gradient(pictures()), model.gradient(pictures(), predicted))


def test_a_function_of_the_scores_is_differentiated(backend: Backend) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x = pictures()
    found = model.gradient(x, lambda scores: scores[:, 0] - 2 * scores[:, 1])
    np.testing.assert_allclose(found, model.gradient(x, 0) - 2 * model.gradient(x, 1), atol=1e-12)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (4, "Target 4 does not exist: the model has 4 outputs. Choose a target from 0 to 3"),
        (-1, "Target -1 does not exist"),
        ([0, 1, 9], "Target 9"),
        ([0, 1], "2 targets for 3 samples"),
        ([], "is not a class number|0 targets"),
        (1.0, r"1\.0 is not a class number"),
        (np.float32(1), "is not a class number"),
        ([0.0, 1.0, 2.0], "is not a class number"),
        (True, "True is not a class number"),
        ([True, False, True], "is not a class number"),
        ("cat", "'cat' is not a class number"),
        ([[0], [1], [2]], "is not a class number"),
        ([0, [1], 2], "is not a class number"),
        ([0, None, 2], "is not a class number"),
        (2**70, "is not a class number"),
        (lambda scores: scores, "one number per sample"),
        (lambda scores: 3.0, "one number per sample"),
        (lambda scores: scores.sum(), "one number per sample"),
    ],
)
def test_a_wrong_target_is_named(backend: Backend, target: Any, message: str) -> None:
    model = wrap(convolutional(backend))
    with pytest.raises(TargetError, match=message) as caught:
        model.gradient(pictures(), target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("of", ["Logit", "logits", "", None, np.array(["logit", "loss"]), np.array(["logit"])])
def test_an_unknown_quantity_is_an_error(backend: Backend, of: Any) -> None:
    with pytest.raises(InputError, match="Choose one of: logit, probability, log_probability, loss"):
        wrap(convolutional(backend)).gradient(pictures(), 0, of)


# -- inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3, 8, 8), "uint8"), "divide by 255"),
        (np.zeros((1, 3, 8, 8), bool), "holds bool"),
        (np.zeros((1, 3, 8, 8), complex), "holds complex128"),
        (np.full((1, 3, 8, 8), "a"), "holds <U1"),
        (None, "holds object"),
        (np.full((1, 3, 8, 8), np.nan), "NaN or infinite"),
        (np.full((1, 3, 8, 8), -np.inf), "NaN or infinite"),
        (np.full((1, 3, 8, 8), 1e300), "1e.300, too large for float32"),
        (np.zeros((0, 3, 8, 8)), "at least one sample"),
        (np.zeros((2, 3, 0, 8)), "at least one sample"),
        ([], "at least one sample"),
        (3.0, "at least one sample"),
        (np.zeros(5), "at least one sample"),
        ([np.zeros((3, 8, 8)), np.zeros((3, 9, 8))], "shapes differ"),
        ([[1.0], [1.0, 2.0]], "shapes differ"),
    ],
)
def test_a_wrong_input_is_named(backend: Backend, x: Any, message: str) -> None:
    model = wrap(convolutional(backend))
    for call in (model.forward, model.gradient, model.predict):
        with pytest.raises(InputError, match=message):
            call(x)


def test_a_missing_batch_axis_is_named_where_the_input_shape_is_known(backend: Backend) -> None:
    model = wrap(convolutional(backend), input_shape=(3, 8, 8))
    with pytest.raises(InputError, match=r"takes \(samples, 3, 8, 8\).*x\[None\]"):
        model.forward(pictures()[0])


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 3, 9, 11), (2, 5), (2, 3, 1, 1)])
def test_a_shape_that_the_network_cannot_take_is_one_line(backend: Backend, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="fails on an input of shape") as caught:
        wrap(convolutional(backend)).forward(np.zeros(shape))
    assert str(shape) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_error_in_the_users_own_forward_arrives_as_itself(backend: Backend) -> None:
    def forward(net: Any, x: Any) -> Any:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        wrap(build(backend, forward)).forward(pictures())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "int8"])
def test_numbers_of_any_width_are_converted_to_the_networks(backend: Backend, dtype: str) -> None:
    model = wrap(convolutional(backend))
    x = np.arange(192).reshape(1, 3, 8, 8).astype(dtype)
    np.testing.assert_array_equal(model.forward(x), model.forward(x.astype("float32")))
    assert model.gradient(x).dtype == np.float32


def test_layout_and_kind_of_the_input_do_not_matter(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    x = pictures()
    expected = model.forward(x)
    spellings = [
        np.asfortranarray(x),
        x[::-1].copy()[::-1],
        list(x),
        x.tolist(),
        backend.asarray(x),
        backend.leaf(backend.asarray(x, "float64")),
        [backend.asarray(sample) for sample in x],
    ]
    for spelling in spellings:
        np.testing.assert_array_equal(model.forward(spelling), expected)


def test_the_input_is_not_changed(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    x = pictures()
    model.gradient(x, 0, "loss")
    np.testing.assert_array_equal(x, pictures())


# -- outputs ---------------------------------------------------------------------------------------------------


def test_a_network_that_returns_more_than_scores_needs_output(backend: Backend) -> None:
    fc = linear(backend, 4, 2)
    x = np.ones((3, 4), "float32")
    expected = wrap(fc).forward(x)
    for forward, output in (
        (lambda net, x: (net.fc(x), x), lambda out: out[0]),
        (lambda net, x: {"scores": net.fc(x)}, lambda out: out["scores"]),
    ):
        net = build(backend, forward, fc=fc)
        with pytest.raises(ModelError, match="output=lambda"):
            wrap(net).forward(x)
        np.testing.assert_array_equal(wrap(net, output=output).forward(x), expected)


@pytest.mark.parametrize("shape", [(2, 3), (1, 6), (6,)])
def test_scores_must_come_one_row_per_sample(backend: Backend, shape: tuple[int, ...]) -> None:
    net = build(backend, lambda net, x: backend.reshape(x, shape))
    with pytest.raises(ModelError, match="The first axis of the scores must be the samples"):
        wrap(net).forward(np.ones((3, 2)))


def test_a_0d_score_is_an_error(backend: Backend) -> None:
    with pytest.raises(ModelError, match=r"scores of shape \(\)"):
        wrap(build(backend, lambda net, x: x.sum())).forward(np.ones((3, 2)))


def test_one_score_per_sample_is_one_output(backend: Backend) -> None:
    model = wrap(build(backend, lambda net, x: (x * x).sum(1)))
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(model.forward(x), [[5], [25]])
    np.testing.assert_allclose(model.gradient(x, 0), 2 * x)


@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_the_softmax_of_one_output_has_no_gradient_and_says_so(backend: Backend, of: Any) -> None:
    model = wrap(linear(backend, 4, 1))
    with pytest.raises(NoGradientError, match="one output: its softmax is always 1"):
        model.gradient(np.ones((2, 4)), 0, of)


def test_scores_with_more_axes_need_a_function_as_target(backend: Backend) -> None:
    model = wrap(build(backend, lambda net, x: x * x))
    x = pictures()
    assert model.forward(x).shape == x.shape
    for call in (model.gradient, lambda x: model.gradient(x, 1)):
        with pytest.raises(TargetError, match="Pass a function"):
            call(x)
    for call in (model.predict, model.probabilities):
        with pytest.raises(ModelError, match="not class scores"):
            call(x)
    np.testing.assert_allclose(model.gradient(x, lambda s: s[:, 0, 1, 2])[:, 0, 1, 2], 2 * x[:, 0, 1, 2], rtol=1e-6)


def test_nan_weights_are_named(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    state = model.state()
    state["fc2.bias"][1] = np.nan
    model.load_state(state)
    assert np.isnan(model.forward(pictures())).any()
    for call in (model.gradient, model.predict, model.probabilities):
        with pytest.raises(NonFiniteError, match="scores hold NaN"):
            call(pictures())


def test_a_gradient_that_is_not_finite_is_named(backend: Backend) -> None:
    model = wrap(build(backend, lambda net, x: (x - 1) ** 0.5))
    with pytest.raises(NonFiniteError, match="gradients hold NaN"):
        model.gradient(np.ones((1, 2)), 0)


def test_a_network_that_cuts_the_graph_is_named(backend: Backend) -> None:
    net = build(backend, lambda net, x: net.fc(x.detach()), fc=linear(backend, 4, 2))
    with pytest.raises(NoGradientError, match="cuts the graph"):
        wrap(net).gradient(np.ones((2, 4)), 0)


def test_a_score_that_ignores_the_input_is_named(backend: Backend) -> None:
    parameter = backend.leaf(backend.asarray(np.ones((2, 3), "float32")))
    with pytest.raises(NoGradientError):
        wrap(build(backend, lambda net, x: parameter * 2)).gradient(np.ones((2, 4)), 0)


def test_a_gradient_inside_no_grad_says_where_to_look(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with backend.no_grad(), pytest.raises(NoGradientError, match="around this call"):
        model.gradient(pictures(), 0)


# -- float64 ---------------------------------------------------------------------------------------------------


def test_float64_works_on_a_copy(backend: Backend) -> None:
    net = convolutional(backend)
    before = {name: array.tobytes() for name, array in backend.state(net).items()}
    model = wrap(net, dtype="float64")
    assert model.net is not net
    assert model.dtype == "float64"
    assert {array.dtype for array in model.state().values()} == {np.dtype("float64")}
    model.load_state({name: array + 1 for name, array in model.state().items()})
    after = backend.state(net)
    assert {name: array.tobytes() for name, array in after.items()} == before
    assert {array.dtype for array in after.values()} == {np.dtype("float32")}
    assert wrap(net).net is net


def test_float64_starts_from_the_same_numbers(backend: Backend) -> None:
    net = convolutional(backend)
    for name, array in wrap(net, dtype="float64").state().items():
        np.testing.assert_array_equal(array, backend.state(net)[name].astype("float64"))


def test_float64_leaves_whole_numbers_alone(backend: Backend) -> None:
    net = linear(backend, 4, 2)
    net.register_buffer("order", backend.asarray(np.array([3, 2, 1, 0])))
    copied = wrap(net, dtype="float64")
    assert copied.state()["order"].dtype == np.int64


def test_float64_scores_are_close_to_float32(backend: Backend) -> None:
    net = convolutional(backend)
    assert relative_error(wrap(net).forward(pictures()), wrap(net, dtype="float64").forward(pictures())) < 1e-5


def test_an_unknown_dtype_is_an_error(backend: Backend) -> None:
    for dtype in ("float16", "double", "int64"):
        with pytest.raises(InputError, match="Choose float32 or float64"):
            wrap(convolutional(backend), dtype=dtype)


def test_bfloat16_is_refused_with_a_cure() -> None:
    net = torch.nn.Linear(3, 2).bfloat16()
    with pytest.raises(ModelError, match="bfloat16"):
        wrap(net)
    assert wrap(net, dtype="float32").forward(np.ones((1, 3))).dtype == np.float32


def test_the_repr_names_network_backend_and_type(backend: Backend) -> None:
    text = repr(wrap(linear(backend, 3, 2)))
    assert "Linear" in text
    assert backend.name in text
    assert "float32" in text
