"""How a script in the sandbox ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Cause: TypeAlias = Literal["timeout", "memory", "processes", "disk"]


@dataclass(frozen=True)
class Ending:
    """How the script ended.

    Attributes
    ----------
    work : Path
        Its folder, until the context is left.
    cause : str or None
        Why it was ended: ``"timeout"``, ``"memory"``, ``"processes"`` or ``"disk"``; None if it ended by itself.
    exit_code : int or None
        Negative for a signal; None if it was ended.
    cpu_s, wall_s, peak_mb : float
    log : str
        The end of what it printed.
    owners : tuple of int
        Accounts whose files are its own.
    near_memory : bool
        Whether its memory was within a tenth of the limit.
    """

    work: Path
    cause: Cause | None
    exit_code: int | None
    cpu_s: float
    wall_s: float
    peak_mb: float
    log: str
    owners: tuple[int, ...]
    near_memory: bool
