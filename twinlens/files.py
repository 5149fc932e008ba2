"""Files that are either complete or not there."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import DataError


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file in one step, so that an interruption never leaves half of it.

    Parameters
    ----------
    path : path
        Where to; missing folders are made, an existing file is replaced.
    content : bytes
        All of the file.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise DataError(
            f"'{target}' cannot be written ({error.strerror or error}).", "Choose a folder that you may write to."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> Path:
    """Write arrays, numbers and texts as a compressed ``.npz`` file in one step; see `write_whole`."""
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return write_whole(path, content.getvalue())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
