"""What a student handed in: read from a folder, a zip, a script or a notebook, and never run here."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, cast

from .archives import Entry, SubmissionError, archive_entries, folder_entries, read_file
from .notebooks import LARGEST_CODE, notebook_code
from .text import one_line

Framework: TypeAlias = Literal["torch", "paddle"]

MAIN = "submission.py"
NOTEBOOK = "submission.ipynb"
MANIFEST = "submission.toml"
FRAMEWORKS: Mapping[str, Framework] = {
    "torch": "torch",
    "pytorch": "torch",
    "paddle": "paddle",
    "paddlepaddle": "paddle",
}
SUFFIXES = (".zip", ".py", ".ipynb")

_LARGEST_MANIFEST = 2**16
_MOST_MODULES = 50
_OURS = {"runner", "driver", "network", "task", "inputs", "outputs", "twinlens", "answers"}
_STARTUP = {"sitecustomize", "usercustomize", "conftest", "antigravity", "this"}
_LIBRARIES = {
    "numpy", "torch", "torchvision", "torchaudio", "paddle", "scipy", "sklearn", "skimage", "cv2", "matplotlib",
    "pandas", "lime", "shap", "PIL", "pydantic", "yaml", "rich", "typer", "captum", "zennit", "xgboost", "pytest",
    "numba", "typing_extensions", "sympy", "networkx", "jinja2", "transformers", "tqdm", "requests", "packaging",
    "google", "httpx", "opt_einsum", "astor", "decorator", "safetensors", "triton", "IPython", "setuptools", "pip",
}  # fmt: skip
_RESERVED = {name.casefold() for name in (*_OURS, *_STARTUP, *_LIBRARIES, *sys.stdlib_module_names)}
_MODULE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}\.py$")
_FRAMEWORK_LINE = re.compile(
    r"^FRAMEWORK\s*(?::[^=\n]*)?=\s*(?P<quote>['\"])(?P<name>\w{1,20})(?P=quote)\s*(?:#.*)?$", re.M
)
# What learning platforms make of a name: lee_LATE_12345_67890_hw.zip; Kim Lee_123456_assignsubmission_file_
_CANVAS = re.compile(r"^(?P<name>[^_]+)(?:_LATE)?_(?P<user>\d+)_\d+_.+$")
_MOODLE = re.compile(r"^(?P<name>.+_\d+)_assignsubmission_file_?$")


@dataclass(frozen=True)
class Submission:
    """What is graded.

    Attributes
    ----------
    id : str
        Of the student, from the name of the file or folder.
    framework : {"torch", "paddle"}
    files : mapping of str to bytes
        ``submission.py`` and modules beside it that it imports.
    sha256 : str
        Of framework and files.
    flags : tuple of str
        What was left out and what is odd: for the instructor.
    assignment : str or None
        The id that ``submission.toml`` names.
    """

    id: str
    framework: Framework
    files: Mapping[str, bytes] = field(repr=False)
    sha256: str
    flags: tuple[str, ...] = ()
    assignment: str | None = None


def read_submission(path: Path, id: str | None = None, given: Mapping[str, bytes] | None = None) -> Submission:
    """Read a submission without running any of it.

    Parameters
    ----------
    path : Path
        A folder, a zip, a ``.py`` or an ``.ipynb`` file.
    id : str, optional
        Taken from the name of the file when left out.
    given : mapping of str to bytes, optional
        Files that were handed out, such as ``driver.py``. They are never taken from a submission, and flagged only
        where they were changed. Under ``submission.py`` the starter: where script and notebook are both there, the
        one that was worked on counts.

    Returns
    -------
    Submission

    Raises
    ------
    SubmissionError
        If it cannot be read or is refused, with a sentence for the student.
    """
    try:
        return _read(Path(path), id, given or {})
    except (RecursionError, MemoryError) as error:
        raise SubmissionError("The submission is nested too deeply to be read.", "Hand in your code only.") from error


def _read(path: Path, id: str | None, given: Mapping[str, bytes]) -> Submission:
    entries, flags = _entries(path)
    entries = _below_one_folder(entries)
    top = {entry.path: entry for entry in entries if "/" not in entry.path}
    if path.suffix.lower() == ".zip" or path.is_dir():
        _refuse_doubles(top)
    if path.is_dir() and not _code(top, given):
        packed = [entry for entry in top.values() if entry.name.lower().endswith(".zip")]
        if len(packed) == 1:
            entries = _below_one_folder(archive_entries(packed[0].read()))
            top = {entry.path: entry for entry in entries if "/" not in entry.path}
    main, code, more = _main(top, given)
    flags += more
    files = {MAIN: code, **_modules(entries, main, given, flags)}
    framework, assignment = _framework(code, top.get(MANIFEST), flags)
    return Submission(
        id=submission_id(path) if id is None else id,
        framework=framework,
        files=files,
        sha256=_digest(framework, files),
        flags=tuple(one_line(flag) for flag in flags),
        assignment=assignment,
    )


def _entries(path: Path) -> tuple[list[Entry], list[str]]:
    if path.is_symlink():
        raise SubmissionError(f"'{path.name}' is a link.", "Hand in the file itself.")
    if path.is_dir():
        return folder_entries(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SubmissionError(f"'{path.name}' is no folder, zip, .py or .ipynb file.", "Hand in one of these.")
    if suffix == ".zip":
        return archive_entries(read_file(path, 2**26)), []
    content = read_file(path)
    return [Entry(f"submission{suffix}", len(content), lambda: content)], []


def _below_one_folder(entries: list[Entry]) -> list[Entry]:
    """The entries without the folders that hold all of them, as most programs put them into a zip."""
    while entries:
        folders = {entry.path.partition("/")[0] if "/" in entry.path else "" for entry in entries}
        if len(folders) != 1 or folders == {""}:
            break
        entries = [replace(entry, path=entry.path.partition("/")[2]) for entry in entries]
    return entries


def _refuse_doubles(top: Mapping[str, Entry]) -> None:
    names = [name.casefold() for name in top]
    for name in top:
        if names.count(name.casefold()) > 1 and name.lower().endswith((".py", ".ipynb")):
            raise SubmissionError(f"'{name}' is there twice but for capital letters.", "Hand in one of the two.")


def _code(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> list[str]:
    """Names of what may be the main file, where none has the name that is asked for."""
    return [
        name
        for name in top
        if name.lower().endswith((".py", ".ipynb"))
        and (name not in given or name == MAIN)
        and (name == MAIN or not _is_reserved(name))
    ]


def _main(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> tuple[str, bytes, list[str]]:
    """Name and code of the main file, and flags."""
    candidates = _code(top, given)
    script, notebook = MAIN in candidates, NOTEBOOK in candidates
    if script and notebook:
        return _script_or_notebook(top, given)
    if script:
        return MAIN, _checked(top[MAIN].read(), MAIN), []
    notebooks = [name for name in candidates if name.lower().endswith(".ipynb")]
    scripts = [name for name in candidates if name.lower().endswith(".py")]
    chosen = [NOTEBOOK] if notebook else (scripts if len(scripts) == 1 and not notebooks else notebooks)
    if len(chosen) != 1:
        what = "no" if not candidates else "more than one file of code and no"
        packed = any(name.lower().endswith((".zip", ".tar", ".gz", ".rar", ".7z")) for name in top)
        raise SubmissionError(
            f"There is {what} '{MAIN}'{', but an archive in the archive' if packed and not candidates else ''}.",
            f"Hand in '{MAIN}' itself.",
        )
    name = chosen[0]
    if name.lower().endswith(".py"):
        return name, _checked(top[name].read(), name), [f"'{name}' was taken for '{MAIN}'."]
    code, flags = notebook_code(top[name].read())
    return name, code.encode("utf-8"), flags


def _script_or_notebook(top: Mapping[str, Entry], given: Mapping[str, bytes]) -> tuple[str, bytes, list[str]]:
    script = _checked(top[MAIN].read(), MAIN)
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
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) and _named(node) is None
    ]
    return ast.dump(tree)


def _checked(code: bytes, name: str) -> bytes:
    if len(code) > LARGEST_CODE:
        raise SubmissionError(f"'{name}' has more than a million characters.", "Hand in your code only.")
    return code


def _modules(entries: Sequence[Entry], main: str, given: Mapping[str, bytes], flags: list[str]) -> dict[str, bytes]:
    """The modules beside the main file that it may import."""
    found: dict[str, bytes] = {}
    left_out: list[str] = []
    for entry in entries:
        if entry.path in (main, MAIN, NOTEBOOK, MANIFEST):
            continue
        if entry.path in given:
            if entry.size != len(given[entry.path]) or entry.read() != given[entry.path]:
                flags.append(f"'{entry.path}' was changed; the assignment's own was used.")
        elif not entry.name.lower().endswith(".py"):
            if not entry.path.startswith("public/"):
                left_out.append(entry.path)
        elif _is_reserved(entry.name):
            flags.append(f"'{entry.path}' was left out: it has the name of a library or of the grader's own files.")
        elif "/" in entry.path or not _MODULE.match(entry.name):
            flags.append(f"'{entry.path}' was left out: modules lie beside '{MAIN}' and have plain names.")
        elif len(found) == _MOST_MODULES:
            raise SubmissionError(f"There are more than {_MOST_MODULES} modules.", "Hand in your own code only.")
        else:
            found[entry.path] = _checked(entry.read(), entry.path)
    if left_out:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        flags.append(f"Only code is graded; left out: {', '.join(left_out[:3])}{more}.")
    return found


def _is_reserved(name: str) -> bool:
    return PurePosixPath(name).stem.casefold() in _RESERVED


def _framework(code: bytes, manifest: Entry | None, flags: list[str]) -> tuple[Framework, str | None]:
    told, assignment = _manifest(manifest) if manifest is not None else (None, None)
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
    return framework, assignment


def _manifest(entry: Entry) -> tuple[Framework | None, str | None]:
    if entry.size > _LARGEST_MANIFEST:
        raise SubmissionError(f"'{MANIFEST}' is too large.", "Use the one that you were given.")
    try:
        values = tomllib.loads(entry.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"'{MANIFEST}' cannot be read.", "Use the one that you were given.") from error
    framework, assignment = values.get("framework"), values.get("assignment")
    return (
        None if framework is None else _known(framework),
        one_line(assignment, 80) if isinstance(assignment, str) else None,
    )


def named_framework(code: bytes) -> Framework | None:
    """The framework of a line ``FRAMEWORK = "torch"``, read without running anything.

    Raises
    ------
    SubmissionError
        If another framework is named, or two.
    """
    try:
        names = [_named(node) for node in ast.parse(code).body]
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


def _named(node: ast.stmt) -> ast.expr | None:
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


def _digest(framework: str, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(framework.encode())
    for name in sorted(files):
        digest.update(f"\n{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()


def submission_id(path: Path) -> str:
    """Who handed in: the name of the file without what learning platforms add to it.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> submission_id(Path("leekim_LATE_12345_67890_homework.zip"))
    'leekim_12345'
    """
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    canvas, moodle = _CANVAS.match(name), _MOODLE.match(name)
    if canvas:
        name = f"{canvas['name']}_{canvas['user']}"
    elif moodle:
        name = moodle["name"]
    return one_line(name, 120).strip() or "unnamed"


def submission_ids(paths: Sequence[Path]) -> dict[str, Path]:
    """Give each submission an id of its own, the same ones for the same paths.

    Where two would have the same, but for capital letters, each is called by the whole name of its file.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    dict of str to Path
    """
    styles: list[Callable[[Path], str]] = [
        submission_id,
        lambda path: one_line(path.name, 120),
        lambda path: one_line(f"{path.parent.name}_{path.name}", 200),
    ]
    unique = sorted({path.absolute() for path in paths})
    ids = {path: styles[0](path) for path in unique}
    for style in styles[1:]:
        keys = [name.casefold() for name in ids.values()]
        ids = {path: style(path) if keys.count(name.casefold()) > 1 else name for path, name in ids.items()}
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for path, name in ids.items():
        number, free = 2, name
        while free.casefold() in taken:
            free, number = f"{name} ({number})", number + 1
        taken.add(free.casefold())
        found[free] = path
    return found


def find_submissions(folder: Path) -> list[Path]:
    """The submissions of a folder: its folders, zips, scripts and notebooks; or itself, where it is one.

    Parameters
    ----------
    folder : Path
        May be a single file too.

    Returns
    -------
    list of Path
        Sorted by name.
    """
    folder = Path(folder)
    if not folder.is_dir() or any((folder / name).exists() for name in (MAIN, NOTEBOOK, MANIFEST)):
        return [folder]
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith((".", "__"))
        and (path.is_dir() or path.is_symlink() or path.suffix.lower() in SUFFIXES)
    )
