"""From steps that differ to places with names and causes."""

from __future__ import annotations

from collections.abc import Iterator

from ...backends.failures import in_one_line
from ..settings import differing_settings
from .by_gradient import explained_backward
from .causes import explained
from .evidence import Evidence
from .forced import Forced
from .gap import gap
from .judge import Judge, Step
from .lineup import ONLY_B, Lineup
from .notes import innermost
from .observers import Recorder
from .result import BACKWARD, CERTAIN, FORWARD, Cause, Place
from .trace import IN, OUT, Door, Run


class Investigator:
    """Finds the steps in which the second network parts from the record, and experiments on them.

    Parameters
    ----------
    sides : Lineup
    run, record : Run, Recorder
        Of the first network.
    forced : Forced
        Of the second.
    everything : bool
        Look into every step, not only the first of each pass.
    """

    def __init__(self, sides: Lineup, run: Run, record: Recorder, forced: Forced, everything: bool) -> None:
        self._sides = sides
        self._run = run
        self._record = record
        self._forced = forced
        self._everything = everything
        self._evidence = Evidence(sides, run, record, forced)
        one = sides.first.backend.name == sides.second.backend.name
        self._judge = Judge(forced.tolerance, sides.kinds, one)

    def steps(self) -> tuple[list[Step], list[Step]]:
        """Forward in the order of execution, and backward in backward order."""
        witness = self._forced.witness
        forward = self._judge.forward(self._run, witness.gaps)
        return forward, self._judge.backward(self._run, witness.gradient_gaps, forward)

    def places(self) -> list[Place]:
        """In the order of execution, forward, then backward."""
        forward, backward = self.steps()
        if not self._everything:
            forward, backward = forward[:1], ([] if forward else backward[:1])
        found = [self._place(step, FORWARD, explained(self._evidence.forward(step))) for step in forward]
        if self._forced.run.failure is not None and (self._everything or not found):
            found.append(self._broken_off())
        return found + [
            self._place(step, BACKWARD, explained_backward(*self._evidence.backward(step))) for step in backward
        ]

    def _place(self, step: Step, direction: str, causes: tuple[Cause, ...]) -> Place:
        door = step.door
        own = {IN: "input", OUT: "output"}[door.side] if not door.layer else door.layer
        other = self._sides.partners.pairs[door.layer] or own
        text = self._words(step)
        witness = self._forced.witness
        if step.backward:
            found = gap(self._record.gradients.get(door), witness.gradients.get(door))
        else:
            found = gap(self._record.values[door], witness.values[door])
        possible = () if causes else tuple(self._settings(step))
        return Place(own, other, door.call, direction, text, found.max_abs, found.relative_l2, causes, possible)

    def _settings(self, step: Step) -> Iterator[str]:
        """In what the layer, or the one that calls the functions, is set otherwise."""
        layer = step.frame[0] if step.functions else step.door.layer
        other = self._sides.partners.pairs.get(layer)
        if layer and other is not None:
            for name, mine, theirs in differing_settings(self._sides.first, self._sides.second, layer, other):
                yield f"'{layer}' has {name} {mine} in A, {theirs} in B"

    def _words(self, step: Step) -> str:
        door = step.door
        call = f", call {door.call + 1}" if self._is_reused(door) else ""
        if not step.functions:
            kind = self._sides.kinds[door.layer].replace("_", " ")
            return f"at '{door.layer}' ({kind}{call})" if door.layer else f"in the network itself ({kind})"
        if not door.layer and door.side == IN:
            return "at the input, before the first layer"
        frame = f"'{step.frame[0]}'" if step.frame[0] else "the network"
        here = f"'{door.layer}'{call}" if door.layer else "the end"
        if step.backward:
            side = "behind" if door.side == OUT else "at the start of"
            return f"{side} {here}, where {frame} calls functions"
        if step.before is None or (step.before.side == IN and door.side == IN):
            return f"before {here}, where {frame} calls functions"
        end = f"the end of {here}" if door.side == OUT and door.layer else here
        return f"between '{step.before.layer}' and {end}, where {frame} calls functions"

    def _is_reused(self, door: Door) -> bool:
        return Door(door.layer, 1, door.side, 0) in self._record.values

    def _broken_off(self) -> Place:
        run = self._forced.run
        assert run.failure is not None
        layer, call = run.failed_in or ("", 0)
        name = layer.removeprefix(ONLY_B) or "output"
        other = self._sides.partners.pairs.get(layer) or name
        text = f"B fails on A's input: {in_one_line(innermost(run.failure))}"
        apart = float("inf")
        cause = Cause("failure", text, apart, 0.0, CERTAIN)
        return Place(name, other, call, FORWARD, f"at '{name}', where B breaks off", apart, apart, (cause,))
