"""Weights written in the formats of the frameworks, so that each opens them by its own means."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..errors import BackendError, CheckpointError, DataError, WeightsError
from ..files import write_whole
from .protocol import Array
from .weights import write_weights

OWNERS = {".pth": "torch", ".pt": "torch", ".pdparams": "paddle", ".safetensors": None}
"""Whose names and layout a file of each ending has; safetensors may hold either's."""

_PADDLE_TYPES = {"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}


def write_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> Path:
    """Write a state dict in the format that the file's ending names. The file appears whole or not at all.

    Parameters
    ----------
    path : str or path
        ``.pth`` or ``.pt`` for ``torch.load``, ``.pdparams`` for ``paddle.load``, or ``.safetensors``; missing folders
        are made.
    arrays : mapping of str to ndarray
        In the names and the layout of that format: torch's, but Paddle's for ``.pdparams``.

    Returns
    -------
    Path

    Raises
    ------
    CheckpointError
        If the ending is none of these, or the file cannot be written.
    BackendError
        If the format needs a framework that is not installed.
    WeightsError
        If an entry is of a type that the format's framework does not have.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return write_weights(path, arrays)
    writers: dict[str, Callable[[Mapping[str, Array]], bytes]] = {
        ".pth": _torch_bytes,
        ".pt": _torch_bytes,
        ".pdparams": _paddle_bytes,
    }
    if suffix not in writers:
        raise CheckpointError(f"Weights are not written as '{path.name}'.", f"Use one of: {', '.join(OWNERS)}.")
    native = {name: np.array(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    content = writers[suffix](native)
    try:
        return write_whole(path, content)
    except DataError as error:
        raise CheckpointError(error.cause, "Check the folder and the space on the disk.") from error


def _torch_bytes(arrays: Mapping[str, Array]) -> bytes:
    if importlib.util.find_spec("torch") is None:
        raise BackendError(
            "Files of torch.save are written by torch, which is not installed.",
            "Write .safetensors, which torch users can open too.",
        )
    import torch

    stream = io.BytesIO()
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, stream)
    return stream.getvalue()


def _paddle_bytes(arrays: Mapping[str, Array]) -> bytes:
    """A pickle of a plain dictionary of arrays, as ``paddle.save`` writes a state dict."""
    for name, array in arrays.items():
        if array.dtype.name not in _PADDLE_TYPES:
            raise WeightsError(f"'{name}' holds {array.dtype}, a type that Paddle has not.", "Save it as another.")
    return pickle.dumps(dict(arrays), protocol=4)
