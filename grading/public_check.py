"""A student's own check, before handing in: the same sandbox, on the cases that everybody may see."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ConfigError, DataError
from .archives import SubmissionError
from .assignment import LoadedAssignment, load_assignment
from .file_names import MANIFEST
from .one import given, grade_one
from .result import Result
from .sandbox import probe
from .start import PUBLIC_SEED
from .submission import Submission, read_submission
from .trusted import Trusted


def check_submission(path: Path, assignment: str | None = None) -> Result:
    """Grade one's own work on the public cases.

    Parameters
    ----------
    path : Path
        The folder that ``twinlens start`` made, or anything that can be handed in.
    assignment : str, optional
        Name or folder; what ``submission.toml`` names when left out.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError, DataError, SandboxError
        If it cannot be told what to check, or nothing can be run here.
    """
    path = Path(os.path.realpath(path))
    if not path.exists():
        raise DataError(f"There is no '{path}'.", "Check the path.")
    loaded = load_assignment(assignment) if assignment is not None else _named_assignment(path)
    submission = _read(path, loaded)
    # It is one's own code: a weak sandbox is no reason to stop.
    isolation = probe(allow_none=True)
    with Trusted(submission.framework, loaded) as trusted:
        return grade_one(submission, loaded, PUBLIC_SEED, isolation, trusted, public=True)


def _read(path: Path, assignment: LoadedAssignment) -> Submission:
    submission = read_submission(path, given=given(assignment))
    if submission.framework not in assignment.assignment.frameworks:
        raise SubmissionError(
            f"This assignment cannot be done in {submission.framework}.",
            f"Choose one of: {', '.join(assignment.assignment.frameworks)}.",
        )
    return submission


def _named_assignment(path: Path) -> LoadedAssignment:
    name = read_submission(path).assignment
    if name is None:
        raise ConfigError(
            f"'{path.name}' does not say which assignment it is for.",
            f"Name it with --assignment, or write assignment = \"...\" into '{MANIFEST}'.",
        )
    return load_assignment(name)
