"""Notebooks: the code of their tagged cells, and the one that a student starts from."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .archives import SubmissionError

TAGS = ("grade", "solution")
MARKER = "# twinlens: grade"
LARGEST_CODE = 2**20

_CURE = f"Tag the cells that count as 'grade', or write '{MARKER}' as their first line."
_MAGIC = re.compile(r"^(?P<indent>\s*)(?:[%!?]|[\w., ]+=\s*[%!]|[\w.]+\?\??\s*$)")
_MOST_MAGICS = 200
_HARMLESS = ("time", "timeit", "capture", "prun")


def notebook_code(content: bytes) -> tuple[str, list[str]]:
    """The code of the tagged cells, in their order.

    Parameters
    ----------
    content : bytes
        Of the ``.ipynb`` file.

    Returns
    -------
    code : str
    flags : list of str
        Lines for IPython alone, which were left out.

    Raises
    ------
    SubmissionError
        If it is no notebook, or no cell is tagged.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SubmissionError("The notebook is damaged: it is no JSON.", "Save it again in Jupyter.") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise SubmissionError("The notebook has no cells of format 4.", "Save it again in a recent Jupyter.")
    parts: list[str] = []
    flags: list[str] = []
    for number, cell in enumerate(cells, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = _source(cell)
            if _counts(cell, source):
                parts.append(f"# cell {number}\n{_plain(source, number, flags)}")
    if not parts:
        raise SubmissionError("No cell of the notebook is tagged to be graded.", _CURE)
    code = "\n\n".join(parts) + "\n"
    if len(code) > LARGEST_CODE:
        raise SubmissionError("The tagged cells hold more than a million characters.", "Hand in your code only.")
    return code, flags


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    lines: Iterable[object] = source if isinstance(source, list) else [source]
    # Half a surrogate pair, which JSON can hold and a file cannot.
    return "".join(line for line in lines if isinstance(line, str)).encode("utf-8", "replace").decode("utf-8")


def _counts(cell: Mapping[str, Any], source: str) -> bool:
    metadata = cell.get("metadata")
    if isinstance(metadata, dict):
        tags, nbgrader = metadata.get("tags"), metadata.get("nbgrader")
        if isinstance(tags, list) and any(tag in TAGS for tag in tags if isinstance(tag, str)):
            return True
        if isinstance(nbgrader, dict) and nbgrader.get("solution") is True:
            return True
    return any(line.strip().lower() == MARKER for line in source.splitlines())


def _plain(source: str, number: int, flags: list[str]) -> str:
    """The cell as Python: lines for IPython alone become comments, so that line numbers stay."""
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and first[2:].split(" ")[0].strip() not in _HARMLESS:
        flags.append(f"Cell {number} is for IPython alone ({first[:40]}) and was left out.")
        return ""
    found: list[str] = []
    while (place := _first_error("\n".join(lines))) is not None:
        magic = _MAGIC.search(lines[place]) if place < len(lines) else None
        if magic is None or len(found) == _MOST_MAGICS:
            # The student's own text gives the error that the student can understand.
            return source
        line = lines[place].strip()
        lines[place] = f"{magic['indent'] or ''}pass  # left out: {line}"
        found.append(f"Cell {number}: '{line[:40]}' is for IPython alone and was left out.")
    flags += found
    return "\n".join(lines)


def _first_error(source: str) -> int | None:
    """The line, counted from 0, at which the code stops being Python; None where it does not."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return (error.lineno or 1) - 1
    except (ValueError, RecursionError, MemoryError):
        return source.count("\n") + 1
    return None


def build_notebook(cells: Iterable[tuple[str, str, tuple[str, ...]]]) -> bytes:
    """Write a notebook of format 4.

    Parameters
    ----------
    cells : iterable of (kind, source, tags)
        Kind is ``"markdown"`` or ``"code"``.

    Returns
    -------
    bytes
    """
    written = []
    for number, (kind, source, tags) in enumerate(cells):
        cell: dict[str, Any] = {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {"tags": list(tags)} if tags else {},
            "source": source.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        written.append(cell)
    notebook = {
        "cells": written,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
