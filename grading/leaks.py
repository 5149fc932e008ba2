"""Whether the files for students give the answers away."""

from __future__ import annotations

import ast
from pathlib import Path

from .answer_files import answer_files
from .assignment import LoadedAssignment

_SHORT, _LONG = 20, 40
_HALF = 0.5
_NOT_ANSWERS = ("cases", "weights")
_MODULES = ("answers", "twinlens")


def leaks(assignment: LoadedAssignment) -> list[str]:
    """List what students could copy or import.

    Parameters
    ----------
    assignment : LoadedAssignment

    Returns
    -------
    list of str
        A sentence for each function of the answers of which half or more stands in a file for students, and for each
        import of what students do not have.
    """
    found = []
    answers = [
        (function, path.relative_to(assignment.folder).as_posix(), lines)
        for path in answer_files(assignment.folder)
        for function, lines in _functions(path).items()
    ]
    for name, path in assignment.student_files().items():
        text = path.read_text("utf-8")
        there = _lines(text) | {_plain(line) for line in text.splitlines()}
        for function, where, lines in answers:
            if len(lines & there) >= _HALF * len(lines):
                found.append(f"'{name}' holds the text of '{function}' of {where}.")
        if path.suffix == ".py":
            found += [f"'{name}' imports '{module}', which students do not have." for module in _imports(text)]
    return found


def _functions(path: Path) -> dict[str, set[str]]:
    """What is particular to each function: its longer lines, without those that only make cases."""
    found = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name not in _NOT_ANSWERS:
            lines = _lines("\n".join(ast.unparse(statement) for statement in node.body if not _is_text(statement)))
            if len(lines) > 1 or any(len(line) >= _LONG for line in lines):
                found[node.name] = lines
    return found


def _lines(text: str) -> set[str]:
    """The longer lines of code, written alike whatever their layout."""
    try:
        text = ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError):
        return set()
    return {line for line in map(_plain, text.splitlines()) if len(line) >= _SHORT}


def _plain(line: str) -> str:
    return "".join(line.split()).replace("'", '"')


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _imports(text: str) -> list[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return sorted(names & set(_MODULES))
