"""How much memory a computation takes, the frameworks' own memory too."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_MIB = 1024
_SECONDS = 0.005


class PeakMemory:
    """Growth of the process's resident memory during a ``with`` block, at its peak.

    Attributes
    ----------
    mib : float or None
        After the block, in MiB above the level at its start. None where it cannot be had: off Linux, with a C library
        other than glibc.

    Notes
    -----
    Freed memory that the C library keeps is given back before the block, so that the second of two computations is
    not measured on memory that the first has paid for. The peak that the kernel keeps is set back to the level at the
    start, and read at the end. Where the kernel does not let it be set back, it is taken if the block has raised it,
    and else the highest level of samples 5 ms apart. Memory on a graphics card is not seen.
    """

    def __init__(self) -> None:
        self.mib: float | None = None
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        gc.collect()
        self._known = _give_back()
        if self._known:
            self._start, self._before = _levels()
            self._highest = self._start
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._known:
            return
        self._done.set()
        self._sampler.join()
        level, peak = _levels()
        highest = max(self._highest, level, peak if peak > self._before else 0)
        self.mib = (highest - self._start) / _MIB

    def _sample(self) -> None:
        while not self._done.wait(_SECONDS):
            self._highest = max(self._highest, _levels()[0])


def _levels() -> tuple[int, int]:
    """Resident memory now, and the most that it has ever been, in KiB."""
    found = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(found["VmRSS"].split()[0]), int(found["VmHWM"].split()[0])


def _give_back() -> bool:
    """Return freed memory to the system and forget the peak; whether the first, and what is measured, exists here."""
    try:
        _levels()
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, KeyError, AttributeError):
        return False
    with contextlib.suppress(OSError):
        _RESET.write_text(_RESET_PEAK)
    return True
