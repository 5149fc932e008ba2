"""What cannot be explained is an error of one line that names cause and cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ..nets import formula_net, linear_net, pictures, power_net, small_net

GRADIENT_CALLS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 2},
    "expected_gradients": {"samples": 2, "background": np.zeros((2, 4))},
}


def without_grad(backend: Backend) -> Callable[[Any, Any], Any]:
    def formula(u: Any, w: Any) -> Any:
        with backend.no_grad():
            return u @ w

    return formula


CUTS: dict[str, Callable[[Backend], Callable[[Any, Any], Any]]] = {
    "detach": lambda backend: lambda u, w: u.detach() @ w,
    "no_grad": without_grad,
    "numpy": lambda backend: lambda u, w: backend.asarray(backend.numpy(u)) @ w,
    "argmax": lambda backend: lambda u, w: (u @ w).argmax(1),
    "constant": lambda backend: lambda u, w: backend.asarray(np.ones((len(u), 3))),
}


@pytest.mark.parametrize("cut", list(CUTS))
@pytest.mark.parametrize("method", list(GRADIENT_CALLS))
def test_a_network_that_cuts_its_graph_has_no_gradient(backend: Backend, method: str, cut: str) -> None:
    model = formula_net(backend, CUTS[cut](backend), np.ones((4, 3)))
    with pytest.raises(tl.errors.NoGradientError):
        tl.explain(model, np.ones((2, 4)), method, 0, **GRADIENT_CALLS[method])


@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_one_output_has_no_probability_to_explain(backend: Backend, of: str) -> None:
    with pytest.raises(tl.errors.NoGradientError, match="one output"):
        tl.explain(linear_net(backend, np.ones((1, 4))), np.ones((2, 4)), "saliency", 0, of=of)


def test_a_gradient_that_is_not_finite_is_an_error(backend: Backend) -> None:
    root = power_net(backend, np.ones((2, 4)), 0.5)  # type: ignore[arg-type]
    with pytest.raises(tl.errors.NonFiniteError, match="gradient"):
        tl.explain(root, np.zeros((1, 4)), "saliency", 0)
    # The path starts at 0, where the slope of the root is infinite; Gauss–Legendre never looks there.
    with pytest.raises(tl.errors.NonFiniteError, match="gradient"):
        tl.explain(root, np.ones((1, 4)), "integrated_gradients", 0, rule="left")
    assert np.isfinite(tl.explain(root, np.ones((1, 4)), "integrated_gradients", 0).values).all()


def test_a_hook_that_asks_for_a_missing_layer_names_the_nearest(backend: Backend) -> None:
    with pytest.raises(tl.errors.LayerError, match="no layer"):
        tl.explain(small_net(backend), pictures(1), "filter_visualisation", layer="conv")


def bad_calls() -> list[tuple[str, dict[str, Any]]]:
    x = pictures(1)
    return [
        ("nothing", {"x": x}),
        ("saliency", {"x": x, "steps": 3}),
        ("saliency", {"x": x, "target": 99}),
        ("saliency", {"x": x, "of": "log\nit"}),
        ("saliency", {"x": x[:, :, None]}),
        ("saliency", {"x": x[:, :2]}),
        ("saliency", {"x": x[:, :, :5, :5]}),
        ("saliency", {"x": "two\nlines"}),
        ("integrated_gradients", {"x": x, "baseline": np.zeros((5, 5))}),
        ("integrated_gradients", {"x": x, "baseline": "two\nlines"}),
        ("integrated_gradients", {"x": x, "rule": "two\nlines"}),
        ("expected_gradients", {"x": x, "background": np.zeros((5, 5))}),
        ("filter_visualisation", {"x": x, "layer": "two\nlines"}),
        ("smoothgrad", {"x": x, "sigma": np.zeros((3, 3))}),
        ("smoothgrad", {"x": x, "samples": np.zeros((3, 3))}),
        ("two\nlines", {"x": x}),
    ]


@pytest.mark.parametrize("number", range(len(bad_calls())))
def test_every_error_is_one_line_with_cause_and_cure(backend: Backend, number: int) -> None:
    model = small_net(backend)
    method, call = bad_calls()[number]
    x = call.pop("x")
    with pytest.raises(tl.errors.TwinlensError) as caught:
        tl.explain(model, x, method, **call)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.cause.endswith((".", "?"))
    assert caught.value.cure.endswith((".", "?"))
