"""What a call may not change: the random numbers that the user's own code will draw next."""

from __future__ import annotations

import random

import numpy as np

from twinlens.backends import available_backends

from .frameworks import paddle, torch


def random_states() -> list[bytes]:
    """Python's, NumPy's and torch's states, and the next numbers of Paddle, which does not show its state."""
    numpys = np.random.get_state()[1].tobytes()  # type: ignore[index, union-attr]  # noqa: NPY002
    states = [repr(random.getstate()).encode(), numpys]
    if "torch" in available_backends():
        states.append(torch.get_rng_state().numpy().tobytes())
    if "paddle" in available_backends():
        generators = paddle.get_rng_state()
        states.append(paddle.rand([8]).numpy().tobytes())
        paddle.set_rng_state(generators)
    return states
