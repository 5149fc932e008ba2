"""Is an explanation true to the model? Change one value of the row, ask the model again, and compare signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...tables_lime import Answer, LimeWeights

Verdict = Literal["agrees", "disagrees", "no change", "uncertain"]

NO_CHANGE = 0.01
"""Changes of a probability below this count as none."""


@dataclass(frozen=True, eq=False)
class Flip:
    """One rule of an explanation, and what the model says when the row breaks it.

    Attributes
    ----------
    column : int
        The changed column; all others stay.
    rule : str
        What held for the row.
    weight, weight_std : float
        LIME's weight, and its deviation over the draws.
    before : float
        The model's probability of the explained class for the row.
    texts : tuple of str
        What can hold instead.
    after : (k,) float64
        The probability with each of those.
    shares : (k,) float64
        How often each of those is, summing to 1.
    """

    column: int
    rule: str
    weight: float
    weight_std: float
    before: float
    texts: tuple[str, ...]
    after: np.ndarray
    shares: np.ndarray

    @property
    def change(self) -> float:
        """What the row's own value adds to the probability, against the others in their shares."""
        return self.before - float(self.shares @ self.after)

    @property
    def furthest(self) -> int:
        """The other value that changes the probability most."""
        return int(np.abs(self.after - self.before).argmax())

    @property
    def verdict(self) -> Verdict:
        """Whether the change has the sign of the weight.

        It is ``"uncertain"`` if the weight is within two standard deviations of 0, and ``"no change"`` if the
        probability stays where it is, as that of a model that is sure for several reasons does.
        """
        if abs(self.weight) <= 2 * self.weight_std:
            return "uncertain"
        if abs(self.change) < NO_CHANGE:
            return "no change"
        return "agrees" if (self.change > 0) == (self.weight > 0) else "disagrees"


def heaviest(lime: LimeWeights, most: int) -> list[int]:
    """Columns of the heaviest weights; a column that always holds the same cannot be changed and does not count."""
    return [int(column) for column in lime.order if lime.others[column]][:most]


def flip(lime: LimeWeights, answer: Answer, columns: Sequence[int]) -> list[Flip]:
    """Break rules of an explanation one at a time, in every way that occurs in the table.

    Parameters
    ----------
    lime : LimeWeights
        The explanation.
    answer : callable
        The explained model.
    columns : sequence of int
        The columns to change, from `heaviest`.

    Returns
    -------
    list of Flip
        One a column.
    """
    changed = [(column, rule) for column in columns for rule in lime.others[column]]
    rows = np.tile(lime.values, (len(changed), 1))
    for row, (column, rule) in zip(rows, changed, strict=True):
        row[column] = rule.value
    after = answer(rows)[:, lime.target] if changed else np.empty(0)
    flips = []
    for column in columns:
        others = lime.others[column]
        shares = np.array([rule.share for rule in others])
        flips.append(
            Flip(
                column=column,
                rule=lime.rules[column],
                weight=float(lime.weights[column]),
                weight_std=float(lime.weights_std[column]),
                before=float(lime.probabilities[lime.target]),
                texts=tuple(rule.text for rule in others),
                after=np.array([p for p, (c, _) in zip(after, changed, strict=True) if c == column], dtype=np.float64),
                shares=shares / shares.sum(),
            )
        )
    return flips


def counted(flips: list[Flip]) -> dict[str, int]:
    """How many flips have which verdict."""
    kinds: tuple[Verdict, ...] = ("agrees", "disagrees", "no change", "uncertain")
    return {kind: sum(flip.verdict == kind for flip in flips) for kind in kinds}
