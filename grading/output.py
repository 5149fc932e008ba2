"""The folder of a grading run."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import DataError, MissingPackageError
from ..files import write_whole
from .exporters.feedback_html import feedback_page
from .exporters.gradebook import gradebook_csv
from .exporters.gradescope import results_json
from .exporters.junit import junit_xml
from .exporters.summary_html import summary_page
from .journal import NAME
from .result import Result

_EACH: dict[str, tuple[str, Callable[[Result], str]]] = {
    "results": (".json", Result.to_json),
    "feedback": (".html", feedback_page),
    "gradescope": (".json", results_json),
}
_UNSAFE = re.compile(r"[^\w.,()+@ -]")
_LONGEST = 100


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier run, and a machine that cannot write the pages.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    DataError
    MissingPackageError
    """
    missing = [name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"The pages need {missing[0]}.", "pip install 'twinlens[figures]'")
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / NAME).is_file()
    except OSError as error:
        raise DataError(f"'{folder}' cannot be read ({error.strerror}).", "Choose another folder.") from error
    if taken:
        raise DataError(
            f"There is something in '{folder}' that no grader wrote.", "Choose a new folder, or one of an earlier run."
        )


def write_output(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write all of a run: a file of each kind for each submission, the gradebook, JUnit XML and the class summary.

    Files of submissions that are no longer there are removed.

    Parameters
    ----------
    results : sequence of Result
    folder : Path

    Returns
    -------
    list of Path
        What is for the instructor.
    """
    ordered = sorted(results, key=lambda result: result.submission.id)
    for kind, (ending, write) in _EACH.items():
        written = [
            write_whole(folder / kind / f"{file_name(result.submission.id)}{ending}", write(result).encode("utf-8"))
            for result in ordered
        ]
        for path in set((folder / kind).iterdir()) - set(written):
            if path.is_file():
                path.unlink()
    return [
        write_whole(folder / "gradebook.csv", gradebook_csv(ordered).encode("utf-8")),
        write_whole(folder / "junit.xml", junit_xml(ordered)),
        write_whole(folder / "summary.html", summary_page(ordered).encode("utf-8")),
    ]


def file_name(id: str) -> str:
    """A name that every file system takes, and another one for every id.

    Parameters
    ----------
    id : str
    """
    plain = _UNSAFE.sub("_", id)[:_LONGEST].strip(" .") or "_"
    if plain == id:
        return plain
    return f"{plain}-{hashlib.sha256(id.encode()).hexdigest()[:8]}"
