"""A folder for a student to start from."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError, DataError
from .assignment import LoadedAssignment
from .file_names import MAIN, MANIFEST, NOTEBOOK
from .framework_choice import FRAMEWORKS
from .notebooks import build_notebook
from .sandbox import RUNNER, npz_bytes

PUBLIC_SEED = 0
"""Of the cases that students see."""

_LINE = re.compile(r"^FRAMEWORK\b.*$", re.MULTILINE)


def start(assignment: LoadedAssignment, framework: str, folder: Path) -> list[Path]:
    """Write what a student needs: the starter as a script and as a notebook, the task in words, and public data.

    Parameters
    ----------
    assignment : LoadedAssignment
    framework : {"torch", "paddle"}
    folder : Path
        New or empty; it appears whole or not at all.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ConfigError
        If the assignment cannot be done in that framework.
    DataError
        If there is something in the folder already, or it cannot be written.
    """
    if FRAMEWORKS.get(framework) != framework or framework not in assignment.assignment.frameworks:
        raise ConfigError(
            f"'{assignment.assignment.id}' cannot be done in '{framework}'.",
            f"Choose one of: {', '.join(assignment.assignment.frameworks)}.",
        )
    folder = Path(folder)
    _check_empty(folder)
    files = handed_out(assignment, framework)
    files[NOTEBOOK] = _notebook(assignment, files[MAIN].decode("utf-8"))
    _write(files, folder)
    return [folder / name for name in files]


def handed_out(assignment: LoadedAssignment, framework: str) -> dict[str, bytes]:
    """The files that a student is given, by their names, without the notebook.

    Parameters
    ----------
    assignment : LoadedAssignment
    framework : {"torch", "paddle"}
    """
    return given_files(assignment, framework) | {
        MANIFEST: _manifest(assignment).encode("utf-8"),
        **public_files(assignment),
    }


def given_files(assignment: LoadedAssignment, framework: str) -> dict[str, bytes]:
    """The files that a student is given and that are the same for grading: the assignment's own and the runner.

    Parameters
    ----------
    assignment : LoadedAssignment
    framework : {"torch", "paddle"}
    """
    try:
        files = {name: path.read_bytes() for name, path in assignment.student_files().items()}
        text = files.pop("starter.py").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The files of '{assignment.folder}' cannot be read ({error}).", "Write them as UTF-8."
        ) from error
    line = f'FRAMEWORK = "{framework}"'
    changed, times = _LINE.subn(line, text, count=1)
    if not times:
        raise ConfigError(
            f"'{assignment.folder / 'starter.py'}' names no framework.", 'Write a line FRAMEWORK = "torch" into it.'
        )
    return {MAIN: changed.encode("utf-8"), **files, RUNNER.name: RUNNER.read_bytes()}


def public_files(assignment: LoadedAssignment) -> dict[str, bytes]:
    """The public cases and weights, as npz files.

    Parameters
    ----------
    assignment : LoadedAssignment
    """
    answers = assignment.answers()
    files = {
        f"public/{task.id}.npz": npz_bytes(answers.cases(task.id, PUBLIC_SEED, public=True))
        for task in assignment.assignment.tasks
    }
    return files | {"public/network.npz": npz_bytes(answers.weights(PUBLIC_SEED, public=True))}


def _manifest(assignment: LoadedAssignment) -> str:
    return f'# Says to twinlens what this folder is for.\nassignment = "{assignment.assignment.id}"\n'


def _notebook(assignment: LoadedAssignment, starter: str) -> bytes:
    """The starter cut into cells, tagged to be graded."""
    readme = assignment.student_files()["README.md"].read_text("utf-8")
    hint = (
        "Only the cells with the tag `grade` are graded, in their order, all of them as one file. "
        f"Where this notebook and `{MAIN}` are both there, the one that you worked on counts."
    )
    cells: list[tuple[str, str, tuple[str, ...]]] = [("markdown", readme.strip(), ()), ("markdown", hint, ())]
    cells += [("code", part, ("grade",)) for part in cut(starter)]
    trial = (
        "import numpy as np\nfrom runner import build_network\n\n"
        'net = build_network(FRAMEWORK, dict(np.load("public/network.npz")))\n'
        f'inputs = dict(np.load("public/{assignment.assignment.tasks[0].id}.npz"))\n'
        "{name: values.shape for name, values in inputs.items()}"
    )
    cells += [("markdown", "Below: room to try things. These cells are not graded.", ()), ("code", trial, ())]
    return build_notebook(cells)


def cut(code: str) -> list[str]:
    """Cut a file into its head and its functions and classes, each with the comments and decorators above it.

    Parameters
    ----------
    code : str
    """
    import ast

    lines = code.splitlines()
    starts = [0]
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            while first > 0 and lines[first - 1].startswith("#"):
                first -= 1
            starts.append(first)
    ends = [*starts[1:], len(lines)]
    parts = ["\n".join(lines[first:end]).strip() for first, end in zip(starts, ends, strict=True)]
    return [part for part in parts if part]


def _check_empty(folder: Path) -> None:
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise DataError(f"'{folder}' cannot be read ({error.strerror}).", "Choose another folder.") from error
    if taken:
        raise DataError(f"There is something in '{folder}' already.", "Choose a new folder; nothing is overwritten.")


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write beside the place and move there."""
    folder = folder.resolve()
    missing = [parent for parent in folder.parents if not parent.exists()]
    workplace: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        new = workplace / "new"
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(content)
        if folder.exists():
            _move_into(new, folder)
        else:
            os.rename(new, folder)
    except BaseException as error:
        if workplace is not None:
            shutil.rmtree(workplace, ignore_errors=True)
        for parent in missing:
            _remove_if_empty(parent)
        if isinstance(error, OSError):
            raise DataError(
                f"'{folder}' cannot be written ({error.strerror or error}).", "Choose a folder that you may write to."
            ) from error
        raise
    finally:
        if workplace is not None:
            shutil.rmtree(workplace, ignore_errors=True)


def _move_into(new: Path, folder: Path) -> None:
    """Move everything into an empty folder, which may be somebody's current one and so stays the same folder."""
    moved: list[Path] = []
    try:
        for path in sorted(new.iterdir()):
            os.rename(path, folder / path.name)
            moved.append(folder / path.name)
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
