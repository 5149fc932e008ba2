"""What is graded already: a run that was killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError, DataError
from .assignment import LoadedAssignment
from .result import Result

SCHEMA = "journal/1"
NAME = "journal.jsonl"


class Journal:
    """An append-only file: what is graded and from which secret seed, then one line for each finished submission.

    A line is on the disk before the next submission starts. Half a line, which a power cut can leave, is cut off.

    Parameters
    ----------
    path : Path
    assignment : LoadedAssignment
    seed : int, optional
        From which all cases are drawn; a secret one when left out.
    regrade : bool
        Forget what is graded already.

    Raises
    ------
    ConfigError
        If the assignment or the seed is not the one that the journal was begun with, or another grader writes it.
    DataError
        If it cannot be read or written, or is none.
    """

    def __init__(
        self, path: Path, assignment: LoadedAssignment, seed: int | None = None, regrade: bool = False
    ) -> None:
        self.path = path
        self._results: dict[tuple[str, str], Result] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b")
        except OSError as error:
            raise DataError(
                f"'{path}' cannot be written ({error.strerror}).", "Choose a folder that you may write to."
            ) from error
        try:
            self._lock()
            self.seed = self._begin(assignment, seed, regrade)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"Another grader is writing '{self.path.parent}'.", "Wait for it, or end it.") from error

    def _begin(self, assignment: LoadedAssignment, seed: int | None, regrade: bool) -> int:
        if regrade:
            self._file.truncate(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        fingerprint = assignment_sha256(assignment)
        if not whole:
            chosen = secrets.randbits(128) if seed is None else seed
            self._file.seek(0)
            self._file.truncate(0)
            self._append(
                {"schema": SCHEMA, "assignment": assignment.assignment.id, "sha256": fingerprint, "seed": str(chosen)}
            )
            return chosen
        head, *lines = whole.splitlines()
        begun = self._head(head)
        if begun["sha256"] != fingerprint:
            raise ConfigError(
                f"'{self.path.parent}' was graded with another state of the assignment, or with another one.",
                "Grade into another folder, or grade all again with --regrade.",
            )
        if seed is not None and str(seed) != begun["seed"]:
            raise ConfigError(
                f"'{self.path.parent}' was graded with another seed.",
                "Leave --seed out, or grade all again with --regrade.",
            )
        for line in lines:
            self._take(line)
        self._file.truncate(len(whole))
        self._file.seek(len(whole))
        return int(begun["seed"])

    def _head(self, line: bytes) -> dict[str, Any]:
        try:
            head = json.loads(line)
            if head["schema"] == SCHEMA and isinstance(head["sha256"], str) and int(head["seed"]) >= 0:
                return dict(head)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise DataError(f"'{self.path}' is no journal of a grader.", "Grade into another folder.")

    def _take(self, line: bytes) -> None:
        try:
            result = Result.model_validate(json.loads(line)["result"])
        except (ValidationError, ValueError, KeyError, TypeError, RecursionError):
            return  # graded again
        self._results[result.submission.id, result.submission.sha256] = result

    def seed_of(self, id: str) -> int:
        """The seed of one submission's cases: its own, and the same however often it is graded.

        Parameters
        ----------
        id : str
        """
        return derived_seed(self.seed, id)

    def get(self, id: str, sha256: str) -> Result | None:
        """The result of a submission that has not changed since it was graded.

        Parameters
        ----------
        id, sha256 : str
        """
        return self._results.get((id, sha256))

    def add(self, result: Result) -> None:
        """Write a result and wait until it is on the disk.

        Parameters
        ----------
        result : Result
        """
        self._append({"result": json.loads(result.model_dump_json())})
        self._results[result.submission.id, result.submission.sha256] = result

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise DataError(f"'{self.path}' cannot be written ({error.strerror}).", "Make room on the disk.") from error

    def close(self) -> None:
        """Let another grader write it."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def derived_seed(seed: int, id: str) -> int:
    """A seed of its own for each submission, which tells nothing of the others'.

    Parameters
    ----------
    seed : int
        Of the run.
    id : str
        Of the submission.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{id}".encode()).digest()[:6], "big")


def assignment_sha256(assignment: LoadedAssignment) -> str:
    """A fingerprint of an assignment's files.

    Parameters
    ----------
    assignment : LoadedAssignment
    """
    digest = hashlib.sha256()
    for path in sorted(assignment.folder.rglob("*")):
        name = path.relative_to(assignment.folder)
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
            content = path.read_bytes()
            digest.update(f"{name.as_posix()}\n{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
