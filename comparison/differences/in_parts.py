"""Comparisons of some samples each, made one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .result import Arbiter, Difference, Row


def joined(one: Difference, other: Difference) -> Difference:
    """Two comparisons in which the networks agree: of every distance the larger one."""
    theirs = {(row.layer, row.call): row for row in other.rows}
    mine = {(row.layer, row.call) for row in one.rows}
    rows = [_wider(row, theirs.get((row.layer, row.call), row)) for row in one.rows]
    rows += [row for row in other.rows if (row.layer, row.call) not in mine]
    return replace(
        one,
        rows=tuple(rows),
        arbiter=_arbiter(one.arbiter, other.arbiter),
        notes=tuple(dict.fromkeys(one.notes + other.notes)),
        score=_largest(one.score, other.score),
        gradient=_largest(one.gradient, other.gradient),
    )


def which_samples(found: Difference, part: slice, samples: int) -> Difference:
    """A comparison of some of the samples, which says so."""
    if part.stop - part.start == samples:
        return found
    behind = "; those behind them were not compared" if part.stop < samples else ""
    first, last = part.start, part.stop - 1
    which = f"sample {first}" if first == last else f"samples {first} to {last}"
    return replace(found, notes=(f"seen in {which} of 0 to {samples - 1}{behind}", *found.notes))


def _wider(row: Row, other: Row) -> Row:
    distances = ("max_abs", "relative_l2", "gradient_max_abs", "gradient_relative_l2", "step", "gradient_step")
    wider: dict[str, Any] = {name: _largest(getattr(row, name), getattr(other, name)) for name in distances}
    return replace(row, **wider)


def _arbiter(one: Arbiter | None, other: Arbiter | None) -> Arbiter | None:
    if one is None or other is None:
        return one or other
    pairs = ("a", "b", "gradient_a", "gradient_b")
    return Arbiter(**{name: max(getattr(one, name), getattr(other, name)) for name in pairs})


def _largest(one: float | None, other: float | None) -> float | None:
    known = [number for number in (one, other) if number is not None]
    return max(known) if known else None
