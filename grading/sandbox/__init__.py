"""The sandbox: a student's code runs in a process of its own, gets arrays and hands over arrays.

`probe` finds the strongest barriers that this machine has, `run_student` runs one task behind them.
"""

from .collect import BadOutput, npz_bytes, read_outputs
from .isolation import Barrier, Isolation, SandboxError, probe
from .launch import RUNNER, run_student, task_files
from .workfolder import remove_leftovers

__all__ = [
    "RUNNER",
    "BadOutput",
    "Barrier",
    "Isolation",
    "SandboxError",
    "npz_bytes",
    "probe",
    "read_outputs",
    "remove_leftovers",
    "run_student",
    "task_files",
]
