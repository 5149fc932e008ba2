"""Recorded steps run in order, let go of what is not needed any more, and can be read."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from twinlens.comparison.conversion.program import (
    BothModes,
    CallFunction,
    CallLayer,
    Fetch,
    Program,
    Slot,
    Step,
    filled,
    same,
)
from twinlens.errors import ModelError

x, y, z = Slot("x"), Slot("y"), Slot("z")


def test_steps_run_in_order() -> None:
    steps = [
        Step("y", "add", CallFunction(lambda a, b: a + b), (x, 1)),
        Step("z", "mul", CallFunction(lambda a, times: a * times), (y,), {"times": x}),
    ]
    assert Program(("x",), steps, (z, [x], {"one": y}))(None, 3) == (12, [3], {"one": 4})


def test_layers_and_weights_are_reached_by_their_paths() -> None:
    net = SimpleNamespace(block=SimpleNamespace(double=lambda a: 2 * a, weight=5))
    steps = [Step("y", "block.double", CallLayer("block.double"), (x,)), Step("z", "weight", Fetch("block.weight"))]
    assert Program(("x",), steps, [y, z])(net, 4) == [8, 5]


class Kept:
    """An object whose end can be seen."""

    alive = 0

    def __init__(self) -> None:
        Kept.alive += 1

    def __del__(self) -> None:
        Kept.alive -= 1


def test_what_no_later_step_reads_is_let_go() -> None:
    def count(*_read: Any) -> int:
        return Kept.alive

    steps = [
        Step("y", "make", CallFunction(Kept)),
        Step("unused", "make", CallFunction(Kept)),
        Step("z", "count", CallFunction(count), (y,)),
        Step("last", "count", CallFunction(count)),
    ]
    assert Program((), steps, (z, Slot("last")))(None) == (1, 0)


def test_each_mode_has_its_steps() -> None:
    programs = [Program(("x",), [Step("y", "add", CallFunction(lambda a, n=n: a + n), (x,))], y) for n in (1, 2)]
    both = BothModes(*programs)
    assert both(SimpleNamespace(training=False), 0) == 1
    assert both(SimpleNamespace(training=True), 0) == 2
    assert copy.deepcopy(both)(SimpleNamespace(training=True), 0) == 2


def test_slots_are_filled_wherever_they_are() -> None:
    values = {"x": 1, "y": 2}
    assert filled({"a": [x, (y, slice(x, None, y))]}, values) == {"a": [1, (2, slice(1, None, 2))]}


def test_the_steps_can_be_read() -> None:
    steps = [Step("y", "relu", CallFunction(abs), (x,)), Step("z", "cat", CallFunction(max), ([x, y],), {"dim": 1})]
    assert str(Program(("x",), steps, (z,))).splitlines() == [
        "def forward(x):",
        "    y = relu(x)",
        "    z = cat([x, y], dim=1)",
        "    return (z)",
    ]


def test_what_was_decided_must_be_so_again() -> None:
    same(3, 3)
    with pytest.raises(ModelError, match="4, which was 3"):
        same(4, 3)
