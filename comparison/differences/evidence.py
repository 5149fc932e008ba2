"""What is known about a step in which two networks part, gathered for the experiments."""

from __future__ import annotations

from collections.abc import Mapping

from ...backends import Model
from ...backends.protocol import Array
from .case import Case, Extra, Side
from .forced import Forced
from .judge import Step, is_leaf
from .laboratory import Recipe
from .lineup import ONLY_B, Lineup
from .observers import Recorder
from .settings import family, settings
from .trace import IN, OUT, Door, Run

_CANDIDATES = 3


class Evidence:
    """The record of the first network and the forced run of the second.

    Parameters
    ----------
    sides : Lineup
    run, record : Run, Recorder
    forced : Forced
    """

    def __init__(self, sides: Lineup, run: Run, record: Recorder, forced: Forced) -> None:
        self._sides = sides
        self._run = run
        self._record = record
        self._forced = forced

    def forward(self, step: Step) -> Case:
        """Inputs and outputs of a step, and what either side says about itself."""
        first, second = self._sides.first, self._sides.second
        a, b = self._record.values[step.door], self._forced.witness.values[step.door]
        if step.functions:
            return Case(
                self._what_came_before(step),
                Side("A", a, first.backend, runs=self._only_in_a(step)),
                Side("B", b, second.backend, runs=self._only_in_b(step)),
            )
        here = step.door[:2]
        inputs = [self._record.values[door] for door in self._run.doors if door[:2] == here and door.side == IN]
        name = step.door.layer
        other = self._sides.partners.pairs[name]
        return Case(inputs, self._side(first, "A", a, name), self._side(second, "B", b, other))

    def backward(self, step: Step) -> tuple[Array | None, Array | None, list[Array]]:
        """The gradient that leaves a step on either side, and the gradients that arrive at it or may do so."""
        door, gradients = step.door, self._record.gradients
        if step.functions:
            later = self._run.doors[self._run.doors.index(door) + 1 :]
            behind = [each for each in later if self._is_within(each, step.frame, outer=OUT, inner=IN)][:_CANDIDATES]
        else:
            behind = [each for each in self._run.doors if each[:2] == door[:2] and each.side == OUT]
        arriving = [gradients[each] for each in behind if each in gradients]
        return gradients.get(door), self._forced.witness.gradients.get(door), arriving

    def _side(self, model: Model, title: str, output: Array, name: str) -> Side:
        layer = model.layer(name)
        kind = model.backend.kind(layer)
        recipe = Recipe(family(kind), settings(layer, kind), model.backend.state(layer))
        return Side(title, output, model.backend, kind, recipe, layer)

    def _what_came_before(self, step: Step) -> list[Array]:
        """What the functions may have worked on: what the frame got, and the latest that its layers made of it."""
        before = self._run.doors[: self._run.doors.index(step.door)]
        found = [door for door in before if self._is_within(door, step.frame, outer=IN, inner=OUT)]
        left = [door for door in found if door.side == OUT]
        entered = [door for door in found if door.side == IN]
        return [self._record.values[door] for door in (*left[: -_CANDIDATES - 1 : -1], *entered)]

    def _is_within(self, door: Door, frame: tuple[str, int], outer: str, inner: str) -> bool:
        """Whether a door is one side of the frame itself, or the other side of a layer directly inside it."""
        call = (door.layer, door.call)
        return door.side == (outer if call == frame else inner) and frame in (call, self._run.around.get(call))

    def _only_in_a(self, step: Step) -> tuple[Extra, ...]:
        doors = [door for door in self._between(step, self._run) if door not in self._forced.witness.gaps]
        return self._extras(doors, self._run, self._record.values, self._sides.first)

    def _only_in_b(self, step: Step) -> tuple[Extra, ...]:
        doors = self._between(step, self._forced.run)
        return self._extras(doors, self._forced.run, self._forced.witness.extra, self._sides.second)

    def _between(self, step: Step, run: Run) -> list[Door]:
        start = 0 if step.before is None else run.doors.index(step.before)
        return run.doors[start : run.doors.index(step.door)]

    def _extras(self, doors: list[Door], run: Run, values: Mapping[Door, Array], model: Model) -> tuple[Extra, ...]:
        found = []
        for door in doors:
            entrance = door._replace(side=IN)
            if door.side == OUT and is_leaf(run, door) and door in values and entrance in values:
                name = door.layer.removeprefix(ONLY_B)
                if model is self._sides.second and name == door.layer:
                    name = self._sides.partners.pairs[name]  # the first network has it, but does not run it so often
                side = self._side(model, "", values[door], name)
                assert side.recipe is not None
                found.append(Extra(name, side.kind, values[entrance], values[door], side.recipe))
        return tuple(found)
