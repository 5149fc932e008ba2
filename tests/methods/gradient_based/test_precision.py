"""Gradients in less precision: where the processor has none it is refused, where it has the loss is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need, torch
from ...nets import linear_net, pictures, small_net

CALLS = {
    "smoothgrad": {"samples": 20},
    "smooth_taylor": {"samples": 20},
    "integrated_gradients": {"steps": 20},
    "blur_integrated_gradients": {"steps": 20, "sigma": 4.0},
    "guided_integrated_gradients": {"steps": 20, "anchors": 4},
    "expected_gradients": {"samples": 20, "background": pictures(3, seed=7)},
    "xrai": {"steps": 20},
}


@pytest.fixture(params=list(CALLS))
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let autocast run where it is slow instead of fast."""
    need("torch")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.mark.usefixtures("any_processor")
def test_the_result_is_near_and_says_how_far_its_gradients_are_off(method: str) -> None:
    model, x = small_net(need("torch")), pictures(3)
    exact = tl.explain(model, x, method, [1, 2, 0], **CALLS[method])
    rough = tl.explain(model, x, method, [1, 2, 0], precision="bfloat16", **CALLS[method])
    assert "precision_error" not in exact.extras
    off = rough.extras["precision_error"]
    assert off.shape == (3,)
    assert (off > 0).all()
    assert (off < 0.5).all()
    assert rough.values.dtype == np.float32
    difference = np.linalg.norm(rough.values - exact.values)
    assert 0 < difference < 0.8 * np.linalg.norm(exact.values)
    np.testing.assert_array_equal(rough.scores, exact.scores)
    assert rough.params["precision"] == "bfloat16"


@pytest.mark.usefixtures("any_processor")
def test_the_error_is_the_relative_difference_of_the_gradients_at_the_inputs() -> None:
    model, x = small_net(need("torch")), pictures(2)
    exact, off = (m.gradient(x, [3, 1]).reshape(2, -1) for m in (model, model.rough(x, "bfloat16")))
    found = tl.explain(model, x, "smoothgrad", [3, 1], samples=3, precision="bfloat16")
    expected = np.linalg.norm(off - exact, axis=1) / np.linalg.norm(exact, axis=1)
    np.testing.assert_allclose(found.extras["precision_error"], expected, rtol=1e-3)


@pytest.mark.usefixtures("any_processor")
def test_batch_norms_are_folded_and_the_users_network_is_not_touched() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
            self.head = torch.nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return self.head(self.norm(self.wide(x)).relu().mean((2, 3)))

    model, x = tl.wrap(Net()), pictures(1)
    rough = model.rough(x, "bfloat16")
    assert [type(each).__name__ for each in rough.net.modules()].count("BatchNorm2d") == 0
    assert [type(each).__name__ for each in model.net.modules()].count("BatchNorm2d") == 1
    assert model.net.training
    np.testing.assert_allclose(rough.forward(x), model.forward(x), rtol=0.05, atol=0.02)


@pytest.mark.usefixtures("any_processor")
def test_where_there_is_no_gradient_nothing_is_off() -> None:
    model = linear_net(need("torch"), np.zeros((2, 192)), dtype="float32")
    found = tl.explain(model, pictures(2), "smoothgrad", 0, samples=3, precision="bfloat16")
    np.testing.assert_array_equal(found.extras["precision_error"], 0)


def test_where_it_cannot_be_had_it_is_refused(backend: Backend, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend.name == "torch":
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    with pytest.raises(tl.errors.DeviceError, match="Leave precision out"):
        tl.explain(small_net(backend), pictures(1), method, 0, precision="bfloat16", **CALLS[method])


def test_other_precisions_and_arbiters_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="float16"):
        tl.explain(small_net(backend), pictures(1), "smoothgrad", 0, precision="float16")
    with pytest.raises(tl.errors.InputError, match="float64"):
        tl.explain(small_net(backend, dtype="float64"), pictures(1), "smoothgrad", 0, precision="bfloat16")
