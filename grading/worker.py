"""A process that grades one submission after the other: told by lines of JSON, and answering with them.

It ends as soon as the process that started it is gone.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any, NoReturn

from ..errors import TwinlensError
from .archives import SubmissionError
from .assignment import LoadedAssignment, load_assignment
from .one import given, grade_one, refused
from .result import Result
from .sandbox import Barrier, Isolation
from .submission import read_submission
from .trusted import Trusted


class Grader:
    """Grades submissions of one assignment, with one framework at a time loaded in its trusted process.

    Parameters
    ----------
    assignment : LoadedAssignment
    isolation : Isolation
    hidden : sequence of Path
        Folders that no student's process is to see.
    """

    def __init__(self, assignment: LoadedAssignment, isolation: Isolation, hidden: list[Path]) -> None:
        self.assignment = assignment
        self.isolation = isolation
        self.hidden = hidden
        self._given = given(assignment)
        self._trusted: Trusted | None = None

    def grade(self, path: Path, id: str, seed: int) -> Result:
        """Grade one submission.

        Parameters
        ----------
        path : Path
        id : str
        seed : int
        """
        try:
            submission = read_submission(path, id, self._given)
        except SubmissionError as error:
            return refused(id, self.assignment, seed, self.isolation, error)
        trusted = self._knowing(submission.framework)
        return grade_one(submission, self.assignment, seed, self.isolation, trusted, hidden=self.hidden)

    def _knowing(self, framework: str) -> Trusted:
        if self._trusted is None or self._trusted.framework != framework:
            self.close()
            self._trusted = Trusted(framework, self.assignment)
        return self._trusted

    def close(self) -> None:
        """End the trusted process."""
        if self._trusted is not None:
            self._trusted.close()
            self._trusted = None


def isolation_from(values: dict[str, Any]) -> Isolation:
    """The sandbox that another process has found.

    Parameters
    ----------
    values : dict
        Of ``dataclasses.asdict``.
    """
    return Isolation(**{**values, "barriers": tuple(Barrier(**barrier) for barrier in values["barriers"])})


def answer(grader: Grader, job: dict[str, Any]) -> dict[str, Any]:
    """Grade, or say why not: whatever happens, the next submission gets its turn."""
    try:
        result = grader.grade(Path(job["path"]), job["id"], job["seed"])
        return {"result": json.loads(result.model_dump_json())}
    except TwinlensError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _read(jobs: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        jobs.put(line)
    os._exit(0)  # in the midst of whatever it is: the sandbox dies with this process


def _own_output() -> IO[str]:
    """The output for answers alone; what an assignment prints goes to the error stream."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def main() -> NoReturn:
    """Grade until the end of the input."""
    answers = _own_output()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    setup = json.loads(jobs.get())
    grader = Grader(
        load_assignment(Path(setup["folder"])), isolation_from(setup["isolation"]), list(map(Path, setup["hidden"]))
    )
    while True:
        job = json.loads(jobs.get())
        if job is None:
            grader.close()
            os._exit(0)  # the thread that reads cannot be ended otherwise
        answers.write(json.dumps(answer(grader, job)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
