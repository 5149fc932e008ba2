"""The folder of a run: it appears whole, or not at all."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..methods import Explanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = "results.json"


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

    def results(self, results: Mapping[str, Any]) -> Path:
        """Save the numbers as ``results.json``."""
        path = self.folder / RESULTS
        path.write_text(json.dumps(plain(results), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return path


@contextmanager
def run_folder(target: Path) -> Iterator[Output]:
    """Write a run beside its place and move it there at the end; after an exception nothing is left.

    Raises
    ------
    DataError
        If the place holds anything but an earlier run, or cannot be written.
    """
    target = target.absolute()
    if target.exists() and not _is_run(target):
        raise DataError(
            f"'{target}' exists and is not a folder that twinlens wrote.", "Choose another --out, or remove it."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise DataError(f"'{target}' cannot be written ({error.strerror}).", "Choose another --out.") from error
    try:
        temporary.chmod(0o755)
        yield Output(temporary)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_run(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        return "twinlens" in json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


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
