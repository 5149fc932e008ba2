"""The numbers that two explanations are compared by, and limits on them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, suggest

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """One kind of number.

    Attributes
    ----------
    title : str
        For tables.
    best : float
        Its value for equal explanations.
    meaning : str
    """

    title: str
    best: float
    meaning: str

    @property
    def wants_little(self) -> bool:
        """Whether smaller is more alike."""
        return self.best == 0


MEASURES = {
    "max_abs": Measure("max abs", 0, "largest absolute difference of two values"),
    "relative_l2": Measure("relative L2", 0, "length of the difference over the length of B"),
    "cosine": Measure("cosine", 1, "1 is the same direction"),
    "spearman": Measure("Spearman", 1, "1 is the same order of all values"),
    "top_k": Measure("top overlap", 1, "share of the most important positions that are the same"),
    "sign": Measure("same sign", 1, "share of the values with the same sign"),
    "ssim": Measure("SSIM", 1, "1 is maps that look the same"),
    "score_difference": Measure("score difference", 0, "largest difference between the networks' scores"),
    "probability_difference": Measure(
        "probability difference", 0, "largest difference between the networks' probabilities"
    ),
    "same_prediction": Measure("same prediction", 1, "1 where both networks predict the same class, else 0"),
}
"""All measures by name, as in `Comparison.check` and ``--fail-if``."""

_OPERATORS: dict[str, Callable[[Any, float], Any]] = {">=": ge, "<=": le, ">": gt, "<": lt}
_THRESHOLD = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True)
class Threshold:
    """A limit, such as ``relative_l2>1e-4``: the comparison fails when it is true of one sample.

    Attributes
    ----------
    measure : str
    operator : str
        One of ``>``, ``>=``, ``<``, ``<=``.
    limit : float
    """

    measure: str
    operator: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read ``measure>limit`` or ``measure<limit``.

        Raises
        ------
        ConfigError
            If it is written otherwise, there is no such measure, or the limit is no number.
        """
        found = _THRESHOLD.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"'{text}' is not a limit.", 'Write a measure, < or >, and a number, in quotes: "relative_l2>1e-4".'
            )
        measure, operator, limit = found.groups()
        try:
            return cls.of(measure, operator, float(limit))
        except ValueError:
            raise ConfigError(f"The limit '{limit}' of {measure} is not a number.", "Use one such as 1e-4.") from None

    @classmethod
    def of(cls, measure: str, operator: str | None, limit: float) -> Threshold:
        """A checked limit; without an operator, ``>`` or ``<`` as the measure has its best value at 0 or at 1."""
        if measure not in MEASURES:
            raise ConfigError(f"There is no measure '{measure}'.", suggest(measure, MEASURES))
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
            raise ConfigError(f"The limit of {measure} is {limit!r}.", "Use a finite number such as 1e-4.")
        return cls(measure, operator or (">" if MEASURES[measure].wants_little else "<"), float(limit))

    def exceeded(self, values: Array) -> npt.NDArray[np.intp]:
        """Numbers of the samples that it is true of."""
        return np.flatnonzero(_OPERATORS[self.operator](values, self.limit))

    def __str__(self) -> str:
        return f"{self.measure} {self.operator} {self.limit:g}"


@dataclass(frozen=True)
class Failure:
    """A limit that a comparison does not keep.

    Attributes
    ----------
    pair : str
        Name of the pair of explanations.
    threshold : Threshold or None
        None where the pair could not be compared at all.
    value : float or None
        The least favourable value; None where there is none.
    sample : int or None
        Number of the sample that it belongs to.
    reason : str
        Why there is no value.
    """

    pair: str
    threshold: Threshold | None
    value: float | None = None
    sample: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.pair}: {self.threshold.measure + ': ' if self.threshold else ''}{self.reason}"
        return f"{self.pair}: {self.threshold}: {self.value:.6g} (sample {self.sample})"
