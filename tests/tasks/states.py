"""What a run may not change: the random numbers that the user's own code will draw next."""

from __future__ import annotations

import random

import numpy as np
import paddle
import torch


def random_states() -> list[bytes]:
    """Python's, NumPy's and torch's states, and the next numbers of Paddle, which does not show its state."""
    generators = paddle.get_rng_state()
    drawn = paddle.rand([4]).numpy().tobytes()
    paddle.set_rng_state(generators)
    numpys = np.random.get_state()[1].tobytes()  # type: ignore[index, union-attr]  # noqa: NPY002
    return [repr(random.getstate()).encode(), numpys, torch.get_rng_state().numpy().tobytes(), drawn]
