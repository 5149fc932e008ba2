"""A network that only the grader's own processes build: those of students need none, and start at once without it."""

import sys


def build(framework):
    """A linear layer, or None where the framework is not loaded."""
    if framework not in sys.modules:
        return None
    if framework == "torch":
        import torch

        return torch.nn.Linear(3, 2)
    import paddle

    return paddle.nn.Linear(3, 2)


def load(net, arrays):
    """Nothing to load."""
