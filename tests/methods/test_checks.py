"""Weights that are not numbers are found before a method runs, whenever they come."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.checks import finite_weights

from ..frameworks import need, torch
from ..nets import small_net


def spoil(model: Model, name: str, value: float) -> None:
    state = model.state()
    state[name].flat[-1] = value
    model.load_state(state)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.weight", "1.running_var", "9.bias"])
def test_a_weight_that_is_not_finite_is_named(backend: Backend, name: str, value: float) -> None:
    model = small_net(backend)
    finite_weights(model)
    spoil(model, name, value)
    for _ in range(2):
        with pytest.raises(tl.errors.NonFiniteError, match=f"'{name}'"):
            finite_weights(model)
    spoil(model, name, 1.0)
    finite_weights(model)


def test_a_layer_put_in_place_of_another_is_looked_at(backend: Backend) -> None:
    model, other = small_net(backend), small_net(backend, seed=1)
    finite_weights(model)
    spoil(other, "9.weight", np.nan)
    setattr(model.net, "9", backend.modules(other.net)["9"])
    with pytest.raises(tl.errors.NonFiniteError, match=r"9\.weight"):
        finite_weights(model)


def test_weights_made_in_inference_mode_are_looked_at_each_time() -> None:
    need("torch")
    with torch.inference_mode():
        model = tl.wrap(torch.nn.Linear(2, 2))
        finite_weights(model)
        model.net.weight.fill_(float("nan"))
        with pytest.raises(tl.errors.NonFiniteError):
            finite_weights(model)
