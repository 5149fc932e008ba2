"""What a comparison layer by layer found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

CERTAIN, LIKELY = "certain", "likely"
FORWARD, BACKWARD, TRAINING = "forward", "backward", "training"


@dataclass(frozen=True)
class Row:
    """One call of one layer.

    Attributes
    ----------
    layer, other : str
        Names in A and in B.
    kind : str
    call : int
        Counts the calls of a layer that is used more than once.
    max_abs, relative_l2 : float or None
        Between the outputs, each network on its own way; None where B did not come so far.
    gradient_max_abs, gradient_relative_l2 : float or None
        Between the gradients of the score at the outputs.
    step, gradient_step : float or None
        Relative L2 that this layer itself adds when B's layer gets A's input (and A's gradient), on float64 copies
        where they can be made; what the functions before it add is not in it.
    """

    layer: str
    other: str
    kind: str
    call: int
    max_abs: float | None
    relative_l2: float | None
    gradient_max_abs: float | None
    gradient_relative_l2: float | None
    step: float | None
    gradient_step: float | None


@dataclass(frozen=True)
class Cause:
    """An explanation that was put to the test.

    Attributes
    ----------
    name : str
        Such as ``"epsilon"``.
    text : str
        The explanation, with both sides' values.
    before : float
        Relative L2 between A's and B's output of the layer, given one input.
    after : float
        What of it remains when the explanation is taken into account.
    confidence : {"certain", "likely"}
        Certain where at most a hundredth remains.
    """

    name: str
    text: str
    before: float
    after: float
    confidence: str

    def __str__(self) -> str:
        numbers = f"{self.before:.1e} apart before, {self.after:.1e} after"
        return f"{self.name} ({self.confidence}): {self.text} [{numbers}]"


@dataclass(frozen=True)
class Place:
    """Where the networks part.

    Attributes
    ----------
    layer, other : str
        The layer in A and in B, ``"input"`` or ``"output"`` for the network's own doors. Of a difference between two
        layers, the one at which it is first seen.
    call : int
    direction : {"forward", "backward", "training"}
    text : str
        The place in words.
    max_abs, relative_l2 : float
        Between what A and B make of the same input there.
    causes : tuple of Cause
        The best explanation first; empty where no experiment explains the difference.
    possible : tuple of str
        There: settings that differ, and may be the cause, but were not put to the test.
    """

    layer: str
    other: str
    call: int
    direction: str
    text: str
    max_abs: float
    relative_l2: float
    causes: tuple[Cause, ...] = ()
    possible: tuple[str, ...] = ()

    @property
    def unexplained(self) -> str:
        """What is said where there are no causes."""
        maybe = f"; a possible cause: {'; '.join(self.possible)}" if self.possible else ""
        return f"no experiment explains it{maybe}"


@dataclass(frozen=True)
class Arbiter:
    """Which side is nearer to the truth, where the networks differ by rounding only.

    Attributes
    ----------
    a, b : float
        Relative L2 of the scores from those of a float64 copy.
    gradient_a, gradient_b : float
        The same of the gradient of the score with respect to the input.
    nearer : {"A", "B", None}
        By the scores; None where both are exact or equally far.
    """

    a: float
    b: float
    gradient_a: float
    gradient_b: float
    nearer: str | None = field(init=False)

    def __post_init__(self) -> None:
        equal = max(self.a, self.b) <= 1.1 * min(self.a, self.b)
        object.__setattr__(self, "nearer", None if equal else "A" if self.a < self.b else "B")


@dataclass(frozen=True)
class Difference:
    """Two networks side by side; ``print`` it, or show it with rich.

    Attributes
    ----------
    a, b : str
        Names of the networks and their frameworks.
    first : str or None
        The layer in which they first part: in the forward pass, where that agrees in the backward pass, where that
        agrees as well in training (momentum, dropout rate). None where they do not.
    agrees : bool
        Whether forward and backward pass agree; settings for training do not count.
    places : tuple of Place
        With ``teacher_forced`` every place in which they part, otherwise the first of each pass; in the order of
        execution, forward, then backward, then training.
    rows : tuple of Row
        In the order of execution.
    arbiter : Arbiter or None
        Where they agree, and float64 copies can be made of networks that compute in less.
    notes : tuple of str
        Whatever else the reader must know.
    score, gradient : float or None
        Relative L2 between the scores, and between the gradients with respect to the input.
    """

    a: str
    b: str
    first: str | None
    agrees: bool
    places: tuple[Place, ...]
    rows: tuple[Row, ...]
    arbiter: Arbiter | None
    notes: tuple[str, ...]
    score: float | None
    gradient: float | None
    teacher_forced: bool

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Explanations of the first difference, the best one first."""
        return self.places[0].causes if self.places else ()

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.places:
            return "The networks agree on this input, forward and backward."
        place = self.places[0]
        where = {
            FORWARD: "The networks part",
            BACKWARD: "The networks agree forward and part in the backward pass",
            TRAINING: "The networks agree on this input, and would part in training",
        }[place.direction]
        if not place.causes:
            return f"{where} {place.text}; {place.unexplained}."
        cause = place.causes[0]
        return f"{where} {place.text}: {'' if cause.confidence == CERTAIN else 'probably '}{cause.name}."

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it; infinity becomes ``"inf"``, NaN None."""
        found: dict[str, Any] = _plain(asdict(self))
        return found | {"verdict": self.verdict}

    def __rich__(self) -> RenderableType:
        from .tree import rendered

        return rendered(self)

    def __str__(self) -> str:
        from .tree import as_text

        return as_text(self)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
