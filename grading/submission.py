"""What a student handed in: read from a folder, a zip, a script or a notebook, and never run here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .archives import Entry, SubmissionError, archive_entries, folder_entries, read_file
from .file_names import MAIN, MANIFEST, NOTEBOOK, SUFFIXES, is_reserved
from .framework_choice import Framework, choose_framework, read_manifest
from .main_file import candidates, checked_code, main_file
from .submission_ids import submission_id
from .text import one_line

_MOST_MODULES = 50
_MODULE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}\.py$")


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
    if path.is_dir() and not candidates(top, given):
        packed = [entry for entry in top.values() if entry.name.lower().endswith(".zip")]
        if len(packed) == 1:
            entries = _below_one_folder(archive_entries(packed[0].read()))
            top = {entry.path: entry for entry in entries if "/" not in entry.path}
    main, code, more = main_file(top, given)
    flags += more
    files = {MAIN: code, **_modules(entries, main, given, flags)}
    told, assignment = read_manifest(top.get(MANIFEST))
    framework = choose_framework(code, told, flags)
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
        elif is_reserved(entry.name):
            flags.append(f"'{entry.path}' was left out: it has the name of a library or of the grader's own files.")
        elif "/" in entry.path or not _MODULE.match(entry.name):
            flags.append(f"'{entry.path}' was left out: modules lie beside '{MAIN}' and have plain names.")
        elif len(found) == _MOST_MODULES:
            raise SubmissionError(f"There are more than {_MOST_MODULES} modules.", "Hand in your own code only.")
        else:
            found[entry.path] = checked_code(entry.read(), entry.path)
    if left_out:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        flags.append(f"Only code is graded; left out: {', '.join(left_out[:3])}{more}.")
    return found


def _digest(framework: str, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(framework.encode())
    for name in sorted(files):
        digest.update(f"\n{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()
