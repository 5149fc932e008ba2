"""The network as a tree, the place marked where it parts from the other."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .result import BACKWARD, Difference, Place, Row

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

MARK = "<-- HERE"


def as_text(difference: Difference, width: int = 140) -> str:
    """The report without colours."""
    from rich.console import Console

    page = io.StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(rendered(difference))
    return page.getvalue().rstrip()


def rendered(difference: Difference) -> RenderableType:
    """The report: both names, the tree, the places with their causes, the arbiter, notes, the verdict."""
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = [Text(f"A: {difference.a}\nB: {difference.b}"), _tree(difference)]
    for place in difference.places:
        lines.append(Text(_described(place), style="bold red"))
        lines += [Text(f"  {cause}") for cause in place.causes] or [Text(f"  {place.unexplained}")]
    if difference.arbiter is not None:
        found = difference.arbiter
        who = f"{found.nearer} is nearer to the truth" if found.nearer else "neither is nearer to the truth"
        lines.append(
            Text(
                f"Beside float64: {who}; scores {found.a:.1e} (A) and {found.b:.1e} (B) off, "
                f"input gradient {found.gradient_a:.1e} (A) and {found.gradient_b:.1e} (B)."
            )
        )
    lines += [Text(f"Note: {note}") for note in difference.notes]
    lines.append(Text(difference.verdict, style="bold"))
    return Group(*lines)


def _described(place: Place) -> str:
    numbers = f"max abs {place.max_abs:.3g}, relative L2 {place.relative_l2:.2e}"
    return f"{place.direction}: {place.text} ({numbers})" if place.relative_l2 else f"{place.direction}: {place.text}"


def _tree(difference: Difference) -> Tree:
    from rich.tree import Tree

    root = Tree("network")
    marked: dict[str, list[Place]] = {}
    for place in difference.places:
        marked.setdefault({"input": "", "output": ""}.get(place.layer, place.layer), []).append(place)
    if "" in marked:
        root.label = f"network  {_marks(marked[''])}"
    _grow(root, "", _unique(difference.rows), marked)
    return root


def _unique(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.layer:
            found.setdefault(row.layer, []).append(row)
    return found


def _grow(tree: Tree, prefix: str, rows: dict[str, list[Row]], marked: dict[str, list[Place]]) -> None:
    from rich.text import Text

    for name in _children(prefix, rows):
        inside = [key for key in rows if key == name or key.startswith(f"{name}.")]
        hit = [key for key in inside if key in marked]
        worst = _worst([row for key in inside for row in rows[key]])
        own = rows.get(name, [])
        kind = f" ({own[0].kind})" if own else ""
        label = f"{name[len(prefix) + 1 if prefix else 0 :]}{kind}  {worst}"
        if name in marked:
            branch = tree.add(Text(f"{label}  {_marks(marked[name])}", style="bold red"))
        elif len(inside) > 1 and not hit:
            tree.add(Text(f"{label}  [{len(inside)} layers]"))
            continue
        else:
            branch = tree.add(Text(label))
        if hit and hit != [name]:
            _grow(branch, name, rows, marked)


def _children(prefix: str, rows: dict[str, list[Row]]) -> list[str]:
    start = f"{prefix}." if prefix else ""
    found: dict[str, None] = {}
    for name in rows:
        if name.startswith(start) and name != prefix:
            found[start + name[len(start) :].split(".")[0]] = None
    return list(found)


def _worst(rows: Sequence[Row]) -> str:
    forward = [row.relative_l2 for row in rows if row.relative_l2 is not None]
    backward = [row.gradient_relative_l2 for row in rows if row.gradient_relative_l2 is not None]
    if not forward:
        return "not reached"
    gradient = f", gradient {max(backward):.1e}" if backward else ""
    return f"{max(forward):.1e}{gradient}"


def _marks(places: Sequence[Place]) -> str:
    words = [("backward: " if place.direction == BACKWARD else "") + _short(place) for place in places]
    return f"{MARK} {'; '.join(words)}"


def _short(place: Place) -> str:
    return place.causes[0].name if place.causes else "unexplained"
