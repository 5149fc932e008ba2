"""Rules for operations: seen once wherever they are called, exact where they change nothing, gone afterwards."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.backends.protocol import OperationRule, SameOutput
from twinlens.errors import MethodError

from ..frameworks import need

Call = Callable[[Any], Any]

# Sums of some dozens of products: single elements may cancel, and their rounding depends on where the memory lies.
CANCELLED = 1e-13


def native(backend: Backend) -> tuple[Any, Any, Any]:
    """The framework, its layers and its functions."""
    framework = importlib.import_module(backend.name)
    return framework, framework.nn, framework.nn.functional


def tensor(backend: Backend, *shape: int, seed: int = 0) -> Any:
    return backend.asarray(np.random.default_rng(seed).normal(size=shape), dtype="float64")


def spellings(backend: Backend) -> dict[str, tuple[str, Call]]:
    """Ways to call the operations on an (N, 4, 6, 6) tensor, in place only on tensors of their own."""
    framework, nn, f = native(backend)
    framework.set_default_dtype(framework.float64)
    try:
        layers = _layers(backend, nn)
    finally:
        framework.set_default_dtype(framework.float32)
    weight, bias = tensor(backend, 5, 4, 3, 3), tensor(backend, 5)
    matrix, depthwise = tensor(backend, 6, 6), tensor(backend, 4, 1, 3, 3)

    def ignored(function: Call) -> Call:
        def call(x: Any) -> Any:
            y = x.clone()
            function(y)
            return y

        return call

    calls: dict[str, tuple[str, Call]] = {f"layer {key} {n}": (key, layer) for n, (key, layer) in enumerate(layers)}
    functions = {key: getattr(f, key) for key in ACTIVATIONS}
    calls |= {f"F.{key}": (key, function) for key, function in functions.items()}
    calls |= {
        "F.relu_": ("relu", ignored(f.relu_)),
        "F.elu_": ("elu", ignored(f.elu_)),
        "F.leaky_relu_": ("leaky_relu", ignored(f.leaky_relu_)),
        "x.tanh": ("tanh", lambda x: x.tanh()),
        "x.tanh_": ("tanh", ignored(lambda x: x.tanh_())),
        "x.sigmoid": ("sigmoid", lambda x: x.sigmoid()),
        "x.sigmoid_": ("sigmoid", ignored(lambda x: x.sigmoid_())),
        "tanh": ("tanh", framework.tanh),
        "sigmoid": ("sigmoid", lambda x: f.sigmoid(x)),
        "hardtanh 0..6": ("relu6", lambda x: f.hardtanh(x, 0.0, 6.0)),
        "F.softmax": ("softmax", lambda x: f.softmax(x, 1)),
        "F.conv2d": ("conv2d", lambda x: f.conv2d(x, weight, bias, stride=2)),
        "F.conv2d keywords": ("conv2d", lambda x: f.conv2d(x, weight=weight, bias=bias, padding=1)),
        "F.conv2d no bias": ("conv2d", lambda x: f.conv2d(x, weight)),
        "F.conv2d depthwise": ("conv2d", lambda x: f.conv2d(x, depthwise, groups=4)),
        "F.linear": ("linear", lambda x: f.linear(x, matrix)),
        "F.linear keywords": ("linear", lambda x: f.linear(x, weight=matrix, bias=matrix[0])),
        "F.max_pool2d": ("max_pool2d", lambda x: f.max_pool2d(x, 3, 2)),
        "F.max_pool2d keywords": ("max_pool2d", lambda x: f.max_pool2d(x, kernel_size=2, stride=2)),
        "F.avg_pool2d": ("avg_pool2d", lambda x: f.avg_pool2d(x, 2)),
        "F.adaptive_avg_pool2d": ("adaptive_avg_pool2d", lambda x: f.adaptive_avg_pool2d(x, 2)),
    }
    if backend.name == "torch":
        calls |= {
            "torch.relu": ("relu", framework.relu),
            "torch.relu_": ("relu", ignored(framework.relu_)),
            "x.relu": ("relu", lambda x: x.relu()),
            "x.relu_": ("relu", ignored(lambda x: x.relu_())),
            "aten.relu": ("relu", framework.ops.aten.relu.default),
            "aten.relu_": ("relu", ignored(framework.ops.aten.relu_)),
            "positional inplace": ("relu", lambda x: f.relu(x.clone(), True)),
            "inplace slope": ("leaky_relu", lambda x: f.leaky_relu(x.clone(), 0.2, True)),
            "hardtanh_": ("relu6", ignored(lambda x: f.hardtanh_(x, 0.0, 6.0))),
            "x.softmax": ("softmax", lambda x: x.softmax(1)),
            "torch.softmax": ("softmax", lambda x: framework.softmax(x, dim=1)),
            "expit": ("sigmoid", framework.special.expit),
            "padding same": ("conv2d", lambda x: f.conv2d(x, weight, padding="same")),
            "torch.max_pool2d": ("max_pool2d", lambda x: framework.max_pool2d(x, 2)),
            "indices": ("max_pool2d", lambda x: f.max_pool2d(x, 2, return_indices=True)[0]),
            "aten.linear": ("linear", lambda x: framework.ops.aten.linear.default(x, matrix)),
        }
    else:
        calls |= {
            "F.softmax_": ("softmax", ignored(lambda x: f.softmax_(x, 1))),
            "F.swish": ("silu", f.swish),
            "_C_ops.relu": ("relu", lambda x: framework._C_ops.relu(x)),
            "bound elsewhere": ("tanh", lambda x: framework.nn.functional.activation.tanh(x)),
            "padding same": ("conv2d", lambda x: f.conv2d(x, weight, padding="SAME")),
            "indices": ("max_pool2d", lambda x: f.max_pool2d(x, 2, return_mask=True)[0]),
            "channels last": ("max_pool2d", lambda x: f.max_pool2d(x, 2, data_format="NHWC")),
            "depthwise layer without bias": ("conv2d", lambda x: f.conv2d(x, depthwise, bias=None, groups=4)),
            "compat": ("linear", lambda x: getattr(framework, "compat", framework).nn.functional.linear(x, matrix)),
            "stored function": ("max_pool2d", functools.partial(f.max_pool2d, kernel_size=2)),
        }
    return calls


ACTIVATIONS = ["relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid",
               "softplus"]  # fmt: skip


def _layers(backend: Backend, nn: Any) -> list[tuple[str, Any]]:
    torch = backend.name == "torch"
    pick = {
        "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "gelu": nn.GELU,
        "silu": nn.SiLU if torch else nn.Silu, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "hardswish": nn.Hardswish,
        "hardsigmoid": nn.Hardsigmoid, "softplus": nn.Softplus,
    }  # fmt: skip
    layers = [(key, kind()) for key, kind in pick.items()]
    if torch:
        in_place = ("relu", "relu6", "leaky_relu", "elu", "silu", "hardswish", "hardsigmoid")
        layers += [(key, nn.Sequential(nn.Identity(), pick[key](inplace=True))) for key in in_place]
        layers += [("conv2d", nn.Conv2d(4, 3, 3, padding=1)), ("conv2d", nn.Conv2d(4, 4, 3, groups=4, bias=False)),
                   ("max_pool2d", nn.MaxPool2d(2)), ("avg_pool2d", nn.AvgPool2d(2)), ("softmax", nn.Softmax(1)),
                   ("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d(1))]  # fmt: skip
    else:
        layers += [("conv2d", nn.Conv2D(4, 3, 3, padding=1)), ("conv2d", nn.Conv2D(4, 4, 3, groups=4, bias_attr=False)),
                   ("max_pool2d", nn.MaxPool2D(2)), ("avg_pool2d", nn.AvgPool2D(2)), ("softmax", nn.Softmax(1)),
                   ("adaptive_avg_pool2d", nn.AdaptiveAvgPool2D(1)), ("silu", nn.Swish())]  # fmt: skip
        normalise = nn.BatchNorm(4, act="relu", dtype="float64")
        normalise.eval()
        layers.append(("relu", normalise))
    return [*layers, ("linear", nn.Linear(6, 2)), ("relu6", nn.Hardtanh(0.0, 6.0))]


def every_operation(rule: Callable[[str], Any]) -> dict[str, Any]:
    keys = (*ACTIVATIONS, "softmax", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "linear", "conv2d")
    return {key: rule(key) for key in keys}


def counting(counts: Counter[str]) -> Callable[[str], Any]:
    def rule(key: str) -> Any:
        def count(call: Any, *inputs: Any) -> Any:
            counts[key] += 1
            assert len(inputs) in ((2, 3) if key in {"linear", "conv2d"} else (1,))
            return call(*inputs)

        return count

    return rule


def value_and_gradient(backend: Backend, function: Call, x: Any) -> tuple[np.ndarray, np.ndarray]:
    leaf = backend.leaf(x)
    y = function(leaf * 1.5)
    seeds = tensor(backend, *backend.shape(y), seed=1)
    return backend.numpy(y), backend.numpy(backend.grad(y, [leaf], seeds=seeds)[0])


# -- seen once, and exact ------------------------------------------------------------------------------------------


def test_every_spelling_is_seen_once_and_an_identity_rule_changes_no_bit(backend: Backend) -> None:
    x = tensor(backend, 2, 4, 6, 6)
    for name, (key, function) in spellings(backend).items():
        value, gradient = value_and_gradient(backend, function, x)
        counts: Counter[str] = Counter()
        with backend.intercept(every_operation(counting(counts))):
            seen_value, seen_gradient = value_and_gradient(backend, function, x)
        assert counts == {key: 1}, name
        np.testing.assert_array_equal(seen_value, value, err_msg=name)
        # In place, ELU differentiates from its result, which rounds otherwise than from its input.
        tolerance = 1e-12 if key == "elu" else 0.0
        np.testing.assert_allclose(seen_gradient, gradient, rtol=tolerance, atol=0, err_msg=name)


def test_a_rule_gives_the_value_and_the_gradient_of_every_spelling(backend: Backend) -> None:
    def doubled(call: Any, *inputs: Any) -> Any:
        return 2.0 * call(*inputs)

    x = tensor(backend, 2, 4, 6, 6)
    for name, (key, function) in spellings(backend).items():
        value, gradient = value_and_gradient(backend, function, x)
        with backend.intercept({key: doubled}):
            seen_value, seen_gradient = value_and_gradient(backend, function, x)
        np.testing.assert_array_equal(seen_value, 2 * value, err_msg=name)
        assert np.abs(seen_gradient - 2 * gradient).max() <= CANCELLED * np.abs(gradient).max(), name


def tripling_gradients(backend: Backend) -> SameOutput:
    def rule(call: Any, *inputs: Any) -> Any:
        y = call(*inputs)
        backend.on_grad(y, lambda g: 3.0 * g)
        return y

    return SameOutput(rule)


def test_a_rule_that_keeps_the_output_changes_the_gradient_of_every_spelling(backend: Backend) -> None:
    x = tensor(backend, 2, 4, 6, 6)
    for name, (key, function) in spellings(backend).items():
        value, gradient = value_and_gradient(backend, function, x)
        with backend.intercept({key: tripling_gradients(backend)}):
            seen_value, seen_gradient = value_and_gradient(backend, function, x)
        np.testing.assert_array_equal(seen_value, value, err_msg=name)
        assert np.abs(seen_gradient - 3 * gradient).max() <= CANCELLED * np.abs(gradient).max(), name


def test_a_rule_that_keeps_the_output_holds_for_a_part_that_is_computed_in_place() -> None:
    torch = need("torch")

    def half_rectified(x: Any) -> Any:
        x[:, :2].relu_()
        return x

    x = tensor(torch, 2, 4, 6, 6)
    value, gradient = value_and_gradient(torch, half_rectified, x)
    with torch.intercept({"relu": tripling_gradients(torch)}):
        seen_value, seen_gradient = value_and_gradient(torch, half_rectified, x)
    np.testing.assert_array_equal(seen_value, value)
    np.testing.assert_allclose(seen_gradient[:, :2], 3 * gradient[:, :2], rtol=1e-12)
    np.testing.assert_array_equal(seen_gradient[:, 2:], gradient[:, 2:])


def test_what_is_not_the_operation_is_not_seen(backend: Backend) -> None:
    framework, _, f = native(backend)
    counts: Counter[str] = Counter()
    x = tensor(backend, 2, 4, 6, 6)
    with backend.intercept(every_operation(counting(counts))):
        x.clip(0.0), f.hardtanh(x), f.selu(x), f.log_softmax(x, -1), f.softsign(x), x.mean(), x @ x, framework.exp(x)
        for pool in (f.max_pool1d, f.avg_pool1d):
            pool(x[0], 2)
        f.adaptive_avg_pool1d(x[0], 2), f.adaptive_max_pool2d(x, 2), f.max_pool3d(x[None], 2)
        f.conv1d(x[0], tensor(backend, 3, 6, 3)), f.conv3d(x[None], tensor(backend, 1, 2, 3, 3, 3))
    assert not counts


def test_max_pooling_with_indices_keeps_the_indices(backend: Backend) -> None:
    _, _, f = native(backend)
    x = tensor(backend, 1, 2, 4, 4)
    option = {"return_indices" if backend.name == "torch" else "return_mask": True}
    values, indices = f.max_pool2d(x, 2, **option)
    with backend.intercept({"max_pool2d": lambda call, x: -call(x)}):
        seen_values, seen_indices = f.max_pool2d(x, 2, **option)
    np.testing.assert_array_equal(backend.numpy(seen_values), -backend.numpy(values))
    np.testing.assert_array_equal(backend.numpy(seen_indices), backend.numpy(indices))


def test_a_rule_gets_the_weights_and_may_replace_them(backend: Backend) -> None:
    _, nn, _ = native(backend)
    net = nn.Linear(3, 2)
    x = backend.asarray(np.ones((1, 3), np.float32))

    def without_bias(call: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        assert backend.shape(bias) == (2,)
        return call(x, weight * 0.0 + 1.0)

    with backend.intercept({"linear": without_bias}):
        np.testing.assert_allclose(backend.numpy(net(x)), [[3.0, 3.0]])


# -- the four spellings of one network ----------------------------------------------------------------------------


def guided(backend: Backend) -> Any:
    def rule(call: Any, x: Any) -> Any:
        y = call(x)
        on = backend.detach(y) > 0
        return backend.with_vjp(y, [x], lambda g: [backend.where(on, backend.clip(g, 0.0), backend.clip(g, 0.0, 0.0))])

    return rule


def guided_by_output(backend: Backend) -> SameOutput:
    def rule(call: Any, x: Any) -> Any:
        y = call(x)
        backend.on_grad(y, lambda g: backend.clip(g, 0.0))
        return y

    return SameOutput(rule)


def four_spellings(backend: Backend, w1: np.ndarray, w2: np.ndarray, w3: np.ndarray) -> dict[str, Call]:
    """h = relu(x w1); y = relu(h w2 + h) w3."""
    _, nn, f = native(backend)
    a, b, c = (backend.asarray(w, dtype="float64") for w in (w1, w2, w3))
    first, second, reused = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def layers(x: Any) -> Any:
        h = first(x @ a)
        return second(h @ b + h) @ c

    def functions(x: Any) -> Any:
        h = f.relu(x @ a)
        return f.relu(h @ b + h) @ c

    def in_place(x: Any) -> Any:
        h = x @ a
        f.relu_(h)
        k = h @ b
        k += h
        f.relu_(k)
        return k @ c

    def reuse(x: Any) -> Any:
        h = reused(x @ a)
        return reused(h @ b + h) @ c

    return {"layers": layers, "functions": functions, "in place": in_place, "reused": reuse}


@pytest.mark.parametrize("rule", [guided, guided_by_output])
def test_the_four_spellings_of_one_network_give_the_gradient_written_by_hand(
    rule: Callable[[Backend], Any], backend: Backend, rng: np.random.Generator
) -> None:
    x, w1, w2, w3 = (rng.normal(size=size) for size in ((5, 6), (6, 7), (7, 7), (7, 3)))
    h = np.maximum(x @ w1, 0)
    k = h @ w2 + h
    at_k = np.maximum(w3.sum(1) * np.ones_like(k), 0) * (k > 0)
    at_h = np.maximum(at_k @ w2.T + at_k, 0) * (h > 0)
    expected = at_h @ w1.T
    for name, network in four_spellings(backend, w1, w2, w3).items():
        leaf = backend.leaf(backend.asarray(x, dtype="float64"))
        with backend.intercept({"relu": rule(backend)}):
            y = network(leaf)
            gradient = backend.grad(backend.sum(y), [leaf])[0]
        np.testing.assert_allclose(backend.numpy(y), np.maximum(k, 0) @ w3, rtol=0, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(backend.numpy(gradient), expected, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("rule", [guided, lambda backend: SameOutput(lambda call, x: call(x))])
def test_in_place_on_a_leaf_fails_as_it_does_without_a_rule(rule: Callable[[Backend], Any], backend: Backend) -> None:
    _, _, f = native(backend)
    leaf = backend.leaf(tensor(backend, 3))
    with backend.intercept({"relu": rule(backend)}):
        with pytest.raises((RuntimeError, ValueError), match=r"[Ll]eaf"):
            f.relu_(leaf)
        with backend.no_grad():
            f.relu_(leaf)
    assert backend.numpy(leaf).min() >= 0


# -- scope ---------------------------------------------------------------------------------------------------------


def bindings() -> dict[tuple[str, str], int]:
    return {(name, key): id(value) for name, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and name.split(".")[0] in {"torch", "paddle"}
            for key, value in list(vars(module).items()) if callable(value)}  # fmt: skip


def test_nothing_stays_behind_neither_after_an_end_nor_after_an_exception(backend: Backend) -> None:
    _, _, f = native(backend)
    x = tensor(backend, 3)
    with backend.intercept({"relu": lambda call, x: call(x)}):
        f.relu(x)  # modules that are imported on first use
    before = bindings()

    def failing(call: Any, x: Any) -> Any:
        raise ZeroDivisionError

    with backend.intercept({"relu": lambda call, x: call(x)}):
        pass
    with pytest.raises(ZeroDivisionError), backend.intercept({"relu": failing, "tanh": failing}):
        f.relu(x)
    with pytest.raises(KeyError), backend.intercept({"relu": failing}), backend.intercept({"tanh": failing}):
        raise KeyError
    assert bindings() == before
    np.testing.assert_array_equal(backend.numpy(f.relu(x)), np.maximum(backend.numpy(x), 0))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_a_recurrent_layer_is_one_operation_of_its_own(backend: Backend, kind: str) -> None:
    _, nn, _ = native(backend)
    layer = getattr(nn, kind if backend.name == "torch" else kind.replace("RNN", "SimpleRNN"))(3, 2)
    x = backend.leaf(backend.asarray(np.ones((2, 3) if "Cell" in kind else (2, 4, 3), "float32")))
    seen: list[str] = []

    def noting(key: str) -> OperationRule:
        return lambda call, *inputs: seen.append(key) or call(*inputs)  # type: ignore[func-returns-value]

    with backend.frozen(layer), backend.intercept({key: noting(key) for key in (*ACTIVATIONS, "linear")}):
        layer(x)
    assert not seen


def test_a_rule_may_call_its_own_operation(backend: Backend) -> None:
    _, _, f = native(backend)
    x = tensor(backend, 3)
    with backend.intercept({"relu": lambda call, x: f.relu(x) - f.relu(-x)}):
        np.testing.assert_array_equal(backend.numpy(f.relu(x)), backend.numpy(x))


def test_the_inner_of_two_contexts_comes_first_and_the_outer_sees_what_it_calls(backend: Backend) -> None:
    _, _, f = native(backend)
    x = backend.asarray(np.array([2.0, -2.0]))
    outer = backend.intercept({"relu": lambda call, x: call(x) + 1.0, "tanh": lambda call, x: x})
    with outer, backend.intercept({"relu": lambda call, x: 10.0 * call(x)}):
        assert backend.numpy(f.relu(x)).tolist() == [30.0, 10.0]
        assert backend.numpy(f.tanh(x)).tolist() == [2.0, -2.0]


def test_other_threads_are_left_alone(backend: Backend) -> None:
    _, _, f = native(backend)
    x = backend.asarray(np.array([2.0, -2.0]))
    found: list[Any] = []

    def other() -> None:
        found.append(backend.numpy(f.relu(x)).tolist())
        with backend.intercept({"relu": lambda call, x: call(x) - 5.0}):
            found.append(backend.numpy(f.relu(x)).tolist())

    with backend.intercept({"relu": lambda call, x: call(x) + 1.0}):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        found.append(backend.numpy(f.relu(x)).tolist())
    assert found == [[2.0, 0.0], [-3.0, -5.0], [3.0, 1.0]]


def test_what_a_backward_hook_computes_is_not_the_network(backend: Backend) -> None:
    _, _, f = native(backend)
    counts: Counter[str] = Counter()
    leaf = backend.leaf(tensor(backend, 4))
    with backend.intercept(every_operation(counting(counts))):
        y = f.relu(leaf * 1.0)
        backend.on_grad(y, lambda g: f.relu(g))
        gradient = backend.grad(backend.sum(-y), [leaf])[0]
    assert counts == {"relu": 1}
    np.testing.assert_array_equal(backend.numpy(gradient), 0)


def test_an_unknown_operation_is_named_with_the_one_that_was_meant(backend: Backend) -> None:
    with pytest.raises(MethodError, match=r"'rleu'.*'relu'"), backend.intercept({"rleu": lambda call, x: x}):
        pass


def test_both_frameworks_offer_the_operations_of_the_protocol(backend: Backend) -> None:
    module = importlib.import_module(f"twinlens.backends.{backend.name}_interception")
    assert set(module.OPERATIONS) == set(every_operation(lambda key: key))
    assert all(f'"{key}"' in Backend.intercept.__doc__.replace("``", "") for key in module.OPERATIONS)


# -- networks as they are published --------------------------------------------------------------------------------


def recorded(outputs: list[Any], word: str) -> int:
    """How many nodes of the autograd graph are called after the operation: a count that asks no interceptor."""
    seen: dict[Any, Any] = {}
    todo = [output.grad_fn for output in outputs]
    while todo:
        node = todo.pop()
        key = node.node_ptr() if hasattr(node, "node_ptr") else node
        if node is None or key in seen:
            continue
        seen[key] = node
        parents = node.next_functions
        todo += [parent[0] if isinstance(parent, tuple) else parent for parent in parents]
    return sum(node.name().lower().startswith(word) for node in seen.values())


PUBLISHED = [("torch", "densenet121", 64), ("torch", "googlenet", 64), ("torch", "squeezenet1_1", 64),
             ("paddle", "densenet121", 64), ("paddle", "squeezenet1_1", 64), ("paddle", "alexnet", 224),
             ("paddle", "googlenet", 224)]  # fmt: skip


@pytest.mark.parametrize(("name", "model", "size"), PUBLISHED)
def test_all_activations_and_convolutions_of_published_networks_are_seen(
    both: tuple[Backend, Backend], name: str, model: str, size: int
) -> None:
    backend = both[name == "paddle"]
    options: dict[str, Any] = {}
    if name == "torch":
        models = importlib.import_module("twinlens.backends.torch_backend").import_torchvision().models
        options = {"init_weights": False} if model == "googlenet" else {}
    else:
        models = importlib.import_module("paddle.vision.models")
    net = getattr(models, model)(**options)
    net.eval()
    x = backend.leaf(backend.asarray(np.random.default_rng(0).random((1, 3, size, size)), dtype="float32"))
    counts: Counter[str] = Counter()
    plain = net(x)
    with backend.intercept(every_operation(counting(counts))):
        output = net(x)
    plain, output = (list(y) if isinstance(y, list | tuple) else [y] for y in (plain, output))
    for one, other in zip(plain, output, strict=True):
        np.testing.assert_array_equal(backend.numpy(one), backend.numpy(other))
    expected = {"relu": recorded(plain, "relu")}
    expected["conv2d"] = recorded(plain, "convolution" if name == "torch" else "conv2d")
    assert min(expected.values()) > 4
    assert {key: counts[key] for key in expected} == expected


def test_attention_is_seen_through_the_layer_that_holds_it(backend: Backend) -> None:
    _, nn, _ = native(backend)
    layer = nn.MultiheadAttention(8, 2, batch_first=True) if backend.name == "torch" else nn.MultiHeadAttention(8, 2)
    layer.eval()
    x = backend.asarray(np.random.default_rng(0).random((2, 5, 8)), dtype="float32")
    plain = layer(x, x, x)
    counts: Counter[str] = Counter()
    with backend.intercept(every_operation(counting(counts))):
        output = layer(x, x, x)
    first, second = (y[0] if isinstance(y, tuple) else y for y in (plain, output))
    np.testing.assert_allclose(backend.numpy(first), backend.numpy(second), atol=1e-6)
    assert counts["softmax"] == 1
    assert counts["linear"] >= 2
