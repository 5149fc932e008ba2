"""How the step size changes while a network is trained."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

Schedule: TypeAlias = Literal["one_cycle", "constant"]

_RISE = 0.3


def step_size(schedule: Schedule, highest: float, steps: int, before: int, step: int) -> float:
    """Step size of one step of a training.

    Parameters
    ----------
    schedule : {"one_cycle", "constant"}
        ``"one_cycle"`` rises in a line during the first three tenths of the training and falls along half a cosine to
        almost nothing at its end: large steps find a good region, small ones settle in it.
    highest : float
        The largest step size.
    steps : int
        Steps of the whole training.
    before : int
        Steps of the epochs before this one.
    step : int
        Number of the step in its epoch, from 0.

    Returns
    -------
    float

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018.
    """
    if schedule == "constant":
        return highest
    # In the middle of the step, so that the first and the last one move the weights a little.
    done = (before + step + 0.5) / steps
    if done < _RISE:
        return highest * done / _RISE
    return highest * (1 + math.cos(math.pi * (done - _RISE) / (1 - _RISE))) / 2
