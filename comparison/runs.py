"""Explanations in files and in the folders of runs, matched by name."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DataError, InputError, TwinlensError
from ..methods import Explanation
from .comparison import Comparison, pair_name
from .pair import paired

_FRAMEWORK = re.compile(r"_(torch|paddle|a|b)$")

Saved = Explanation | str | Path


def compare_saved(a: Saved, b: Saved, top: float = 0.05) -> Comparison:
    """Compare two explanations, two files, or two folders.

    Raises
    ------
    DataError
        If a file or folder does not exist, is not what twinlens writes, or nothing in two folders can be compared.
    InputError, NonFiniteError
        If two explanations cannot be compared. Of two folders, such pairs are reported as missing.
    """
    folders = [not isinstance(each, Explanation) and Path(each).is_dir() for each in (a, b)]
    if all(folders):
        assert not isinstance(a, Explanation)
        assert not isinstance(b, Explanation)
        return _compare_runs(Path(a), Path(b), top)
    if any(folders):
        raise InputError(f"One of '{a}' and '{b}' is a folder, the other is not.", "Name two files or two folders.")
    first, second = (each if isinstance(each, Explanation) else Explanation.load(each) for each in (a, b))
    names = tuple(
        f"{made.model} on {made.backend}" if isinstance(each, Explanation) else str(each)
        for each, made in ((a, first), (b, second))
    )
    return Comparison((names[0], names[1]), (paired(pair_name(first.method, second.method), first, second, top),))


def _compare_runs(a: Path, b: Path, top: float) -> Comparison:
    first, second = _explanations(a), _explanations(b)
    matches = _matched(first, second)
    used = set(matches.values())
    missing = {name: f"missing in {b}" for name in first if name not in matches}
    missing |= {name: f"missing in {a}" for name in second if name not in used}
    pairs = []
    for one, other in matches.items():
        made = Explanation.load(first[one]), Explanation.load(second[other])
        try:
            pairs.append(paired(one if one == other else pair_name(one, other), *made, top))
        except TwinlensError as error:
            missing[one] = f"cannot be compared: {error.cause}"
    if not pairs:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise DataError(
            f"Nothing in '{a}' and '{b}' can be compared. {reasons[:300]}.",
            "Explain the same inputs by the same methods.",
        )
    return Comparison((str(a), str(b)), tuple(pairs), missing)


def _explanations(folder: Path) -> dict[str, Path]:
    inner = folder / "explanations"
    found = {path.stem: path for path in sorted((inner if inner.is_dir() else folder).glob("*.npz"))}
    if not found:
        raise DataError(
            f"There are no explanations in '{folder}'.", "Name a folder that twinlens explain or run wrote."
        )
    return found


def _matched(first: dict[str, Path], second: dict[str, Path]) -> dict[str, str]:
    """Names that belong together: equal ones, then those that differ only in the framework at their end."""
    matches = {name: name for name in first if name in second}
    left = [name for name in first if name not in matches]
    others = [name for name in second if name not in matches]
    for name in left:
        alike = [other for other in others if _stem(other) == _stem(name)]
        if len(alike) == 1 and sum(_stem(each) == _stem(name) for each in left) == 1:
            matches[name] = alike[0]
    return matches


def _stem(name: str) -> str:
    return _FRAMEWORK.sub("", name)
