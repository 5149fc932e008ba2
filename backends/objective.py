"""What is differentiated: one number per sample, made from the scores and a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MethodError, TargetError
from .protocol import Backend, Tensor

Target: TypeAlias = int | list[int] | npt.NDArray[np.integer[Any]] | Callable[[Tensor], Tensor] | None
Of: TypeAlias = Literal["logit", "probability", "log_probability", "loss"]


def check_of(of: str) -> None:
    """Raise `InputError` unless `of` is one of the four quantities that can be explained."""
    if not isinstance(of, str) or of not in get_args(Of):
        raise InputError(f"of='{of}' is not known.", f"Choose one of: {', '.join(get_args(Of))}.")


def class_targets(target: Target, samples: int, scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """One class per sample, from an int, a list per sample, or None for the predicted class.

    Parameters
    ----------
    target : int, list of int, or None
    samples : int
    scores : ndarray (samples, classes)

    Raises
    ------
    TargetError
        If a target is not a whole number, is out of range, or there are more or fewer than samples.
    """
    classes = scores.shape[1]
    if target is None:
        return np.argmax(scores, axis=1)
    numbers = whole_numbers(target)
    if numbers.ndim == 1 and len(numbers) != samples:
        raise TargetError(f"There are {len(numbers)} targets for {samples} samples.", "Pass one per sample.")
    targets = np.empty(samples, np.int64)
    targets[:] = numbers
    wrong = next((number for number in targets.tolist() if not 0 <= number < classes), None)
    if wrong is not None:
        raise TargetError(
            f"Target {wrong} does not exist: the model has {classes} outputs.",
            f"Choose a target from 0 to {classes - 1}.",
        )
    return targets


def whole_numbers(target: object) -> npt.NDArray[np.integer[Any]]:
    """The target as an array of whole numbers, 0-d or one per sample.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    try:
        targets = np.asarray(target)
    except (ValueError, TypeError, RuntimeError):  # a ragged list, or a tensor that NumPy cannot read
        targets = np.asarray(None)
    if targets.dtype.kind not in "iu" or targets.ndim > 1:
        raise TargetError(
            f"The target {target!r} is not a class number.",
            "Pass an int, a list with one int per sample, None for the predicted class, or a function of the scores.",
        )
    return targets


def several_outputs(scores: npt.NDArray[Any]) -> None:
    """Raise `MethodError` where scores (N, classes) are of one output, so that a probability explains nothing."""
    if scores.shape[1] == 1:
        raise MethodError(
            "The network has one output: its softmax is always 1, whatever the input, and no part of it counts.",
            'Explain the score itself, by lime or kernelshap with of="logit", or build the network with as many '
            "outputs as there are classes.",
        )


def objective(backend: Backend, scores: Tensor, targets: npt.NDArray[np.int64], of: Of) -> Tensor:
    """The quantity that is explained, one number per sample: shape (N,).

    ``"loss"`` is the cross entropy of the target, ``-log softmax(scores)[target]``, of each sample by itself: a mean
    over the batch would make one sample's gradient depend on how many others there are.
    """
    if of == "logit":
        return backend.pick(scores, targets)
    if of == "probability":
        return backend.pick(backend.softmax(scores, 1), targets)
    log_probability = backend.pick(backend.log_softmax(scores, 1), targets)
    return -log_probability if of == "loss" else log_probability
