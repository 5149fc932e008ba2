"""Second opinions where the packages are installed: zennit and captum on torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Model

from ....frameworks import need, torch
from ....nets import pictures, small_net
from .nets import close, network, sequential, signed

X = pictures(2).astype("float64")
TARGETS = [3, 1]


@pytest.fixture
def zennit() -> Any:
    """zennit.composites, which imports torchvision."""
    need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    return pytest.importorskip("zennit.composites")


def convolutional() -> Model:
    backend = need("torch")
    nn = backend.nn
    return sequential(
        backend,
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 5),
    )


def relevance_by_zennit(model: Model, composite: Any) -> np.ndarray:
    x = model.tensor(X).requires_grad_()
    with composite.context(model.net.eval()) as net:
        scores = net(x)
        (relevance,) = torch.autograd.grad(scores, x, torch.eye(5).double()[TARGETS] * scores.detach())
    return relevance.numpy()


@pytest.mark.parametrize(
    ("name", "peer", "options"),
    [
        ("epsilon_gamma_box", "EpsilonGammaBox", {"low": 0.0, "high": 1.0}),
        ("epsilon_plus", "EpsilonPlus", {}),
        ("epsilon_plus_flat", "EpsilonPlusFlat", {}),
        ("epsilon_alpha2_beta1", "EpsilonAlpha2Beta1", {}),
        ("epsilon_alpha2_beta1_flat", "EpsilonAlpha2Beta1Flat", {}),
    ],
)
def test_composites_are_zennits(zennit: Any, name: str, peer: str, options: dict[str, float]) -> None:
    model = convolutional()
    found = tl.explain(model, X, "lrp", TARGETS, composite=name, epsilon=1e-9)
    composite = getattr(zennit, peer)(**options, epsilon=1e-9, stabilizer=1e-9)
    assert close(found.values, relevance_by_zennit(model, composite), 1e-7)


def test_excitation_backprop_is_zennits_without_its_biases(zennit: Any) -> None:
    """As it comes, zennit gives positive biases a share of the relevance, which the paper's probabilities do not."""
    model = convolutional()
    found = tl.explain(model, X, "lrp", TARGETS, composite="excitation_backprop", epsilon=1e-9)
    without = zennit.ExcitationBackprop(stabilizer=1e-9, zero_params="bias")
    assert close(found.values, relevance_by_zennit(model, without), 1e-7)
    biased = relevance_by_zennit(model, zennit.ExcitationBackprop(stabilizer=1e-9))
    plus = tl.explain(model, X, "lrp", TARGETS, composite="plus", epsilon=1e-9)
    assert close(plus.values, biased, 1e-7)
    assert not close(found.values, biased, 0.1)


def test_a_batch_norm_is_merged_as_by_zennit(zennit: Any) -> None:
    """But for the 1e-5 that zennit's merged batch norms still add to their variance of 1."""
    canonizers = pytest.importorskip("zennit.canonizers")
    model = signed(small_net(need("torch"), dtype="float64"))
    found = tl.explain(model, X, "lrp", TARGETS, composite="epsilon_alpha2_beta1", epsilon=1e-9)
    merging = [canonizers.SequentialMergeBatchNorm()]
    composite = zennit.EpsilonAlpha2Beta1(epsilon=1e-9, stabilizer=1e-9, canonizers=merging)
    assert close(found.values, relevance_by_zennit(model, composite), 1e-4)


@pytest.mark.parametrize("rule", ["epsilon", "gamma"])
def test_rules_are_captums(rule: str) -> None:
    """For positive scores: where an output is negative, captum's gamma rule can divide by nearly nothing."""
    attr = pytest.importorskip("captum.attr")
    rules = pytest.importorskip("captum.attr._utils.lrp_rules")
    nn = need("torch").nn
    model = sequential(need("torch"), nn.Linear(12, 16, bias=False), nn.ReLU(), nn.Linear(16, 5, bias=False))
    x = np.random.default_rng(0).random((2, 12))
    found = tl.explain(model, x, "lrp", composite=rule, epsilon=1e-9)
    assert (found.scores.max(axis=1) > 0).all()
    for layer in (model.net[0], model.net[2]):
        layer.rule = rules.EpsilonRule(1e-9) if rule == "epsilon" else rules.GammaRule(0.25)
    native = model.tensor(x).requires_grad_()
    expected = attr.LRP(model.net.eval()).attribute(native, target=found.target.tolist())
    assert close(found.values, expected.detach().numpy(), 1e-6)


def test_a_functional_residual_addition_conserves_relevance_where_zennit_does_not(zennit: Any) -> None:
    backend = need("torch")

    def forward(net: Any, x: Any) -> Any:
        first = net.relu(net.conv1(x))
        return net.fc(net.relu(net.conv2(first) + first).flatten(1))

    nn = backend.nn
    layers = {
        "conv1": nn.Conv2d(3, 4, 3, padding=1, bias=False),
        "conv2": nn.Conv2d(4, 4, 3, padding=1, bias=False),
        "fc": nn.Linear(256, 5, bias=False),
    }
    model = network(backend, forward, **layers, relu=nn.ReLU())
    scores = model.forward(X)[range(2), TARGETS]
    found = tl.explain(model, X, "lrp", TARGETS, composite="epsilon_gamma_box", epsilon=1e-9)
    assert np.allclose(found.values.sum(axis=(1, 2, 3)), scores, rtol=1e-6)
    theirs = relevance_by_zennit(model, zennit.EpsilonGammaBox(low=0.0, high=1.0))
    assert not np.allclose(theirs.sum(axis=(1, 2, 3)), scores, rtol=0.1)
