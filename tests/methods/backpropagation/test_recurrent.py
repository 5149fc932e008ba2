"""Recurrent layers, which torch computes in one operation, are that on both frameworks."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.errors import MethodError

from ...backends.nets import build
from ...nets import randomise

X = np.random.default_rng(0).normal(size=(2, 5, 4))
KINDS = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")


def recurrent(backend: Backend, kind: str, relu: bool = False) -> Model:
    """Three scores of what the layer says last; a cell makes two steps."""
    nn = importlib.import_module(f"{backend.name}.nn")
    if backend.name == "torch":
        options = {} if "Cell" in kind else {"batch_first": True}
        layer = getattr(nn, kind)(4, 3, **options, **({"nonlinearity": "relu"} if relu else {}))
    else:
        layer = getattr(nn, kind.replace("RNN", "SimpleRNN"))(4, 3, **({"activation": "relu"} if relu else {}))

    def forward(net: Any, x: Any) -> Any:
        if "Cell" not in kind:
            return net.last(net.layer(x)[0][:, -1])
        states = net.layer(x[:, 0])
        states = net.layer(x[:, 1], states if backend.name == "torch" else states[1])
        return net.last(states[0] if isinstance(states, tuple) else states)

    net = build(backend, forward, layer=layer, last=backend.nn.Linear(3, 3))
    return randomise(tl.wrap(net, dtype="float64"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "params"),
    [("deeplift", {"tolerance": 9.0}), ("deepshap", {"tolerance": 9.0, "background": np.zeros((1, 5, 4))})],
)
def test_both_frameworks_agree(both: tuple[Backend, Backend], kind: str, method: str, params: dict[str, Any]) -> None:
    torch, paddle = (tl.explain(recurrent(each, kind), X, method, 1, **params).values for each in both)
    assert np.abs(torch).max() > 1e-3
    np.testing.assert_allclose(paddle, torch, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_the_relus_of_a_recurrent_layer_are_seen_by_nobody(backend: Backend, method: str) -> None:
    model = recurrent(backend, "RNN", relu=True)
    with pytest.raises(MethodError, match="no ReLU"):
        tl.explain(model, X, method, 1)
