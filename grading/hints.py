"""Sentences of an assignment, filled in with numbers measured on the student's own arrays."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import Any

from .text import one_line


class _Formatter(string.Formatter):
    """Writes ``?`` for what was not measured, and keeps numbers short whatever they are."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        return kwargs.get(key, "?")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, float):
            if not math.isfinite(value):
                return "NaN" if math.isnan(value) else "infinity"
            if abs(value) >= 1e9:
                return f"{value:.3g}"
            if value.is_integer() and format_spec in ("", "d"):
                return str(int(value))
        try:
            return format(value, format_spec)
        except (TypeError, ValueError):
            return str(value)


def filled_in(hint: str, numbers: Mapping[str, Any]) -> str:
    """Write a hint.

    Parameters
    ----------
    hint : str
        With the names of numbers in braces.
    numbers : mapping of str to float
        Values that are no numbers, and numbers that are missing, become question marks.

    Returns
    -------
    str
    """
    kept: dict[str, float] = {}
    for name, value in numbers.items():
        try:
            kept[str(name)] = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
    try:
        return one_line(_Formatter().vformat(hint, (), kept), 1000)
    except Exception:
        # A hint that cannot be written is the assignment's fault and must not cost a student the grade.
        return one_line(hint, 1000)
