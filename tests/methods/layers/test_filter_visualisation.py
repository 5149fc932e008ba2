"""Filter visualisation climbs the activation of one filter, by Adam, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import linear_net, pictures, randomise, small_net


def activation_gradient(model: Model, x: np.ndarray, layer: str, channel: int) -> np.ndarray:
    backend = model.backend
    with backend.frozen(model.net):
        leaf = backend.leaf(model.tensor(x))
        (gradient,) = backend.grad(backend.sum(model.activation(leaf, layer)[:, channel]), [leaf])
        return backend.numpy(gradient)


def summed(model: Model, x: np.ndarray, layer: str, channel: int) -> np.ndarray:
    with model.capture(layer) as seen:
        model.forward(x)
    return seen[layer][:, channel].sum(axis=(1, 2), dtype=np.float64)


def test_the_activation_rises(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(3), "filter_visualisation", layer="4", filter=2, steps=20)
    course = found.extras["activation"]
    assert course.shape == (3, 21)
    assert (np.diff(course, axis=1) > 0).all()
    assert found.target is None
    assert found.values.shape == found.inputs.shape


def test_the_first_step_is_the_learning_rate_times_the_sign_of_the_gradient(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "filter_visualisation", layer="4", filter=1, steps=1, learning_rate=0.03)
    gradient = activation_gradient(model, x, "4", 1)
    np.testing.assert_allclose(found.values, x + 0.03 * gradient / (np.abs(gradient) + 1e-8), rtol=1e-12)
    clear = np.abs(gradient) > 1e-4
    np.testing.assert_allclose((found.values - x)[clear], 0.03 * np.sign(gradient[clear]), rtol=1e-3)


def test_all_steps_are_those_of_adam(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    picture, mean, square = x.copy(), np.zeros_like(x), np.zeros_like(x)
    for t in range(1, 6):
        gradient = activation_gradient(model, picture, "4", 0)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        picture = picture + 0.1 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    found = tl.explain(model, x, "filter_visualisation", layer="4", steps=5)
    np.testing.assert_allclose(found.values, picture, rtol=1e-11)


def test_the_course_starts_and_ends_with_what_the_layer_says(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    found = tl.explain(model, x, "filter_visualisation", layer="4", filter=3, steps=4)
    np.testing.assert_allclose(found.extras["activation"][:, 0], summed(model, x, "4", 3), rtol=1e-5)
    np.testing.assert_allclose(found.extras["activation"][:, -1], summed(model, found.values, "4", 3), rtol=1e-5)
    np.testing.assert_array_equal(found.scores, model.forward(x))


def test_a_picture_does_not_feel_its_batch(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    together = tl.explain(model, x, "filter_visualisation", layer="4", steps=5).values
    alone = tl.explain(model, x[1:2], "filter_visualisation", layer="4", steps=5).values
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-10)


def test_both_frameworks_climb_the_same_way(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "filter_visualisation", layer="4", filter=1, steps=10)
        for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(torch.extras["activation"], paddle.extras["activation"], rtol=1e-8)


def test_a_dead_filter_stays_where_it_is(backend: Backend) -> None:
    model = small_net(backend)
    state = model.state()
    state["1.weight"][0], state["1.bias"][0] = 0.0, -1.0  # the ReLU after this batch norm never opens
    model.load_state(state)
    found = tl.explain(model, pictures(1), "filter_visualisation", layer="2", filter=0, steps=3)
    np.testing.assert_array_equal(found.values, found.inputs)
    assert not found.extras["activation"].any()


def in_place_net(backend: Backend, in_place: bool) -> Model:
    def build() -> Any:
        if backend.name == "torch":
            from torch import nn

            return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=in_place), nn.Flatten(), nn.Linear(144, 3))
        from paddle import nn

        class ReLU(nn.Layer):
            def forward(self, x: Any) -> Any:
                return nn.functional.relu_(x) if in_place else nn.functional.relu(x)

        return nn.Sequential(nn.Conv2D(3, 4, 3), ReLU(), nn.Flatten(), nn.Linear(144, 3))

    return randomise(tl.wrap(build(), dtype="float64"))


def test_an_activation_in_place_does_not_change_what_is_maximised(backend: Backend) -> None:
    plain, in_place = (
        tl.explain(in_place_net(backend, flag), pictures(1), "filter_visualisation", layer="0", filter=2, steps=3)
        for flag in (False, True)
    )
    np.testing.assert_allclose(in_place.extras["activation"], plain.extras["activation"], rtol=1e-12)
    np.testing.assert_allclose(in_place.values, plain.values, rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "error", "named"),
    [
        ({"layer": "44"}, "LayerError", "'44'"),
        ({"layer": "4", "filter": 8}, "LayerError", "0 to 7"),
        ({"layer": "4", "filter": -1}, "LayerError", "-1"),
        ({"layer": "4", "filter": 1.0}, "LayerError", "1.0"),
        ({"layer": "4", "steps": 0}, "MethodError", "steps=0"),
        ({"layer": "4", "learning_rate": -1}, "MethodError", "learning_rate=-1"),
        ({"layer": "4", "learning_rate": None}, "MethodError", "learning_rate=None"),
        ({}, "MethodError", "needs the parameter 'layer'"),
    ],
)
def test_parameters_that_do_not_fit_are_named(
    backend: Backend, params: dict[str, object], error: str, named: str
) -> None:
    with pytest.raises(getattr(tl.errors, error), match=named):
        tl.explain(small_net(backend), pictures(1), "filter_visualisation", **params)


def test_it_has_no_target_and_needs_pictures(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="no target"):
        tl.explain(small_net(backend), pictures(1), "filter_visualisation", 0, layer="4")
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.eye(4)), np.zeros((2, 4)), "filter_visualisation", layer="1")
