"""Networks that draw random numbers, keep functions, loop over samples or are programs: held right, or refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.checks import independent_samples

from ..frameworks import need, torch
from ..nets import pictures, randomise, small_net
from ..random_states import random_states

MANY = 60


def network(backend: Backend, forward: Any, **layers: Any) -> tl.Model:
    return tl.wrap(backend.nn.Module(forward, **layers))


def convolution(backend: Backend, seed: int = 0) -> Any:
    with backend.seeded(seed):
        return backend.nn.Conv2d(3, 4, 3, padding=1)


def dropped(backend: Backend, x: Any) -> Any:
    """The classic mistake: a functional dropout that nobody told of the evaluation mode."""
    if backend.name == "torch":
        return torch.nn.functional.dropout(x, 0.5)
    import paddle

    return paddle.nn.functional.dropout(x, 0.5)


def test_a_network_that_goes_round_its_batch_norm_on_some_inputs_is_explained_as_it_is(backend: Backend) -> None:
    def forward(net: Any, x: Any) -> Any:
        y = net.conv(x)
        return net.fc((net.norm(y) if float(x.detach().min()) > 0.2 else y).mean((2, 3)) ** 2)

    nn = backend.nn
    net = nn.Module(forward, conv=convolution(backend), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, 3))
    single = randomise(tl.wrap(net))
    x = np.ones((1, 3, 8, 8), np.float32)
    one, other = (
        tl.explain(model, x, "integrated_gradients", 1, batch_size=1).values
        for model in (single, tl.wrap(net, dtype="float64"))
    )
    np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "lime", "gradcam", "lrp", "occlusion"])
def test_a_network_that_draws_random_numbers_draws_the_same_in_every_call_and_none_of_the_users(
    backend: Backend, method: str
) -> None:
    model = network(
        backend,
        lambda net, x: net.fc(dropped(backend, net.conv(x).mean((2, 3)))),
        conv=convolution(backend),
        fc=backend.nn.Linear(4, 3),
    )
    before = random_states()
    first, second = (tl.explain(model, pictures(2), method, 1).values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert random_states() == before


def closed_over(backend: Backend) -> Any:
    """A network in training mode that keeps a function of its own layers."""
    nn = backend.nn
    net = nn.Module(
        lambda net, x: net.fc(net.block(x).mean((2, 3))),
        conv=convolution(backend),
        norm=nn.BatchNorm2d(4),
        drop=nn.Dropout(0.5),
        fc=nn.Linear(4, 3),
    )
    net.block = lambda x: net.drop(net.norm(net.conv(x)))
    net.train()
    return net


@pytest.mark.parametrize("method", ["integrated_gradients", "smoothgrad"])
def test_a_function_that_a_network_keeps_runs_in_evaluation_mode_too(backend: Backend, method: str) -> None:
    model = tl.wrap(closed_over(backend))
    before = model.state()
    values = tl.explain(model, pictures(2), method, 1).values
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])
    model.net.eval()
    np.testing.assert_allclose(tl.explain(model, pictures(2), method, 1).values, values, rtol=1e-5, atol=1e-8)


def test_a_network_that_keeps_a_function_of_its_layers_is_not_converted(backend: Backend) -> None:
    for dtype in ("float32", "float64"):
        with pytest.raises(tl.errors.ModelError, match="keeps a function, 'block'"):
            tl.wrap(closed_over(backend), dtype=dtype)


def test_a_network_that_cannot_be_copied_is_named() -> None:
    need("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.nn.Sequential(torch.nn.utils.weight_norm(torch.nn.Linear(3, 2)))
    net(torch.zeros(1, 3))
    with pytest.raises(tl.errors.ModelError, match=r"cannot be copied.*weight norm"):
        tl.wrap(net, dtype="float64")


def test_lrp_refuses_a_loop_over_the_samples_unless_they_come_one_by_one(backend: Backend) -> None:
    model = network(
        backend,
        lambda net, x: net.fc(backend.concat([net.conv(x[i : i + 1]) for i in range(len(x))]).mean((2, 3))),
        conv=convolution(backend),
        fc=backend.nn.Linear(4, 3),
    )
    with pytest.raises(tl.errors.MethodError, match="4 linear layers and convolutions for 3 samples, 2 for one"):
        tl.explain(model, pictures(3), "lrp", 1)
    together = tl.explain(model, pictures(3), "lrp", 1, batch_size=1).values
    for i, values in enumerate(together):
        np.testing.assert_array_equal(tl.explain(model, pictures(3)[i : i + 1], "lrp", 1).values[0], values)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_plus_flat"])
def test_a_layer_of_constants_is_not_the_first_one_of_lrp(backend: Backend, composite: str) -> None:
    layers = {"conv": convolution(backend), "fc": backend.nn.Linear(4, 3), "position": backend.nn.Linear(2, 4)}
    ones = backend.asarray(np.ones((1, 2), np.float32))

    def before(net: Any, x: Any) -> Any:
        position = net.position(ones)
        return net.fc(net.conv(x).mean((2, 3)) + position)

    def after(net: Any, x: Any) -> Any:
        features = net.conv(x).mean((2, 3))
        return net.fc(features + net.position(ones))

    one, other = (
        tl.explain(network(backend, forward, **layers), pictures(2), "lrp", 1, composite=composite).values
        for forward in (before, after)
    )
    np.testing.assert_array_equal(one, other)


def test_an_embedding_has_a_gradient_times_activation(backend: Backend) -> None:
    nn, weight = backend.nn, np.random.default_rng(0).normal(size=(7, 4))
    if backend.name == "torch":
        model = network(
            backend,
            lambda net, x: net.fc(net.words(x.long()).mean(1)),
            words=torch.nn.Embedding(7, 4),
            fc=nn.Linear(4, 3),
        )
    else:
        import paddle

        model = network(
            backend,
            lambda net, x: net.fc(net.words(x.astype("int64")).mean(1)),
            words=paddle.nn.Embedding(7, 4),
            fc=nn.Linear(4, 3),
        )
    model.load_state(model.state() | {"words.weight": weight})
    words = np.array([[1.0, 4, 2], [0, 6, 6]])
    found = tl.explain(model, words, "layer_gradient_x_activation", 1, layer="words")
    expected = weight[words.astype(int)] * model.state()["fc.weight"][1] / 3
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet", "deeplift", "lrp", "saliency"])
def test_pictures_that_do_not_fit_are_the_networks_error_in_every_method(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.ModelError, match="Check the shape"):
        tl.explain(small_net(backend), np.zeros((2, 4, 8, 8), np.float32), method, 1)


@pytest.mark.parametrize("method", ["exact_shapley", "kernelshap", "occlusion", "feature_ablation", "saliency"])
def test_a_target_that_is_not_finite_is_no_explanation(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.NonFiniteError):
        tl.explain(
            small_net(backend),
            pictures(1),
            method,
            lambda scores: scores[:, 0] * 0 - float("inf"),
            **({} if method in ("occlusion", "saliency") else {"segments": "grid", "segment_options": {"cells": 2}}),
        )


def test_numbers_that_are_not_finite_are_no_explanation(backend: Backend) -> None:
    nn = backend.nn
    model = network(backend, lambda net, x: net.fc(x), fc=nn.Linear(3, 2))
    model.load_state({"fc.weight": np.full((2, 3), 3e37), "fc.bias": np.zeros(2)})
    x = np.ones((1, 3), np.float32)
    with pytest.raises(tl.errors.NonFiniteError, match="beyond what float32 can hold"):
        tl.explain(model, x, "smoothgrad", 0, aggregate="squared")


def test_a_target_function_that_mixes_the_samples_is_refused(backend: Backend) -> None:
    model = small_net(backend)
    with pytest.raises(tl.errors.TargetError, match="mixes the samples"):
        tl.explain(model, pictures(2), "saliency", lambda scores: scores[:, 0] - scores[:, 0].mean())
    tl.explain(model, pictures(2), "saliency", lambda scores: scores[:, 0] - scores.mean(1))


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_a_relu_that_no_input_reaches_is_no_relu_for_the_rule(backend: Backend, method: str) -> None:
    nn = backend.nn
    ones = backend.asarray(np.ones((1, 2), np.float32))
    model = network(
        backend,
        lambda net, x: net.fc(net.conv(x).mean((2, 3)) + net.relu(net.position(ones))),
        conv=convolution(backend),
        fc=nn.Linear(4, 3),
        position=nn.Linear(2, 4),
        relu=nn.ReLU(),
    )
    with pytest.raises(tl.errors.MethodError, match="no ReLU"):
        tl.explain(model, pictures(2), method, 1)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_rectifiers_without_a_rule_are_named(backend: Backend, method: str) -> None:
    model = small_net(backend)
    layers = need(backend.name) and __import__(backend.name).nn
    model.net[6] = layers.PReLU()
    assert tl.explain(model, pictures(2), method, 1).extras["without_rule"].tolist() == ["prelu"]


def test_whole_numbers_that_a_half_precision_network_would_round_are_refused() -> None:
    need("torch")
    model = tl.wrap(torch.nn.Sequential(torch.nn.Linear(3, 2)).half())
    with pytest.raises(tl.errors.InputError, match="such as 2049, which float16 rounds"):
        model.check_input(np.array([[2048, 2049, 4]]))
    assert model.check_input(np.array([[2048, 4100, 4]])).tolist() == [[2048, 4100, 4]]


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet", "lrp"])
def test_rules_do_not_reach_into_vmap(method: str) -> None:
    need("torch")
    inner = small_net(tl.backends.get_backend("torch")).net
    net = torch.nn.Sequential(inner)
    net.forward = lambda x: torch.vmap(lambda one: inner(one[None])[0])(x)
    with pytest.raises(tl.errors.MethodError, match="vmap"):
        tl.explain(tl.wrap(net), pictures(2), method, 1)


@pytest.mark.filterwarnings("ignore")
def test_a_program_among_the_layers_is_explained_and_no_hook_is_left() -> None:
    need("torch")
    model = small_net(tl.backends.get_backend("torch"))
    plain = tl.explain(model, pictures(MANY), "saliency", 1).values
    model.net[2] = torch.jit.script(torch.nn.ReLU())
    np.testing.assert_allclose(tl.explain(model, pictures(MANY), "saliency", 1, batch_size="auto").values, plain)
    model.measure(pictures(1), dict.fromkeys(model.backend.modules(model.net).values(), lambda *_: None))
    with pytest.raises(tl.errors.LayerError, match="compiled program"):
        tl.explain(model, pictures(2), "layer_activation", layer="2")
    assert all(not layer._forward_hooks for layer in model.net.children() if isinstance(layer, torch.nn.Conv2d))
    independent_samples(model, pictures(1))


@pytest.mark.filterwarnings("ignore")
def test_an_exported_program_is_named() -> None:
    need("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2)).eval()
    program = torch.export.export(net, (torch.zeros(2, 3),)).module()
    with pytest.raises(tl.errors.ModelError, match="exported program"):
        tl.wrap(program).forward(np.zeros((2, 3)))
