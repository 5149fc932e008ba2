"""Wrong submissions: the right one with a line or two changed, as an assignment's ``mistakes.toml`` lists them."""

from __future__ import annotations

import re
import tomllib
from functools import cache

from .trying import SUBMISSIONS


@cache
def changes(assignment: str) -> list[tuple[str, str, dict[str, list[list[str]]]]]:
    """Task, id of the mistake, and the changes by framework."""
    found = tomllib.loads((SUBMISSIONS / assignment / "mistakes.toml").read_text("utf-8"))["mistake"]
    return [
        (
            each["task"],
            each["id"],
            {framework: each.get(framework) or each["both"] for framework in ("torch", "paddle")},
        )
        for each in found
    ]


def with_mistake(assignment: str, framework: str, number: int) -> str:
    """The right submission, changed in one of its functions."""
    task, _, by_framework = changes(assignment)[number]
    right = (SUBMISSIONS / assignment / framework / "right.py").read_text("utf-8")
    parts = re.split(rf"(?m)(^def {task}\(.*?(?=^def |\Z))", right, flags=re.S)
    assert len(parts) == 3, f"{task} is not there once"
    for old, new in by_framework[framework]:
        assert old in parts[1], f"{task} has no {old!r}"
        parts[1] = parts[1].replace(old, new)
    return "".join(parts)
