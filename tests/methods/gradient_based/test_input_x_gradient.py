"""Input × gradient is that product, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need
from ...nets import linear_net, pictures, power_net, small_net


def test_it_is_the_input_times_its_gradient(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    for of in ("logit", "probability", "log_probability", "loss"):
        found = tl.explain(model, x, "input_x_gradient", [4, 0, 2], of=of)
        np.testing.assert_allclose(found.values, x * model.gradient(x, [4, 0, 2], of), rtol=1e-12, atol=1e-16)
        assert found.error is None
        assert found.target.tolist() == [4, 0, 2]


def test_of_a_linear_network_without_bias_it_adds_up_to_the_score(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(3, 6)), rng.random((2, 6))
    found = tl.explain(linear_net(backend, weights), x, "input_x_gradient", 1)
    np.testing.assert_allclose(found.values, weights[1] * x, rtol=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=1), found.scores[:, 1], rtol=1e-12)


def test_of_a_cubic_network_it_is_three_times_what_is_contributed(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(2, 6)), rng.random((3, 6))
    found = tl.explain(power_net(backend, weights, 3), x, "input_x_gradient", lambda scores: scores[:, 0])
    np.testing.assert_allclose(found.values, 3 * weights[0] * x**3, rtol=1e-12)
    assert found.target is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_captums(dtype: str) -> None:
    attr = pytest.importorskip("captum.attr")
    model, x = small_net(need("torch"), dtype=dtype), pictures(3)
    native = model.tensor(x.astype(dtype)).requires_grad_()
    expected = attr.InputXGradient(model.net.eval()).attribute(native, target=[3, 0, 1]).detach().numpy()
    found = tl.explain(model, x, "input_x_gradient", [3, 0, 1])
    assert found.values.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(found.values, expected, rtol=tolerance, atol=tolerance / 100)
