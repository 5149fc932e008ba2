"""What the method promises: conservation, books, LRP-0 as gradient times input, checks, and a network left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap

from ....frameworks import torch
from ....nets import formula_net, pictures, small_net
from .nets import COMPOSITES, close, sequential


def without_biases(backend: Backend) -> Model:
    nn = backend.nn
    return sequential(
        backend,
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 5, bias=False),
    )


@pytest.mark.parametrize("composite", COMPOSITES)
def test_relevance_is_conserved_exactly_without_biases_and_epsilon(backend: Backend, composite: str) -> None:
    result = tl.explain(without_biases(backend), pictures(3), "lrp", [0, 1, 2], composite=composite, epsilon=0)
    assert result.error is not None
    assert np.allclose(result.error.scale, result.scores[range(3), [0, 1, 2]], rtol=1e-12)
    if composite in ("zero", "epsilon", "gamma", "epsilon_gamma_box"):
        assert result.error.relative.max() < 1e-10
    # Alpha-beta rules lose the share of an output all of whose inputs have one sign.
    lost = result.extras["stabiliser"]
    assert np.abs(result.error.values + lost).max() < 1e-10 * np.abs(result.error.scale).max()
    assert np.abs(result.extras["biases"]).max() < 1e-10 * np.abs(result.error.scale).max()


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_books_say_where_the_rest_of_the_relevance_is(backend: Backend, composite: str, dtype: str) -> None:
    result = tl.explain(small_net(backend, dtype=dtype), pictures(3), "lrp", 1, composite=composite, epsilon=0.01)
    assert result.error is not None
    assert (np.abs(result.extras["biases"]).min() > 0) == (composite != "excitation_backprop")
    assert (np.abs(result.extras["stabiliser"]).min() > 0) == (composite != "zero")
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    assert (np.abs(result.extras["elsewhere"]) <= tolerance * np.abs(result.error.scale)).all()


def test_excitation_backprop_conserves_relevance_where_z_plus_gives_it_to_biases(backend: Backend) -> None:
    """With inputs above 0, and weights of which each unit has positive ones, nothing is lost but to epsilon."""
    nn = backend.nn
    model = sequential(
        backend, nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
    found, plus = (
        tl.explain(model, pictures(3), "lrp", [0, 1, 2], composite=composite, epsilon=0)
        for composite in ("excitation_backprop", "plus")
    )
    score = found.scores[range(3), [0, 1, 2]]
    assert np.allclose(found.values.sum(axis=(1, 2, 3)), score, rtol=1e-10)
    assert not found.extras["biases"].any()
    # The paper's winning probability: shares of the score, none of them negative.
    assert (found.values / score.reshape(3, 1, 1, 1) >= 0).all()
    assert (np.abs(plus.error.relative) > 0.1).all()
    assert np.allclose(plus.error.values + plus.extras["biases"], 0, atol=1e-10)


def test_the_books_hold_what_one_unit_keeps(backend: Backend) -> None:
    """One unit, by hand: ``z = w x + b``; the bias keeps ``b / (z + ε)`` and epsilon ``ε / (z + ε)`` of the score."""
    model = sequential(backend, backend.nn.Linear(1, 1))
    weight, bias = (float(model.state()[name].squeeze()) for name in ("0.weight", "0.bias"))
    x = np.array([[0.5]])
    z = weight * 0.5 + bias
    epsilon = 0.1 * np.sign(z)
    result = tl.explain(model, x, "lrp", 0, composite="epsilon", epsilon=0.1)
    assert result.values.item() == pytest.approx(weight * 0.5 * z / (z + epsilon), rel=1e-12)
    assert result.extras["biases"].item() == pytest.approx(bias * z / (z + epsilon), rel=1e-12)
    assert result.extras["stabiliser"].item() == pytest.approx(epsilon * z / (z + epsilon), rel=1e-12)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_lrp_0_is_gradient_times_input_for_a_network_of_relus(backend: Backend, of: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3).astype("float64")
    result = tl.explain(model, x, "lrp", [0, 1, 2], composite="zero", of=of)
    assert close(result.values, x * model.gradient(x, [0, 1, 2], of), 1e-12)


def test_relevance_starts_as_score_times_its_derivative(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    result = tl.explain(model, x, "lrp", lambda scores: scores[:, 1] - 2 * scores[:, 0])
    assert result.target is None
    assert result.error is not None
    assert np.allclose(result.error.scale, result.scores[:, 1] - 2 * result.scores[:, 0], rtol=1e-12)


def test_the_predicted_class_is_the_target_when_none_is_given(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    result = tl.explain(model, x, "lrp")
    assert np.array_equal(result.target, model.predict(x))
    assert np.allclose(result.scores, model.forward(x), rtol=1e-12)
    assert np.array_equal(result.values, tl.explain(model, x, "lrp", list(result.target)).values)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_alpha2_beta1_flat"])
def test_the_batch_size_changes_nothing(backend: Backend, composite: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(5)
    low = np.linspace(-0.5, -0.1, 5).reshape(5, 1, 1, 1) * np.ones(x.shape)
    whole, parts = (
        tl.explain(model, x, "lrp", [0, 1, 2, 3, 4], composite=composite, low=low, batch_size=size) for size in (5, 2)
    )
    assert close(parts.values, whole.values, 1e-12)
    assert np.allclose(parts.extras["biases"], whole.extras["biases"], rtol=1e-10)
    assert whole.values.dtype == np.float64


def test_a_table_is_explained_too(backend: Backend, rng: np.random.Generator) -> None:
    nn = backend.nn
    model = sequential(backend, nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), dtype="float32")
    x = rng.normal(size=(6, 4))
    result = tl.explain(model, x, "lrp", low=x.min(axis=0), high=x.max(axis=0))
    assert result.values.shape == x.shape
    assert result.values.dtype == np.float32


def test_inputs_outside_of_the_box_are_refused(backend: Backend) -> None:
    model = small_net(backend)
    with pytest.raises(tl.errors.InputError, match=r"holds 3, outside of low=0.0 to high=1.0.*w_squared"):
        tl.explain(model, pictures(1) * 0 + 3, "lrp")
    assert np.isfinite(tl.explain(model, pictures(1) * 9, "lrp", first="w_squared").values).all()
    assert np.isfinite(tl.explain(model, pictures(1) * 9, "lrp", high=9).values).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"composite": "epsilon_gama"}, "composite='epsilon_gama' is not known. Choose one of: epsilon_gamma_box"),
        ({"composite": None}, "composite=None is not known"),
        ({"first": "zb"}, "first='zb' is not known. Choose one of: box"),
        ({"epsilon": -1}, "epsilon=-1 is below 0"),
        ({"epsilon": float("nan")}, "epsilon=nan is not a finite number"),
        ({"gamma": "a"}, "gamma='a' is not a finite number"),
        ({"alpha": 2, "beta": 0}, "alpha=2 and beta=0 do not conserve relevance.*Pass alpha=1"),
        ({"beta": -1}, "beta=-1 is below 0"),
        ({"low": 1}, "low=1 is not below high=1.0"),
    ],
)
def test_wrong_parameters_are_named(backend: Backend, params: dict[str, Any], message: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=message):
        tl.explain(small_net(backend), pictures(1), "lrp", **params)


def test_wrong_bounds_targets_and_inputs_are_named(backend: Backend) -> None:
    model = small_net(backend)
    with pytest.raises(tl.errors.InputError, match="baseline"):
        tl.explain(model, pictures(1), "lrp", low=np.zeros(7))
    with pytest.raises(tl.errors.TargetError):
        tl.explain(model, pictures(1), "lrp", 9)
    with pytest.raises(tl.errors.InputError, match="NaN"):
        tl.explain(model, pictures(1) * np.nan, "lrp")


def test_a_network_out_of_sight_is_refused(backend: Backend) -> None:
    formula = formula_net(backend, lambda u, w: u @ w, np.ones((3, 2)))
    with pytest.raises(tl.errors.MethodError, match="no linear layer or convolution"):
        tl.explain(formula, np.ones((1, 3)), "lrp")


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_a_layer_without_a_rule_is_named() -> None:
    net = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.Flatten(), torch.nn.Linear(18, 2))
    with pytest.raises(tl.errors.MethodError, match="Layer '0' is a Conv1d, for which there is no relevance rule"):
        tl.explain(wrap(net), np.zeros((1, 2, 8)), "lrp")
    scripted = torch.jit.trace(torch.nn.Linear(3, 2), torch.zeros(1, 3))
    with pytest.raises(tl.errors.MethodError, match="The network is a TopLevelTracedModule"):
        tl.explain(wrap(scripted), np.zeros((1, 3)), "lrp")


def state_of(model: Model) -> list[Any]:
    backend = model.backend
    layers = backend.modules(model.net).values()
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_forward_post_hooks")
    return [
        {name: array.tobytes() for name, array in model.state().items()},
        [layer.training for layer in layers],
        [len(getattr(layer, name, ())) for layer in layers for name in hooks],
        [p.grad is None for p in model.net.parameters()],
    ]


def test_the_network_is_left_as_it_was_also_after_an_error(backend: Backend) -> None:
    model = small_net(backend)
    model.net.train()
    before = state_of(model)
    tl.explain(model, pictures(2), "lrp")
    assert state_of(model) == before

    class InterruptionError(Exception):
        """Of the user's own function."""

    def fails(scores: Any) -> Any:
        raise InterruptionError

    with pytest.raises(InterruptionError):
        tl.explain(model, pictures(2), "lrp", fails)
    assert state_of(model) == before
    # Rules, too, are gone: the gradient is the gradient again.
    gradient = model.gradient(pictures(2), 1)
    assert np.array_equal(gradient, small_net(backend).gradient(pictures(2), 1))
