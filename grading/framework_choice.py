"""Which framework a submission is written in, read without running any of it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

from .archives import Entry, SubmissionError
from .file_names import MAIN, MANIFEST
from .text import one_line

Framework: TypeAlias = Literal["torch", "paddle"]

FRAMEWORKS: Mapping[str, Framework] = {
    "torch": "torch",
    "pytorch": "torch",
    "paddle": "paddle",
    "paddlepaddle": "paddle",
}

_LARGEST_MANIFEST = 2**16
_FRAMEWORK_LINE = re.compile(
    r"^FRAMEWORK\s*(?::[^=\n]*)?=\s*(?P<quote>['\"])(?P<name>\w{1,20})(?P=quote)\s*(?:#.*)?$", re.M
)


def read_manifest(manifest: Entry | None) -> tuple[Framework | None, str | None]:
    """The framework and the assignment that ``submission.toml`` names.

    Parameters
    ----------
    manifest : Entry or None
        None where there is no such file.

    Raises
    ------
    SubmissionError
        If it cannot be read, or names another framework.
    """
    if manifest is None:
        return None, None
    if manifest.size > _LARGEST_MANIFEST:
        raise SubmissionError(f"'{MANIFEST}' is too large.", "Use the one that you were given.")
    try:
        values = tomllib.loads(manifest.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"'{MANIFEST}' cannot be read.", "Use the one that you were given.") from error
    framework, assignment = values.get("framework"), values.get("assignment")
    return (
        None if framework is None else _known(framework),
        one_line(assignment, 80) if isinstance(assignment, str) else None,
    )


def choose_framework(code: bytes, told: Framework | None, flags: list[str]) -> Framework:
    """The framework that a submission names, or else imports.

    Parameters
    ----------
    code : bytes
        Of the main file.
    told : {"torch", "paddle"} or None
        What the manifest names.
    flags : list of str
        Is added to where none is named.

    Raises
    ------
    SubmissionError
        If there is none, or two.
    """
    written = named_framework(code)
    if told is not None and written is not None and told != written:
        raise SubmissionError(
            f"'{MANIFEST}' names {told} and '{MAIN}' {written}.", f"Name one framework in '{MAIN}' only."
        )
    framework = written or told
    if framework is None:
        framework = _imported(code)
        if framework is None:
            raise SubmissionError(
                "The submission does not say which framework it uses.",
                f'Write FRAMEWORK = "torch" or FRAMEWORK = "paddle" near the top of \'{MAIN}\'.',
            )
        flags.append(f"No framework is named; {framework} was taken, which is imported.")
    return framework


def named_framework(code: bytes) -> Framework | None:
    """The framework of a line ``FRAMEWORK = "torch"``, read without running anything.

    Raises
    ------
    SubmissionError
        If another framework is named, or two.
    """
    try:
        names = [assigned_framework(node) for node in ast.parse(code).body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # The student is to see the mistake when the code is run: the framework has to be known for that.
        text = code.decode("utf-8", errors="replace")
        names = [ast.Constant(found["name"]) for found in _FRAMEWORK_LINE.finditer(text)]
    found = [node.value if isinstance(node, ast.Constant) else None for node in names if node is not None]
    if not found:
        return None
    if any(not isinstance(name, str) for name in found):
        raise SubmissionError("FRAMEWORK is not given as a plain text.", 'Write FRAMEWORK = "torch" or "paddle".')
    known = {_known(name) for name in found}
    if len(known) > 1:
        raise SubmissionError("FRAMEWORK is given twice, and differently.", "Keep one of the two lines.")
    return known.pop()


def assigned_framework(node: ast.stmt) -> ast.expr | None:
    """What a statement assigns to FRAMEWORK; None where it does not.

    Parameters
    ----------
    node : ast.stmt
    """
    if isinstance(node, ast.Assign):
        named = any(isinstance(target, ast.Name) and target.id == "FRAMEWORK" for target in node.targets)
        return node.value if named else None
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "FRAMEWORK":
        return node.value
    return None


def _known(name: object) -> Framework:
    found = FRAMEWORKS.get(name.strip().lower()) if isinstance(name, str) else None
    if found is None:
        raise SubmissionError(
            f"'{one_line(name, 40)}' is no framework that is graded.", 'Write FRAMEWORK = "torch" or "paddle".'
        )
    return found


def _imported(code: bytes) -> Framework | None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    found = names & {"torch", "paddle"}
    return cast(Framework, found.pop()) if len(found) == 1 else None
