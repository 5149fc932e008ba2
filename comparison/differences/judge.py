"""Where two networks part: the steps that give another result although they were given the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .forcer import Gaps
from .settings import family
from .trace import IN, OUT, Door, Run

STRICT = 1e-10
"""Relative L2 that rounding in float64 stays below in one step."""

SINGLE = 2e-5
"""The same in float32, for networks of which no float64 copy can be made."""

# One number of an activation or two, each rounded to 24 bits: 6e-8 of its size at most.
_ROUNDED = (2e-7, 2e-7)
# What the frameworks compute in single precision even in float64, and how far that parts them: forward and gradient.
_IMPRECISE: Mapping[str, tuple[float, float]] = {
    "batch_norm": (5e-8, 5e-8),  # Paddle's epsilon
    "layer_norm": (5e-8, 5e-8),
    "group_norm": (5e-8, 5e-8),
    "instance_norm": (5e-8, 5e-8),
    "hardsigmoid": (2e-6, 2e-6),
    "hardswish": (2e-6, 2e-6),
    "celu": _ROUNDED,
    "elu": _ROUNDED,  # in Paddle, as the next three
    "selu": _ROUNDED,
    "hardtanh": _ROUNDED,
    "softshrink": _ROUNDED,
    "leaky_relu": _ROUNDED,  # in Paddle 2.6, as the next
    "softplus": _ROUNDED,
    "upsample": (2e-5, 2e-5),
    "avg_pool": (STRICT, 1e-6),
    "adaptive_avg_pool": (STRICT, 1e-6),
}
_FUNCTIONS = (2e-5, 2e-5)


@dataclass(frozen=True)
class Step:
    """A piece of the computation in which the networks part.

    Attributes
    ----------
    door : Door
        Where the difference is first seen.
    before : Door or None
        The last door before it that both networks pass; None for the input.
    functions : bool
        Whether it is not a layer, but what the network calls between two doors.
    frame : tuple of (str, int)
        The call in which the functions are called; of a layer, the layer's own.
    backward : bool
    """

    door: Door
    before: Door | None
    functions: bool
    frame: tuple[str, int]
    backward: bool


@dataclass(frozen=True)
class Judge:
    """What counts as a difference.

    Attributes
    ----------
    tolerance : float
        Relative L2 that one step may add.
    kinds : dict of str to str
        What each layer of the first network is.
    one_framework : bool
        The same kernels ran on both sides: what the frameworks compute less precisely is no excuse.
    """

    tolerance: float
    kinds: Mapping[str, str]
    one_framework: bool

    def differs(self, door: Door, leaf: bool, found: float, backward: bool) -> bool:
        """Whether a gap is more than rounding."""
        return found > self._allowed(door, leaf, backward)

    def _allowed(self, door: Door, leaf: bool, backward: bool) -> float:
        if self.one_framework:
            return self.tolerance
        own = leaf and (door.side == OUT or backward)
        table = _IMPRECISE.get(family(self.kinds.get(door.layer, "")), (0.0, 0.0)) if own else _FUNCTIONS
        return max(self.tolerance, table[backward])

    def forward(self, run: Run, gaps: Gaps) -> list[Step]:
        """Steps of the forward pass that differ, in the order of execution."""
        steps: list[Step] = []
        before: Door | None = None
        last: Door | None = None
        for door in run.doors:
            if door not in gaps:
                continue
            if last is not None and last[:3] != door[:3]:
                before = last
            last = door
            leaf = is_leaf(run, door)
            if self.differs(door, leaf, gaps[door], backward=False) and not (steps and steps[-1].door[:3] == door[:3]):
                steps.append(_step(run, door, before, leaf and door.side == OUT, backward=False))
        return steps

    def backward(self, run: Run, gaps: Gaps, forward: list[Step]) -> list[Step]:
        """Steps of the backward pass that differ where the forward pass does not, in backward order."""
        places = {door: index for index, door in enumerate(run.doors)}
        apart = {step.door for step in forward}
        excuses = [(step.functions, places[step.door], _frames(run, step)) for step in forward]
        steps: list[Step] = []
        for door in reversed(run.doors):
            if door not in gaps:
                continue
            leaf = is_leaf(run, door)
            inside = leaf and door.side == IN
            if not self.differs(door, inside, gaps[door], backward=True):
                continue
            step = _step(run, door, None, inside, backward=True)
            # Gradients with respect to different things cannot agree.
            follows = door in apart or any(
                functions == step.functions and step.frame in frames and places[door] < place
                for functions, place, frames in excuses
            )
            if not follows and not (steps and steps[-1].frame == step.frame):
                steps.append(step)
        return steps


def _frames(run: Run, step: Step) -> set[tuple[str, int]]:
    """The calls in which the functions of a step may have been called; of a layer, its own."""
    found = {step.frame}
    if step.functions:
        for door in (step.door, step.before):
            call = None if door is None else run.around.get((door.layer, door.call))
            while call is not None:
                found.add(call)
                call = run.around.get(call)
    return found


def is_leaf(run: Run, door: Door) -> bool:
    """Whether no other watched layer runs inside this one."""
    return (door.layer, door.call) not in run.inside


def _step(run: Run, door: Door, before: Door | None, of_layer: bool, backward: bool) -> Step:
    here = (door.layer, door.call)
    outside = (door.side == OUT) if backward else (door.side == IN)
    frame = here if of_layer or not outside else run.around.get(here, ("", 0))
    return Step(door, before, not of_layer, frame, backward)


def is_coarse(a: float, b: float) -> bool:
    """Whether one side's scores are so much farther from the truth than the other's that rounding is no excuse.

    Float64 copies cannot show what only happens in a network's own precision, such as an automatic cast to bfloat16.
    """
    return max(a, b) > 1e-4 and max(a, b) > 100 * max(min(a, b), 1e-8)
