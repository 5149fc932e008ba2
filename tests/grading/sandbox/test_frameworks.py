"""The real frameworks run in every tier, with the memory that they take themselves left out of account."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.grading.assignment import Limits
from twinlens.grading.sandbox import Isolation, probe, run_student, task_files
from twinlens.grading.sandbox.memory import framework_memory

from ...frameworks import BOTH, need
from .conftest import left_behind

NETWORK = b"""
def build(framework):
    if framework == "torch":
        from torch import nn
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    from paddle import nn
    return nn.Sequential(nn.Conv2D(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
"""
DRIVER = b"""
def run(task, submission, net, inputs, framework):
    net.eval()
    if framework == "torch":
        import torch
        x = torch.tensor(inputs["x"], requires_grad=True)
    else:
        import paddle
        x = paddle.to_tensor(inputs["x"], stop_gradient=False)
    return {"gradient": submission.gradient(net, x)}
"""
RIGHT = """
import warnings
def gradient(net, x):
    print("score")
    warnings.warn("a warning")
    net(x)[:, 1].sum().backward()
    return x.grad
"""
BOMB = """
def gradient(net, x):
    kept = []
    while True:
        kept.append(x.tile((1, 1, 1024, 256)).exp())
"""
WEIGHTS = {
    "0.weight": np.linspace(-1, 1, 54, dtype=np.float32).reshape(3, 2, 3, 3),
    "0.bias": np.array([0.1, 0.2, 0.3], np.float32),
    "3.weight": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 12) ** 2,
    "3.bias": np.zeros(2, np.float32),
}
X = np.random.default_rng(0).random((2, 2, 4, 4), np.float32)


def gradient_by_hand() -> np.ndarray:
    rows = np.zeros((2, 2, 4, 4))
    for image, y, x in np.ndindex(2, 2, 2):
        patch = X[image, :, y : y + 3, x : x + 3]
        for k in range(3):
            if (WEIGHTS["0.weight"][k] * patch).sum() + WEIGHTS["0.bias"][k] > 0:
                rows[image, :, y : y + 3, x : x + 3] += (
                    WEIGHTS["3.weight"][1][k * 4 + y * 2 + x] * WEIGHTS["0.weight"][k]
                )
    return rows


@pytest.fixture(params=BOTH)
def framework(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


def files(framework: str, source: str) -> dict[str, bytes]:
    own = {"submission.py": source.encode(), "driver.py": DRIVER, "network.py": NETWORK}
    return task_files("saliency", framework, ["gradient"], {"x": X}, WEIGHTS, own)


def test_a_gradient_comes_out_as_computed_by_hand(isolation: Isolation, framework: str) -> None:
    limits = Limits(memory_mb=256)
    outcome = run_student(
        files(framework, RIGHT), expected=["gradient"], limits=limits, isolation=isolation, framework=framework
    )
    assert outcome.status == "ok", outcome
    assert outcome.outputs is not None
    np.testing.assert_allclose(outcome.outputs["gradient"], gradient_by_hand(), rtol=1e-4, atol=1e-5)
    assert "a warning" in outcome.log_tail
    assert left_behind() == []


def test_tensors_without_end_are_too_much_memory(framework: str) -> None:
    limits = Limits(memory_mb=256)
    outcome = run_student(
        files(framework, BOMB), expected=["gradient"], limits=limits, isolation=probe(), framework=framework
    )
    assert outcome.status == "memory", outcome


def test_the_other_framework_is_not_loaded(framework: str) -> None:
    other = next(name for name in BOTH if name != framework)
    source = RIGHT.replace("import warnings", "import sys, warnings") + f"    assert {other!r} not in sys.modules\n"
    source = source.replace("    return x.grad\n", "") + "    return x.grad\n"
    outcome = run_student(
        files(framework, source), expected=["gradient"], limits=Limits(), isolation=probe(), framework=framework
    )
    assert outcome.status == "ok", outcome


def test_a_framework_takes_more_memory_than_numpy(framework: str) -> None:
    import sys

    plain, loaded = framework_memory("none", sys.executable), framework_memory(framework, sys.executable)
    assert loaded.address_space > plain.address_space > 0
    assert loaded.resident > plain.resident > 0
