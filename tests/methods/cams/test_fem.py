"""FEM: channels vote for the places of their strongest values."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.cams import fem

from ...nets import pictures
from .nets import activation_of, kill, pooled_net


def naive(a: np.ndarray, k: float) -> tuple[np.ndarray, float]:
    """The map (h, w) of activations (K, h, w), and the share of the weights that no place is given."""
    total, silent, size = np.zeros(a.shape[1:]), 0.0, 0.0
    for channel in a:
        mean = sum(channel.ravel()) / channel.size
        deviation = (sum((value - mean) ** 2 for value in channel.ravel()) / channel.size) ** 0.5
        heard = False
        for place in np.ndindex(*channel.shape):
            if channel[place] >= mean + k * deviation:
                total[place] += mean
                heard = True
        size += abs(mean)
        silent += 0 if heard else abs(mean)
    return total, silent / size


@pytest.mark.parametrize("k", [2.0, 0.5, 3])
@pytest.mark.parametrize("layer", ["conv2", "relu1"])
def test_it_follows_its_formula(backend: Backend, layer: str, k: float) -> None:
    # pytorch-grad-cam is no second opinion: its weights are the shares of strong places, and what it adds up with them
    # are the activations, where the paper adds up the strong places, and weights them with the channels' means.
    model, x = pooled_net(backend), pictures(3, shape=(3, 12, 14)).astype(np.float64)
    found = tl.explain(model, x, "fem", layer=layer, k=k, upsample=False)
    for i, a in enumerate(activation_of(model, x, layer)):
        expected, silent = naive(a, k)
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found.error.values[i], silent, rtol=1e-12, atol=1e-14)
    assert found.target is None
    assert np.abs(found.values).max() > 0.001


def test_the_default_is_two_standard_deviations(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(2)
    np.testing.assert_array_equal(
        tl.explain(model, x, "fem", layer="relu1").values, tl.explain(model, x, "fem", layer="relu1", k=2).values
    )


@pytest.mark.parametrize("value", [0.1, 1 / 3, 2.0, 1e6 + 0.1])
def test_a_channel_that_is_the_same_everywhere_votes_for_every_place(value: float) -> None:
    """Whatever rounding makes of its mean."""
    assert fem.strong(np.full((1, 1, 7, 9), value), 2.0).all()


def test_no_value_of_four_is_two_deviations_above_their_mean(backend: Backend) -> None:
    model = pooled_net(backend)
    found = tl.explain(model, pictures(2, shape=(3, 4, 4)), "fem", layer="conv2", upsample=False)
    assert found.values.shape[2:] == (2, 2)
    assert not found.values.any()
    np.testing.assert_array_equal(found.error.values, [1, 1])


def test_dead_channels_have_nothing_to_say(backend: Backend) -> None:
    model, x = kill(pooled_net(backend), *range(6)), pictures(2)
    found = tl.explain(model, x, "fem", layer="relu2")
    assert not found.values.any()
    assert not found.error.values.any()


@pytest.mark.parametrize(("k", "message"), [(-1, "k=-1 is below 0"), ("two", "not a finite number")])
def test_bad_parameters_are_named(backend: Backend, k: object, message: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=message):
        tl.explain(pooled_net(backend), pictures(1), "fem", k=k)
