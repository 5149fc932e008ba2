"""Captum as a second opinion on torch, where it computes the same thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.donors import other_samples
from twinlens.methods.randomness import global_numpy_seed

from ...frameworks import need, torch
from ...nets import pictures, small_net
from ..backpropagation.lrp.nets import sequential
from .nets import inputs, product_net, tanh_net

attr: Any = pytest.importorskip("captum.attr")
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]etting.*hooks.*:UserWarning")

LAYER = "4"


@pytest.fixture
def torch_backend() -> Backend:
    return need("torch")


def ours(method: str, target: int | None, **params: Any) -> np.ndarray:
    model = small_net(need("torch"), dtype="float64")
    return tl.explain(model, pictures(3), method, target, layer=LAYER, **params).values


def theirs(kind: str, **arguments: Any) -> np.ndarray:
    backend = need("torch")
    model = small_net(backend, dtype="float64")
    method = getattr(attr, kind)(model.net.eval(), backend.modules(model.net)[LAYER])
    x = backend.asarray(pictures(3), "float64").requires_grad_()
    return backend.numpy(backend.detach(method.attribute(x, **arguments)))


# Captum keeps points and weights of the path in float32.
FLOAT32_WEIGHTS = 2e-7


def same(mine: np.ndarray, other: np.ndarray, rtol: float = 1e-10) -> None:
    np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol * np.abs(other).max())


def test_layer_activation(torch_backend: Backend) -> None:
    same(ours("layer_activation", None), theirs("LayerActivation"))


def test_layer_gradient_x_activation(torch_backend: Backend) -> None:
    same(ours("layer_gradient_x_activation", 2), theirs("LayerGradientXActivation", target=2))


def test_layer_integrated_gradients(torch_backend: Backend) -> None:
    found = ours("layer_integrated_gradients", 2, steps=20)
    same(found, theirs("LayerIntegratedGradients", target=2, n_steps=20), FLOAT32_WEIGHTS)


def test_internal_influence(torch_backend: Backend) -> None:
    found = ours("internal_influence", 2, steps=20)
    same(found, theirs("InternalInfluence", target=2, n_steps=20), FLOAT32_WEIGHTS)


def test_neuron_gradient(torch_backend: Backend) -> None:
    same(ours("neuron_gradient", None, neuron=(3, 1, 2)), theirs("NeuronGradient", neuron_selector=(3, 1, 2)))


def test_neuron_integrated_gradients(torch_backend: Backend) -> None:
    same(
        ours("neuron_integrated_gradients", None, neuron=(3, 1, 2), steps=20),
        theirs("NeuronIntegratedGradients", neuron_selector=(3, 1, 2), n_steps=20),
        FLOAT32_WEIGHTS,
    )


def test_neuron_guided_backprop(torch_backend: Backend) -> None:
    same(
        ours("neuron_guided_backprop", None, neuron=(3, 1, 2)),
        theirs("NeuronGuidedBackprop", neuron_selector=(3, 1, 2)),
    )


def smooth(kind: str, **arguments: Any) -> np.ndarray:
    backend = need("torch")
    model = tanh_net(backend)
    method = getattr(attr, kind)(model.net.eval(), backend.modules(model.net)["units"])
    x = backend.asarray(inputs()).requires_grad_()
    return backend.numpy(backend.detach(method.attribute(x, target=1, **arguments)))


def test_layer_conductance(torch_backend: Backend) -> None:
    found = tl.explain(tanh_net(torch_backend), inputs(), "layer_conductance", 1, layer="units", steps=40).values
    # Captum's sum is of first order: its error halves as its steps double, towards ours.
    errors = [np.abs(smooth("LayerConductance", n_steps=n) - found).max() for n in (500, 1000)]
    assert errors[1] < 5e-3
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)


def test_neuron_conductance(torch_backend: Backend) -> None:
    model = tanh_net(torch_backend)
    found = tl.explain(model, inputs(), "neuron_conductance", 1, layer="units", neuron=2, steps=60).values
    best = smooth("NeuronConductance", neuron_selector=2, n_steps=60, method="gausslegendre")
    same(found, best, FLOAT32_WEIGHTS)
    # The weights of its default rule sum to 1 - 1 / n, and the conductance is too small by as much; ours is not.
    default = smooth("NeuronConductance", neuron_selector=2, n_steps=60)
    np.testing.assert_allclose(default / best, 59 / 60, rtol=1e-3)


ROWS = pictures(4, seed=2)


def without_pooling(dtype: str = "float64") -> Any:
    """Captum's DeepLIFT has another rule for max pooling."""
    nn = need("torch").nn
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()]
    return sequential(need("torch"), *layers, nn.Flatten(), nn.Linear(512, 5), dtype=dtype)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4"])
def test_layer_deeplift(torch_backend: Backend, layer: str) -> None:
    model, x = without_pooling(), pictures(3)
    found = tl.explain(model, x, "layer_deeplift", 2, layer=layer, baseline=0.3)
    method = attr.LayerDeepLift(model.net.eval(), model.net[int(layer)])
    native = torch_backend.asarray(x, "float64").requires_grad_()
    same(found.values, method.attribute(native, baselines=0.3, target=2).detach().numpy())


# Rounding, times the number of operations and of rows that a mean is taken over.
PRECISION = {"float32": 1e-6, "float64": 1e-12}


@pytest.mark.parametrize("dtype", list(PRECISION))
@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4"])
def test_layer_deepshap(torch_backend: Backend, layer: str, dtype: str) -> None:
    model, x = without_pooling(dtype), pictures(3)
    found = tl.explain(model, x, "layer_deepshap", 2, layer=layer, background=ROWS)
    method = attr.LayerDeepLiftShap(model.net.eval(), model.net[int(layer)])
    native, rows = (torch_backend.asarray(each, dtype) for each in (x, ROWS))
    expected = method.attribute(native.requires_grad_(), baselines=rows, target=2).detach().numpy()
    same(found.values, expected, PRECISION[dtype])


def masks(shape: tuple[int, ...]) -> dict[str, tuple[Any, np.ndarray]]:
    """Our segments and captum's mask, for the output of one sample."""
    own = np.random.default_rng(5).integers(0, 4, shape)
    places = np.random.default_rng(6).integers(0, 4, shape[-2:])
    return {
        "channels": ("channels", np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))),
        "units": ("units", np.arange(np.prod(shape)).reshape(shape)),
        "own": (own, own),
        "places": (places, places[None]) if len(shape) == 3 else (own, own),
    }


@pytest.mark.parametrize("dtype", list(PRECISION))
@pytest.mark.parametrize("parts", ["channels", "units", "own", "places"])
@pytest.mark.parametrize("layer", ["0", "3", "5"])
def test_layer_feature_ablation(torch_backend: Backend, layer: str, parts: str, dtype: str) -> None:
    model, x = without_pooling(dtype), pictures(2)
    own = tl.explain(model, x, "layer_activation", layer=layer).values
    segments, mask = masks(own.shape[1:])[parts]
    start = np.random.default_rng(7).normal(size=own.shape[1:])
    found = tl.explain(model, x, "layer_feature_ablation", 2, layer=layer, segments=segments, baseline=start)
    expected = attr.LayerFeatureAblation(model.net.eval(), model.net[int(layer)]).attribute(
        torch_backend.asarray(x, dtype),
        layer_baselines=torch_backend.asarray(start[None], dtype),
        target=2,
        layer_mask=torch_backend.asarray(mask[None]),
        perturbations_per_eval=16,
    )
    size = np.abs(found.scores).max()
    # A drop is a difference of scores: what rounding leaves of it is a share of these.
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=0, atol=PRECISION[dtype] * size)


@pytest.mark.parametrize("dtype", list(PRECISION))
@pytest.mark.parametrize("parts", ["channels", "units", "own", "places"])
@pytest.mark.parametrize("layer", ["0", "3", "5"])
def test_layer_feature_permutation(torch_backend: Backend, layer: str, parts: str, dtype: str) -> None:
    """With the same donors: captum draws one order for each part, once."""
    model, x = without_pooling(dtype), pictures(4)
    shape = tl.explain(model, x, "layer_activation", layer=layer).values.shape[1:]
    segments, mask = masks(shape)[parts]
    native, labels = torch_backend.asarray(x, dtype), torch_backend.asarray(mask[None])

    def expected(draw: np.ndarray) -> np.ndarray:
        class Ordered(attr.LayerFeaturePermutation):  # type: ignore[misc]
            @property
            def attributor(self) -> Any:
                return lambda forward_func: attr.FeaturePermutation(
                    forward_func, lambda outputs, part: part * outputs[draw] + ~part * outputs
                )

        # Captum picks the target's column twice: of the scores, and of what it picked.
        peer = Ordered(lambda inputs: model.net.eval()(inputs)[:, 2], model.net[int(layer)])
        return np.asarray(peer.attribute(native, layer_mask=labels).numpy())

    found = tl.explain(model, x, "layer_feature_permutation", 2, layer=layer, segments=segments, samples=2, seed=7)
    mean = np.mean([expected(draw) for draw in other_samples(4, 2, 7).T], axis=0)
    np.testing.assert_allclose(found.values, mean, rtol=0, atol=PRECISION[dtype] * np.abs(found.scores).max())


@pytest.mark.parametrize("layer", ["0", "2"])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_lrp(torch_backend: Backend, layer: str, bias: bool) -> None:
    """By the epsilon rule: for others captum reads relevance off what layers with changed weights return."""
    rules, nn = pytest.importorskip("captum.attr._utils.lrp_rules"), torch_backend.nn
    linear = [nn.Linear(12, 16, bias=bias), nn.Linear(16, 8, bias=bias), nn.Linear(8, 5, bias=bias)]
    model = sequential(torch_backend, linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    x = np.random.default_rng(0).random((3, 12))
    found = tl.explain(model, x, "layer_lrp", layer=layer, composite="epsilon", epsilon=1e-9)
    for number in (0, 2, 4):
        model.net[number].rule = rules.EpsilonRule(1e-9)
    method = attr.LayerLRP(model.net.eval(), model.net[int(layer)])
    same(
        found.values, method.attribute(model.tensor(x).requires_grad_(), target=found.target.tolist()).detach().numpy()
    )


@pytest.mark.parametrize(
    ("kind", "arguments", "method", "params"),
    [
        ("NeuronDeepLift", {"baselines": 0.3}, "deeplift", {"baseline": 0.3}),
        ("NeuronDeepLiftShap", {"baselines": ROWS}, "deepshap", {"background": ROWS}),
        ("NeuronDeconvolution", {}, "deconvnet", {}),
        ("NeuronGuidedBackprop", {}, "guided_backprop", {}),
        ("NeuronFeatureAblation", {"feature_mask": np.arange(64).reshape(1, 1, 8, 8)}, "feature_ablation", {}),
    ],
)
def test_neurons_by_other_methods(
    torch_backend: Backend, kind: str, arguments: dict[str, Any], method: str, params: dict[str, Any]
) -> None:
    model, x, index = without_pooling(), pictures(3), (3, 1, 2)
    if method == "feature_ablation":
        params = {"segments": np.arange(64).reshape(8, 8), "baseline": 0.0}
    found = tl.explain(tl.neuron(model, "3", index), x, method, **params).values
    given = {
        name: torch.from_numpy(value if value.dtype == np.int64 else value.astype("float64"))
        if isinstance(value, np.ndarray)
        else value
        for name, value in arguments.items()
    }
    peer = getattr(attr, kind)(model.net.eval(), model.net[3])
    native = torch_backend.asarray(x, "float64").requires_grad_()
    expected = peer.attribute(native, neuron_selector=index, **given).detach().numpy()
    same(np.broadcast_to(found, expected.shape), expected)


def test_expected_gradients_of_a_neuron(torch_backend: Backend) -> None:
    """Captum draws at random without strata: its error of some 2% is that of 4000 draws."""
    model, x, index = without_pooling(), pictures(2), (3, 1, 2)
    found = tl.explain(tl.neuron(model, "3", index), x, "expected_gradients", background=ROWS, samples=4000).values
    peer = attr.NeuronGradientShap(model.net.eval(), model.net[3])
    rows = torch_backend.asarray(ROWS, "float64")
    with torch_backend.seeded(0), global_numpy_seed(0):
        native = torch_backend.asarray(x, "float64").requires_grad_()
        expected = peer.attribute(native, baselines=rows, n_samples=4000, neuron_selector=index).detach().numpy()
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def test_captums_gradient_shap_of_a_layer_is_not_complete(torch_backend: Backend) -> None:
    """Of mixed inputs, x³ / 3 and x³ / 2 make 5/6 of the score x³; in the space of the layer it is all of it."""
    model, x = product_net(torch_backend), np.array([[1.0], [2.0]])
    peer = attr.LayerGradientShap(model.net.eval(), torch_backend.modules(model.net)["units"])
    with torch_backend.seeded(0), global_numpy_seed(0):
        native = torch_backend.asarray(x).requires_grad_()
        theirs = peer.attribute(native, baselines=torch_backend.asarray(np.zeros((1, 1))), n_samples=4000, target=0)
    np.testing.assert_allclose(theirs.detach().numpy(), x**3 * [1 / 3, 1 / 2], rtol=0.05)
    found = tl.explain(model, x, "layer_expected_gradients", 0, layer="units", background=0 * x[:1], samples=4000)
    np.testing.assert_allclose(found.values, x**3 * [1 / 2, 1 / 2], rtol=1e-5)
