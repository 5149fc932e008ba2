"""What the outputs of a network mean: scores of classes, the logit of one of two classes, or probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from ..backends import Model, get_backend
from ..backends.protocol import Array, Tensor
from ..errors import ConfigError, suggest

Meaning: TypeAlias = Literal["logits", "probabilities"]

_SMALLEST = 1e-12
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Reading:
    """What has to be done to a network's outputs.

    Attributes
    ----------
    output : callable or None
        For `Model.output`; None where the outputs are class scores.
    note : str
        What was found, for the user.
    """

    output: Callable[[Any], Tensor] | None = None
    note: str = ""


def two_classes(outputs: Tensor) -> Tensor:
    """One logit z per sample as the scores of two classes, -z/2 and z/2, whose softmax is the sigmoid of z."""
    return _pair(_column(outputs))


def log_probabilities(outputs: Tensor) -> Tensor:
    """Probabilities as scores whose softmax they are."""
    return outputs.clip(_SMALLEST).log()


def two_log_probabilities(outputs: Tensor) -> Tensor:
    """The probability of one of two classes as the scores of both."""
    p = _column(outputs).clip(_SMALLEST, 1 - 1e-7)
    return _pair(p.log() - (1 - p).log())


def read_outputs(model: Model, raw: Array, meaning: str | None = None) -> Reading:
    """How to make class scores of what a network returns.

    Parameters
    ----------
    model : Model
    raw : ndarray (N, outputs)
        What it returns for the samples.
    meaning : {"logits", "probabilities"}, optional
        Found out where it is left out: several outputs that are nowhere negative and add up to 1 are probabilities.

    Returns
    -------
    Reading

    Raises
    ------
    ConfigError
        If one output lies between 0 and 1, where it could be either, or the outputs are not what is said of them.
    """
    if meaning is not None and meaning not in get_args(Meaning):
        raise ConfigError(f"Outputs cannot mean '{meaning}'.", suggest(meaning, get_args(Meaning)))
    within = bool(((raw >= 0) & (raw <= 1)).all())
    if raw.shape[1] == 1:
        if meaning is None and within:
            raise ConfigError(
                f"The one output of '{model.name}' lies between 0 and 1: it may be a logit or a probability.",
                "Say which with --outputs logits or --outputs probabilities.",
            )
        if meaning == "probabilities":
            _check(within, model, raw)
            return Reading(two_log_probabilities, "The one output is the probability of class 1.")
        return Reading(two_classes, "The one output is the logit of class 1; the two classes' scores are ∓ half of it.")
    adds_up = within and bool(np.allclose(raw.sum(axis=1), 1, atol=_ROUNDING))
    if meaning == "probabilities":
        _check(adds_up, model, raw)
    if meaning == "logits" or not adds_up:
        return Reading()
    return Reading(log_probabilities, "The outputs are probabilities already; the scores are their logarithms.")


def _check(holds: bool, model: Model, raw: Array) -> None:
    if not holds:
        worst = float(raw.min()) if raw.shape[1] == 1 else float(raw[0].sum())
        found = f"one is {worst:.3g}" if raw.shape[1] == 1 else f"those of the first picture add up to {worst:.3g}"
        raise ConfigError(
            f"The outputs of '{model.name}' are no probabilities: {found}.", "Leave --outputs out, or say logits."
        )


def _column(outputs: Any) -> Tensor:
    return outputs if len(outputs.shape) == 2 else outputs.reshape([-1, 1])


def _pair(logit: Tensor) -> Tensor:
    return get_backend(logit).concat([-0.5 * logit, 0.5 * logit], axis=1)
