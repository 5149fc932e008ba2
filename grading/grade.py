"""Grade a class: several submissions at a time, none of which can stop the others, and no work lost when killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from ..errors import ConfigError, DataError
from .archives import SubmissionError
from .assignment import LoadedAssignment
from .journal import NAME, Journal
from .one import given, grade_one, is_graded, refused
from .output import check_folder, write_output
from .pool import Job, grade_all
from .result import Result
from .sandbox import Isolation, probe
from .submission import read_submission
from .submission_ids import find_submissions, submission_ids

__all__ = ["grade", "grade_one", "strong_enough"]

Told = Callable[[Result, int, int], None]


def grade(
    paths: Sequence[Path],
    assignment: LoadedAssignment,
    out: Path,
    jobs: int = 1,
    seed: int | None = None,
    allow_weak: bool = False,
    say: Callable[[str], None] = lambda message: None,
    *,
    regrade: bool = False,
    single: bool = False,
    told: Told = lambda result, number, count: None,
) -> list[Result]:
    """Grade submissions and write the results.

    A run that was killed goes on with the same call: what is graded stays, and the rest gets the cases that it would
    have got.

    Parameters
    ----------
    paths : sequence of Path
        Submissions, or folders of them.
    assignment : LoadedAssignment
    out : Path
        Folder to write: new, empty, or of an earlier run. It may lie among the submissions, and is none of them.
    jobs : int
        Submissions at a time.
    seed : int, optional
        From which all cases are drawn; a secret one when left out.
    allow_weak : bool
        Go on where students' processes see the grader's files.
    say : callable
        Is told what goes on.
    regrade : bool
        Grade again what is graded already.
    single : bool
        Each path is one submission, whatever is in it.
    told : callable
        Is given each result, its number and how many there will be.

    Returns
    -------
    list of Result
        Sorted by id.

    Raises
    ------
    ConfigError, DataError, SandboxError
        If nothing can be graded at all.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs is {jobs}.", "Give at least 1.")
    if seed is not None and seed < 0:
        raise ConfigError(f"The seed is {seed}.", "Give 0 or more, or leave it out for a secret one.")
    out = Path(out)
    check_folder(out)
    submissions = _found(paths, single, out)
    isolation = strong_enough(allow_weak, say)
    handed_out = given(assignment)
    with Journal(out / NAME, assignment, seed, regrade) as journal:
        finished, waiting = _sorted_out(submissions, assignment, isolation, journal, handed_out)
        count, number = len(submissions), 0
        for result in finished:
            number += 1
            told(result, number, count)
        if waiting and number:
            say(f"{number} of {count} are graded already.")
        results = list(finished)
        with closing(grade_all(waiting, assignment, isolation, [*map(Path, paths), out], jobs)) as made:
            for result in made:
                if is_graded(result):
                    journal.add(result)
                results.append(result)
                number += 1
                told(result, number, count)
        results.sort(key=lambda result: result.submission.id)
        write_output(results, out)
    return results


def strong_enough(allow_weak: bool, say: Callable[[str], None] = lambda message: None) -> Isolation:
    """The sandbox of this machine, if it keeps the answers from students.

    Parameters
    ----------
    allow_weak : bool
        Take one that does not.
    say : callable

    Raises
    ------
    ConfigError
        If it does not and that is not allowed.
    SandboxError
        If there is none.
    """
    isolation = probe(allow_none=allow_weak)
    if not isolation.weak:
        return isolation
    lacking = ", ".join(barrier.id.replace("_", " ") for barrier in isolation.barriers if not barrier.holds)
    what = f"This machine's sandbox is weak (tier {isolation.tier}: {isolation.name}; not kept off: {lacking or '-'})."
    if not allow_weak:
        raise ConfigError(
            what, "Grade where user namespaces or bubblewrap work, or add --allow-weak for students whom you trust."
        )
    say(f"{what} Every result says so.")
    return isolation


def _found(paths: Sequence[Path], single: bool, out: Path) -> dict[str, Path]:
    own = Path(os.path.realpath(out))
    found: list[Path] = []
    for path in paths:
        real = Path(os.path.realpath(path))
        # What the instructor names may be a link; what lies in a folder of submissions may not.
        path = real if Path(path).is_symlink() else Path(path)
        if not path.exists():
            raise DataError(f"There is no '{path}'.", "Check the path.")
        if real == own:  # a shell's in/* names the folder of an earlier run too
            continue
        listed = [path] if single else find_submissions(path)
        # Deeper than among the submissions, it would be part of one, and the next run would read it.
        if real in own.parents and (listed == [path] or own.parent != real):
            raise ConfigError(f"'{out}' lies inside of a submission, in '{path}'.", "Choose an --out outside of it.")
        found += [entry for entry in listed if Path(os.path.realpath(entry)) != own]
    if not found:
        raise DataError(
            f"There are no submissions in '{paths[0]}'." if paths else "No submissions are named.",
            "Name a folder that holds folders, .zip, .py or .ipynb files.",
        )
    return submission_ids(found)


def _sorted_out(
    submissions: dict[str, Path],
    assignment: LoadedAssignment,
    isolation: Isolation,
    journal: Journal,
    handed_out: dict[str, bytes],
) -> tuple[list[Result], list[Job]]:
    """Results that there are without running anything, and what is left to do, one framework after the other."""
    finished: list[Result] = []
    waiting: list[tuple[str, Job]] = []
    for id, path in submissions.items():
        seed = journal.seed_of(id)
        try:
            submission = read_submission(path, id, handed_out)
        except SubmissionError as error:
            finished.append(refused(id, assignment, seed, isolation, error))
            continue
        known = journal.get(id, submission.sha256)
        if known is not None:
            finished.append(known)
        else:
            waiting.append((submission.framework, Job(id, path, seed)))
    waiting.sort(key=lambda item: (item[0], item[1].id))
    return finished, [job for _, job in waiting]
