"""The colours that a network expects: mean and standard deviation, as a user writes them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from ..backends import Normalise
from ..errors import ConfigError

IMAGENET = "imagenet"
IMAGENET_NORMALISATION = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's colours, which both frameworks' libraries train with."""


def normalisation(mean: Any = None, std: Any = None) -> Normalise | None:
    """What is done to pictures of 0..1.

    Parameters
    ----------
    mean, std : text, number, sequence of 3 numbers, or None
        A text holds numbers with commas between them, or is ``imagenet``. Left out, they are 0 and 1; where one of
        them is ``imagenet``, the other is too.

    Returns
    -------
    Normalise or None
        None where neither is given.

    Raises
    ------
    ConfigError
        If they are not one or three numbers, or not in the units of pictures of 0..1.
    """
    if mean is None and std is None:
        return None
    if _is_imagenet(mean) or _is_imagenet(std):
        mean, std = (IMAGENET if each is None else each for each in (mean, std))
    ready = IMAGENET_NORMALISATION
    means = ready.mean.tolist() if _is_imagenet(mean) else _numbers("mean", mean, 0.0)
    stds = ready.std.tolist() if _is_imagenet(std) else _numbers("std", std, 1.0)
    if not all(0 <= number <= 1 for number in means):
        raise ConfigError(f"The mean {_told(means)} is outside 0..1.", "Pictures are 0..1: divide by 255.")
    if not all(0 < number <= 1 for number in stds):
        raise ConfigError(f"The std {_told(stds)} is not above 0 and up to 1.", "Pictures are 0..1: divide by 255.")
    return Normalise(means, stds)


def _is_imagenet(given: Any) -> bool:
    return isinstance(given, str) and given.strip().lower() == IMAGENET


def _numbers(name: str, given: Any, otherwise: float) -> list[float]:
    cure = f"Write three numbers, such as 0.5,0.5,0.5, one for all colours, or {IMAGENET}."
    if given is None:
        return [otherwise] * 3
    parts: Any = given.split(",") if isinstance(given, str) else [given] if isinstance(given, Real) else given
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The {name} {given!r} is not made of numbers.", cure) from error
    if len(numbers) not in (1, 3):
        raise ConfigError(f"The {name} {given!r} has {len(numbers)} numbers.", cure)
    return numbers * (3 // len(numbers))


def _told(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
