"""The process that knows the right answers, seen from the grader."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

from .. import errors
from ..errors import BackendError, ConfigError, TwinlensError
from .assignment import LoadedAssignment
from .npz_pipe import receive, send
from .protocol import Array, Arrays, Expected
from .text import one_line

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Trusted:
    """A process with one framework that computes what right and wrong submissions give.

    It is started with the first call and again when it has died. Arrays go in and come out; nothing is pickled.
    Several threads may share it: their calls follow one another.

    Parameters
    ----------
    framework : {"torch", "paddle"}
    assignment : LoadedAssignment
    seconds : float
        That one call may take.

    Examples
    --------
    >>> with Trusted("torch", load_assignment("saliency")) as trusted:
    ...     expected = trusted.expected("saliency_maps", inputs, weights)
    """

    def __init__(self, framework: str, assignment: LoadedAssignment, seconds: float = 600.0) -> None:
        self.framework = framework
        self.assignment = assignment
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._lock = threading.Lock()

    def expected(self, task: str, inputs: Arrays, weights: Arrays) -> Expected:
        """Compute the reference and all mistakes of a task.

        Parameters
        ----------
        task : str
            Its id.
        inputs : mapping of str to ndarray
            Of one run of the driver.
        weights : mapping of str to ndarray
            Of the network, under canonical names; none for a task without a network.

        Returns
        -------
        Expected

        Raises
        ------
        ConfigError
            If the assignment's answers fail, or end the process twice.
        """
        request = {"framework": self.framework, "folder": str(Path(self.assignment.folder).resolve()), "task": task}
        if task not in [known.id for known in self.assignment.assignment.tasks]:
            raise ConfigError(
                f"The assignment '{self.assignment.assignment.id}' has no task '{task}'.",
                errors.suggest(task, [known.id for known in self.assignment.assignment.tasks]),
            )
        with self._lock:
            values, groups = self._asked(task, request, inputs, weights)
        if values["error"] is not None:
            kind, cause, cure = values["error"]
            raise _error(kind)(cause, cure)
        return Expected(
            reference=groups["reference"],
            gap={name: float(value) for name, value in groups["gap"].items()},
            mistakes={name.partition(":")[2]: arrays for name, arrays in groups.items() if name.startswith("mistake:")},
        )

    def close(self) -> None:
        """End the process; a later call starts another."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    # Closing flushes what a process that died did not read.
                    with contextlib.suppress(OSError):
                        pipe.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def __enter__(self) -> Trusted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _asked(
        self, task: str, request: dict[str, str], inputs: Arrays, weights: Arrays
    ) -> tuple[dict[str, Any], dict[str, dict[str, Array]]]:
        """Ask, and once more where the process had died, for instance for lack of memory."""
        reason = ""
        for _ in range(2):
            process = self._running()
            late = threading.Event()
            watchdog = threading.Timer(self.seconds, _stop, (process, late))
            watchdog.daemon = True
            watchdog.start()
            try:
                send(cast(BinaryIO, process.stdin), request, {"inputs": inputs, "weights": weights})
                return receive(cast(BinaryIO, process.stdout))
            except ValueError as error:
                raise ConfigError(
                    f"The cases of task '{task}' cannot be used: {error}.", "Correct the answers."
                ) from error
            except (EOFError, OSError):
                reason = self._why(process, late.is_set())
                self.close()
            finally:
                watchdog.cancel()
            if late.is_set():
                break
        raise ConfigError(
            f"The answers of task '{task}' ended their process on {self.framework} ({reason}).", "Correct the answers."
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        # On the processor and on one thread, as the students' processes are.
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "CUDA_VISIBLE_DEVICES": ""}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.trusted_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=environment,
            )
        except OSError as error:
            raise BackendError(
                f"The process for the answers cannot be started ({error.strerror}).", "End other programs first."
            ) from error
        return self._process

    def _why(self, process: subprocess.Popen[bytes], late: bool) -> str:
        code = process.wait()
        if late:
            return f"it took more than {self.seconds:g} seconds"
        said = ""
        if self._complaints is not None:
            size = self._complaints.seek(0, os.SEEK_END)
            self._complaints.seek(max(0, size - 4000))
            lines = self._complaints.read().decode("utf-8", errors="replace").strip().splitlines()
            said = f": {one_line(lines[-1], 160)}" if lines else ""
        return f"exit code {code}{said}"


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _error(name: str) -> type[TwinlensError]:
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, TwinlensError) else ConfigError
