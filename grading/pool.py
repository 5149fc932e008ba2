"""Several submissions at a time, each in a process that may die without taking anything with it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .assignment import LoadedAssignment
from .one import not_graded
from .result import Result
from .sandbox import Isolation

_ATTEMPTS = 2
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Job:
    """One submission to grade.

    Attributes
    ----------
    id : str
    path : Path
    seed : int
    """

    id: str
    path: Path
    seed: int


class _Worker:
    """One process of ``grading/worker.py``, started when it is first needed and after it has died."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def ask(self, job: Job) -> dict[str, Any]:
        reason = ""
        for _ in range(_ATTEMPTS):
            process = self._running()
            if process is None:
                return {"error": "stopped"}
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                self._send(process, {"id": job.id, "path": str(job.path.absolute()), "seed": job.seed})
                line = process.stdout.readline()
                if line.endswith(b"\n"):
                    return dict(json.loads(line))
            except OSError:
                pass
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            reason = f"the grader's process ended (exit code {process.wait()})"
        return {"error": reason}

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", f"{__package__}.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **_ONE_THREAD},
                    start_new_session=True,  # Ctrl-C reaches the one process that knows what to do about it
                )
                self._send(self._process, self._setup)
            return self._process

    @staticmethod
    def _send(process: subprocess.Popen[bytes], value: object) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(value).encode() + b"\n")
        process.stdin.flush()

    def finish(self) -> None:
        """End it once it is idle."""
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(OSError):
                    self._send(self._process, None)
        self._wait(30)

    def stop(self) -> None:
        """End it now; the end of its input ends it and all that it has started."""
        with self._lock:
            self._stopped = True
        self._wait(10)

    def _wait(self, seconds: float) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None and seconds <= 10:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def grade_all(
    jobs: Sequence[Job], assignment: LoadedAssignment, isolation: Isolation, hidden: Sequence[Path], workers: int
) -> Generator[Result, None, None]:
    """Grade submissions, several at a time; results come as they are made.

    Parameters
    ----------
    jobs : sequence of Job
        In this order they are begun.
    assignment : LoadedAssignment
    isolation : Isolation
    hidden : sequence of Path
    workers : int
        So many processes.

    Yields
    ------
    Result
        One for each, `not_graded` where the grader itself failed. Leaving off early ends all processes.
    """
    setup = {
        "folder": str(assignment.folder.resolve()),
        "isolation": asdict(isolation),
        "hidden": [str(path.resolve()) for path in hidden],
    }
    waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Job, dict[str, Any]]] = queue.SimpleQueue()
    staff = [_Worker(setup) for _ in range(min(workers, len(jobs)))]
    for job in (*jobs, *[None] * len(staff)):
        waiting.put(job)
    threads = [threading.Thread(target=_work, args=(worker, waiting, done), daemon=True) for worker in staff]
    finished = False
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            yield _result(*done.get(), assignment, isolation)
        finished = True
    finally:
        for worker in staff:
            worker.finish() if finished else worker.stop()
        for thread in threads:
            thread.join(10)


def _work(
    worker: _Worker,
    waiting: queue.SimpleQueue[Job | None],
    done: queue.SimpleQueue[tuple[Job, dict[str, Any]]],
) -> None:
    while (job := waiting.get()) is not None:
        try:
            told = worker.ask(job)
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        done.put((job, told))


def _result(job: Job, told: dict[str, Any], assignment: LoadedAssignment, isolation: Isolation) -> Result:
    if "result" in told:
        return Result.model_validate(told["result"])
    return not_graded(job.id, assignment, job.seed, isolation, str(told.get("error", "it gives no reason")))
