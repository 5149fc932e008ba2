"""Methods with rules of their own give one answer for an attention, however it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...backends.nets import build, native_nn
from ...frameworks import need, torch
from ...nets import randomise

X = np.random.default_rng(0).normal(size=(3, 5, 6))
HEADS, FEATURES = 4, 16
SPELLINGS = {
    "torch": ("softmax", "scaled_dot_product_attention", "masked"),
    "paddle": ("softmax", "scaled_dot_product_attention", "flash_attention"),
}
RULED: dict[str, dict[str, Any]] = {
    "deeplift": {},
    "deepshap": {"background": np.random.default_rng(1).normal(size=(2, 5, 6))},
    "lrp": {"composite": "epsilon", "gates": True},
}


def attend(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
    """Attention of (N, places, heads, features)."""
    functional = native_nn(backend).functional
    if backend.name == "paddle" and spelling == "scaled_dot_product_attention":
        return functional.scaled_dot_product_attention(q, k, v)
    if backend.name == "paddle" and spelling == "flash_attention":
        return functional.flash_attention.flash_attention(q, k, v)[0]
    q, k, v = (backend.permute(t, (0, 2, 1, 3)) for t in (q, k, v))
    if spelling == "softmax":
        scores = backend.matmul(q, backend.permute(k, (0, 1, 3, 2))) * (FEATURES // HEADS) ** -0.5
        out = backend.matmul(functional.softmax(scores, -1), v)
    else:
        # A mask that leaves everything.
        mask = torch.ones(5, 5, dtype=torch.bool) if spelling == "masked" else None
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return backend.permute(out, (0, 2, 1, 3))


def attending(backend: Backend, spelling: str) -> Model:
    """``h + attention(h)``, a ReLU layer beside it, and the mean over places."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        h = net.embed(x)
        q, k, v = (backend.reshape(layer(h), (-1, 5, HEADS, FEATURES // HEADS)) for layer in (net.q, net.k, net.v))
        h = h + net.out(backend.reshape(attend(backend, spelling, q, k, v), (-1, 5, FEATURES)))
        return net.head(backend.mean(h + net.relu(net.hidden(h)), 1))

    layers = {name: nn.Linear(FEATURES, FEATURES) for name in ("q", "k", "v", "out", "hidden")}
    net = build(backend, forward, embed=nn.Linear(6, FEATURES), relu=nn.ReLU(), head=nn.Linear(FEATURES, 3), **layers)
    return randomise(tl.wrap(net, dtype="float64"))


@pytest.mark.parametrize("method", list(RULED))
def test_every_spelling_on_both_frameworks_has_the_same_values(both: tuple[Backend, Backend], method: str) -> None:
    found = {
        (backend.name, spelling): tl.explain(attending(backend, spelling), X, method, 1, **RULED[method]).values
        for backend in both
        for spelling in SPELLINGS[backend.name]
    }
    expected = found["torch", "softmax"]
    # Some hundreds of products and sums of numbers around 1.
    for name, values in found.items():
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * np.abs(expected).max(), err_msg=str(name))


@pytest.mark.parametrize("method", ["deeplift", "deepshap"])
def test_contributions_through_an_attention_sum_to_the_difference_of_the_scores(backend: Backend, method: str) -> None:
    for spelling in SPELLINGS[backend.name]:
        error = tl.explain(attending(backend, spelling), X, method, 1, **RULED[method]).error
        assert error is not None
        assert np.abs(error.values).max() < 1e-12 * np.abs(error.scale).max(), spelling


def test_a_gate_holds_the_softmax_inside_an_attention(backend: Backend) -> None:
    for spelling in SPELLINGS[backend.name]:
        model = attending(backend, spelling)
        gated, plain = (tl.explain(model, X, "lrp", 1, composite="zero", gates=gates) for gates in (True, False))
        assert np.abs(gated.values - plain.values).max() > 0.01 * np.abs(plain.values).max()
        # With constant weights an attention is linear in its values, and no relevance is made or lost elsewhere.
        scale = np.abs(gated.values).sum()
        assert np.abs(gated.extras["elsewhere"]).max() < 1e-12 * scale
        assert np.abs(plain.extras["elsewhere"]).max() > 1e-3 * scale


def multi_head(weights: bool, places_first: bool = False) -> Any:
    """A torch network around torch's own layer."""
    torch_nn = torch.nn

    class Net(torch_nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch_nn.Linear(6, FEATURES)
            self.attention = torch_nn.MultiheadAttention(FEATURES, HEADS, batch_first=not places_first)
            self.hidden, self.head = torch_nn.Linear(FEATURES, FEATURES), torch_nn.Linear(FEATURES, 3)

        def forward(self, x: Any) -> Any:
            h = self.embed(x)
            inner = h.transpose(0, 1) if places_first else h
            out, _ = self.attention(inner, inner, inner, need_weights=weights)
            h = h + (out.transpose(0, 1) if places_first else out)
            return self.head((h + torch.relu(self.hidden(h))).mean(1))

    return Net().eval()


@pytest.mark.parametrize("method", list(RULED))
def test_a_layer_that_keeps_its_weights_to_itself_and_its_twin_are_explained_alike(method: str) -> None:
    for name in ("torch", "paddle"):
        need(name)
    models = [randomise(tl.wrap(multi_head(weights), dtype="float64", input_shape=(5, 6))) for weights in (True, False)]
    models.append(randomise(tl.wrap(multi_head(False, places_first=True), dtype="float64", input_shape=(5, 6))))
    models += [tl.twin(model) for model in models]
    assert [model.backend.name for model in models] == ["torch"] * 3 + ["paddle"] * 3
    found = [tl.explain(model, X, method, 1, **RULED[method]) for model in models]
    for each in found[1:]:
        largest = np.abs(found[0].values).max()
        np.testing.assert_allclose(each.values, found[0].values, rtol=0, atol=1e-12 * largest)


@pytest.mark.parametrize("method", ["deeplift", "lrp"])
def test_an_encoder_layer_and_its_twin_are_explained_alike(method: str) -> None:
    for name in ("torch", "paddle"):
        need(name)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
            self.head = torch.nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.layer(x).mean(1))

    params = {"deeplift": {"tolerance": None}, "lrp": {"composite": "epsilon", "gates": True}}[method]
    model = randomise(tl.wrap(Net().eval(), dtype="float64", input_shape=(5, 6)))
    found = [tl.explain(each, X, method, 1, **params).values for each in (model, tl.twin(model))]
    # Layer norms divide by deviations below 1.
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-11 * np.abs(found[0]).max())
