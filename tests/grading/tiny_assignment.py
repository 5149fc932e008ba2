"""A small assignment of one's own, written into a folder: the gradient of a little network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinlens.grading.assignment import LoadedAssignment, load_assignment

YAML = """
id: tiny
title: Tiny
text: Gradients.
tasks:
  - {id: gradient, title: The gradient, text: Give it., points: 10, outputs: [maps]}
  - {id: odd, title: An odd one, text: Give it., points: 10, outputs: [maps]}
"""

NETWORK = """
def build(framework):
    if framework == "torch":
        import torch.nn as nn
        convolution, norm = nn.Conv2d, nn.BatchNorm2d
    else:
        import paddle.nn as nn
        convolution, norm = nn.Conv2D, nn.BatchNorm2D
    return nn.Sequential(convolution(3, 4, 3, padding=1), norm(4), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3))
"""

ANSWERS = """
import os
import numpy as np
from twinlens.grading.protocol import Mistake


def gradient(model, inputs):
    return model.gradient(inputs["pictures"], target=inputs["labels"].tolist())


def expected(task, model, inputs):
    print("never between the arrays", flush=True)
    os.write(1, b"nor this\\n")
    if task == "odd":
        return odd(model, inputs)
    return {"maps": np.abs(gradient(model, inputs)).max(1)}


def odd(model, inputs):
    space = {"np": np, "os": os}
    exec("def f():\\n    " + bytes(inputs["line"]).decode(), space)
    return space["f"]()


def kept_hook(model, inputs):
    model.net.train()
    model.load_state({name: 0 * values for name, values in model.state().items()})
    return {"maps": gradient(model, inputs).max(1)}


MISTAKES = {"gradient": [
    Mistake("spoils", "Spoilt.", 0.1, kept_hook),
    Mistake("no_abs", "Take |gradient|.", 0.25, lambda model, inputs: {"maps": gradient(model, inputs).max(1)}),
]}
"""


def write_assignment(folder: Path, answers: str = ANSWERS) -> LoadedAssignment:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"assignment.yaml": YAML, "network.py": NETWORK, "answers.py": answers}
    for name in ("driver.py", "starter.py", "README.md"):
        files[name] = ""
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return load_assignment(folder)


def odd(line: str) -> dict[str, np.ndarray]:
    """Inputs of the task `odd`, whose answers are a line of Python."""
    return {"line": np.frombuffer(line.encode(), np.uint8)}


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    pictures = rng.random((4, 3, 6, 5)) * np.array([0.2, 1, 3, 8])[:, None, None, None]
    return {"pictures": pictures.astype(np.float32), "labels": np.array([0, 2, 1, 2])}


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {
        "0.weight": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "0.bias": rng.normal(0, 0.1, 4).astype(np.float32),
        "1.weight": rng.normal(1, 0.1, 4).astype(np.float32),
        "1.bias": rng.normal(0, 0.1, 4).astype(np.float32),
        "1.running_mean": rng.normal(0, 0.1, 4).astype(np.float32),
        "1.running_var": rng.uniform(0.5, 1.5, 4).astype(np.float32),
        "4.weight": rng.normal(0, 0.2, (3, 120)).astype(np.float32),
        "4.bias": rng.normal(0, 0.1, 3).astype(np.float32),
    }
