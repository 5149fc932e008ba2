"""Which file of a submission is its code: a script or a notebook."""

from __future__ import annotations

import ast
import codecs
from collections.abc import Mapping

from .archives import Entry, SubmissionError
from .file_names import MAIN, NOTEBOOK, is_reserved
from .framework_choice import assigned_framework
from .notebooks import LARGEST_CODE, notebook_code


def candidates(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> list[str]:
    """Names of what may be the main file, where none has the name that is asked for.

    Parameters
    ----------
    top : mapping of str to Entry
        What lies at the top of the submission, by name.
    given : mapping of str to bytes
        Files that were handed out.
    """
    return [
        name
        for name in top
        if name.lower().endswith((".py", ".ipynb"))
        and (name not in given or name == MAIN)
        and (name == MAIN or not is_reserved(name))
    ]


def main_file(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> tuple[str, bytes, list[str]]:
    """Name and code of the main file, and flags.

    Parameters
    ----------
    top, given
        As for `candidates`.

    Raises
    ------
    SubmissionError
        If there is none, or it cannot be told which.
    """
    possible = candidates(top, given)
    script, notebook = MAIN in possible, NOTEBOOK in possible
    if script and notebook:
        return _script_or_notebook(top, given)
    if script:
        return MAIN, checked_code(top[MAIN].read(), MAIN), []
    notebooks = [name for name in possible if name.lower().endswith(".ipynb")]
    scripts = [name for name in possible if name.lower().endswith(".py")]
    chosen = [NOTEBOOK] if notebook else (scripts if len(scripts) == 1 and not notebooks else notebooks)
    if len(chosen) != 1:
        what = "no" if not possible else "more than one file of code and no"
        packed = any(name.lower().endswith((".zip", ".tar", ".gz", ".rar", ".7z")) for name in top)
        raise SubmissionError(
            f"There is {what} '{MAIN}'{', but an archive in the archive' if packed and not possible else ''}.",
            f"Hand in '{MAIN}' itself.",
        )
    name = chosen[0]
    if name.lower().endswith(".py"):
        return name, checked_code(top[name].read(), name), [f"'{name}' was taken for '{MAIN}'."]
    code, flags = notebook_code(top[name].read())
    return name, code.encode("utf-8"), flags


def _script_or_notebook(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> tuple[str, bytes, list[str]]:
    script = checked_code(top[MAIN].read(), MAIN)
    try:
        code, flags = notebook_code(top[NOTEBOOK].read())
    except SubmissionError as error:
        return MAIN, script, [f"There is a notebook too, which was not graded: {error.cause}"]
    starter = given.get(MAIN)
    if starter is not None and not same_code(code.encode("utf-8"), starter) and same_code(script, starter):
        return NOTEBOOK, code.encode("utf-8"), flags
    changed = starter is None or not same_code(code.encode("utf-8"), starter)
    return MAIN, script, [f"There are a script and a notebook; '{MAIN}' was graded."] if changed else []


def same_code(first: bytes, second: bytes) -> bool:
    """Whether two files hold the same code, up to comments, layout and the framework that they name."""
    try:
        return _shape(first) == _shape(second)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _shape(code: bytes) -> str:
    tree = ast.parse(code)
    tree.body = [node for node in tree.body if not _is_text(node) and assigned_framework(node) is None]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def checked_code(code: bytes, name: str) -> bytes:
    """The code of a file, unless it is too long or in an encoding that Python does not read.

    Parameters
    ----------
    code : bytes
    name : str
        Of the file.
    """
    if code.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SubmissionError(f"'{name}' is saved as UTF-16.", "Save it as UTF-8.")
    if len(code) > LARGEST_CODE:
        raise SubmissionError(f"'{name}' has more than a million characters.", "Hand in your code only.")
    return code
