"""The folder of a run: it appears whole, or not at all."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..files import write_arrays, write_whole
from ..methods import Explanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = "results.json"
_FILES = {RESULTS, "report.html"}
_FOLDERS = {"figures": {".png", ".html"}, "explanations": {".npz"}}
# What file managers and Jupyter leave in folders that somebody has looked at.
_LEFT_BY_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints"}


class Output:
    """Where a run writes its explanations, figures and numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def figure(self, figure: Figure, name: str) -> Path:
        """Save a figure as ``figures/NAME.png``."""
        from ..figures import save

        return save(figure, self.folder / "figures" / f"{name}.png")

    def explanation(self, explanation: Explanation, name: str) -> Path:
        """Save an explanation as ``explanations/NAME.npz``."""
        return explanation.save(self.folder / "explanations" / f"{name}.npz")

    def arrays(self, arrays: Mapping[str, Any], name: str) -> Path:
        """Save arrays, numbers and texts as ``explanations/NAME.npz``."""
        return write_arrays(self.folder / "explanations" / f"{name}.npz", arrays)

    def results(self, results: Mapping[str, Any]) -> Path:
        """Save the numbers as ``results.json``."""
        path = self.folder / RESULTS
        text = json.dumps(plain(results), indent=2, allow_nan=False) + "\n"
        return write_whole(path, text.encode())


@contextmanager
def run_folder(target: Path) -> Iterator[Output]:
    """Write a run beside its place and move it there at the end; after an exception nothing is left.

    Raises
    ------
    DataError
        If the place holds anything but an earlier run, or cannot be written.
    """
    target = target.resolve()
    with _one_line(target):
        _check_replaceable(target)
    missing = [folder for folder in target.parents if not folder.exists()]
    workplace = None
    try:
        with _one_line(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            workplace = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
            new = workplace / "new"
            new.mkdir()
        yield Output(new)
        with _one_line(target):
            _exchange(new, target, workplace / "old")
    finally:
        if workplace is not None:
            shutil.rmtree(workplace, ignore_errors=True)
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"'{target}' cannot be written ({error.strerror}).", "Choose another --out.") from error


def _exchange(new: Path, target: Path, old: Path) -> None:
    """Put a folder in the place of another; an interruption leaves one of them there."""
    _check_replaceable(target)
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _check_replaceable(folder: Path) -> None:
    """Raise `DataError` if there is anything but an earlier run or an empty folder."""
    if not folder.exists():
        return
    cure = "Choose another --out, or remove it."
    if not folder.is_dir():
        raise DataError(f"'{folder}' is a file, not a folder.", cure)
    found = _entries(folder)
    if not found:
        return
    strange = _strange(folder)
    if strange is not None or not _is_results(folder / RESULTS):
        raise DataError(f"'{folder}' is not a folder that twinlens wrote: it holds '{strange or found[0].name}'.", cure)


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.name not in _LEFT_BY_SYSTEMS)


def _strange(folder: Path) -> str | None:
    """Something that no run writes."""
    for entry in _entries(folder):
        if entry.name in _FOLDERS and entry.is_dir():
            for file in _entries(entry):
                if file.suffix not in _FOLDERS[entry.name] or not file.is_file():
                    return f"{entry.name}/{file.name}"
        elif entry.name not in _FILES:
            return entry.name
    return None


def _is_results(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "twinlens" in content


def plain(value: Any) -> Any:
    """Turn NumPy numbers, arrays and paths into what JSON has; NaN and infinity become None and text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return str(value) if isinstance(value, Path) else value
