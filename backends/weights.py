"""Weights in files: read from any of the usual formats, written in one, and never run.

A file of PyTorch or Paddle is a pickle, which is a program. PyTorch brings a reader of its own that runs nothing;
Paddle does not, so its files are read here by an unpickler that knows arrays and plain containers only.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ..errors import CheckpointError, DataError, NonFiniteError, UnsafeCheckpointError, WeightsError
from ..files import write_whole
from .bfloat16 import Widened, widened
from .careful_pickle import Allowance, Refused
from .paddle_file import read_paddle_file
from .protocol import Array
from .torch_file import read_torch_file, rehearse

_NESTS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights")
_ZIP = b"PK\3\4"
_PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile

_SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


@dataclass(frozen=True)
class Weights:
    """What a weights file holds.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The parameters and buffers. bfloat16 is widened to float32; all other types are as stored.
    framework : str
        Whose names and layout they have: ``"torch"`` (the canonical one) or ``"paddle"``.
    metadata : dict of str to str
        The header of a ``.safetensors`` file; empty for other formats.
    widened : tuple of str
        Names of the arrays that are bfloat16 in the file.
    beside : tuple of str
        Keys under which the file holds other weights, such as a running mean of these; they were not read.
    """

    arrays: dict[str, Array]
    framework: str
    metadata: dict[str, str] = field(default_factory=dict)
    widened: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a weights file.

    Parameters
    ----------
    path : str or path
        A ``.safetensors`` file, a ``.pth`` or ``.pt`` file of ``torch.save``, or a ``.pdparams`` file of
        ``paddle.save``. In the last two, the state dict may lie under a usual key such as ``"state_dict"`` or
        ``"model"``; prefixes that ``DataParallel`` and ``torch.compile`` add to every name are taken off.

    Returns
    -------
    Weights

    Raises
    ------
    CheckpointError
        If the file is missing, empty, truncated, of another format, or holds no state dict.
    UnsafeCheckpointError
        If the file asks for anything but arrays and plain containers; nothing of it was run.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"'{path}' is a folder, not a weights file.", "Name the file in it.")
    if not path.exists():
        raise CheckpointError(f"There is no weights file '{path}'.", "Check the path.")
    readers: dict[str, Callable[[Path], Weights]] = {
        ".safetensors": _read_safetensors,
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".pdparams": _read_paddle,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(
            f"'{path}' has the ending '{path.suffix}', which is not one of a weights file.",
            f"Use one of: {', '.join(readers)}.",
        )
    if not path.stat().st_size:
        raise CheckpointError(f"'{path}' is empty.", "Save or download it again.")
    try:
        return reader(path)
    except (CheckpointError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise CheckpointError(
            f"'{path}' is damaged or not a '{path.suffix}' file ({type(error).__name__}: {_first_line(error)}).",
            "Save or download it again.",
        ) from error


def write_weights(
    path: str | os.PathLike[str],
    state: Mapping[str, npt.ArrayLike],
    metadata: Mapping[str, str] | None = None,
    *,
    finite: bool = False,
) -> Path:
    """Write canonical weights as safetensors. The file appears whole or not at all.

    Parameters
    ----------
    path : str or path
        Ends in ``.safetensors``; missing folders are made.
    state : mapping of str to array
        Canonical names and layout, as `Model.state` returns them.
    metadata : mapping of str to str, optional
        Goes into the header, beside ``framework: torch``.
    finite : bool
        Refuse NaN and infinite values.

    Returns
    -------
    Path

    Raises
    ------
    CheckpointError
        If the ending is wrong or the file cannot be written.
    WeightsError
        If an entry is not an array of numbers.
    NonFiniteError
        If `finite` is asked for and an entry is not.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise CheckpointError(f"Weights are not written as '{path.name}'.", "Let the name end in '.safetensors'.")
    arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise WeightsError(f"'{name}' holds {array.dtype}, not numbers.", "Write parameters and buffers only.")
        if finite and not np.isfinite(array).all():
            raise NonFiniteError(f"'{name}' holds NaN or infinite values.", "Train again with a lower learning rate.")
    content = safetensors.numpy.save(arrays, {"framework": "torch", **(metadata or {})})
    try:
        return write_whole(path, content)
    except DataError as error:
        raise CheckpointError(error.cause, "Check the folder and the space on the disk.") from error


def _weights(
    arrays: Mapping[str, Array],
    framework: str,
    metadata: Mapping[str, str] | None = None,
    beside: tuple[str, ...] = (),
) -> Weights:
    marked = tuple(name for name, array in arrays.items() if isinstance(array, Widened))
    plain = {name: np.asarray(a) for name, a in arrays.items()}
    return Weights(plain, framework, dict(metadata or {}), marked, beside)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]


# -- safetensors ---------------------------------------------------------------------------------------------------


def _read_safetensors(path: Path) -> Weights:
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata() or {})
    arrays = {}
    for name, entry in safetensors.deserialize(path.read_bytes()):
        if entry["dtype"] not in _SAFETENSORS_DTYPES:
            raise CheckpointError(
                f"'{name}' in '{path}' has the number type {entry['dtype']}, which cannot be read.",
                "Convert it to float32 and save again.",
            )
        flat = np.frombuffer(entry["data"], dtype=_SAFETENSORS_DTYPES[entry["dtype"]])
        arrays[name] = (widened(flat) if entry["dtype"] == "BF16" else flat.copy()).reshape(entry["shape"])
    spoken = metadata.get("framework", metadata.get("format", "torch"))
    return _weights(arrays, "paddle" if spoken in {"paddle", "pd"} else "torch", metadata)


# -- torch ---------------------------------------------------------------------------------------------------------


def _read_torch(path: Path) -> Weights:
    try:
        content = _plain_content(path)
    except UnsafeCheckpointError:
        # What is sound beside a whole module, or inside of it, can be had without making the module.
        try:
            return _stated(read_torch_file(path, modules=True), path, "torch")
        except CheckpointError:
            pass
        raise
    return _stated(content, path, "torch")


def _plain_content(path: Path) -> Any:
    if importlib.util.find_spec("torch") is None:
        return read_torch_file(path)
    import torch

    try:
        rehearse(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Refused as refused:
        raise _unsafe(path, str(refused), "torch.save(net.state_dict(), path)") from None
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):
            raise CheckpointError(f"'{path}' is no file of torch.save.", "Check where the file came from.") from error
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise _unsafe(path, asked[1] if asked else "a call", "torch.save(net.state_dict(), path)") from error
    except RuntimeError as error:
        if "TorchScript" not in str(error):
            raise
        raise _unsafe(path, "TorchScript", "torch.save(net.state_dict(), path)") from error


def _unsafe(path: Path, asked: str, save: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(
        f"'{path}' asks for '{asked}', which is neither an array nor a plain container: it holds a whole model or a"
        " program, and nothing of it was run.",
        f"Save the state dict alone: {save}.",
    )


def _array(value: Any, allowance: Allowance, path: Path) -> Array | None:
    """A leaf of a state dict as an array; None for what is no array of numbers."""
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "detach"):
        return None
    tensor = value.detach()
    allowance.spend(tensor.numel() * tensor.element_size())
    if str(tensor.dtype) == "torch.bfloat16":
        return np.array(tensor.contiguous().float().numpy()).view(Widened)
    try:
        return np.array(tensor.contiguous().numpy())
    except (TypeError, RuntimeError) as error:
        kind = str(tensor.dtype if str(tensor.layout) == "torch.strided" else tensor.layout).removeprefix("torch.")
        raise CheckpointError(
            f"'{path}' holds a tensor of the kind {kind}, which NumPy does not have.",
            "Save it as an ordinary one: t.float(), t.dequantize() or t.to_dense().",
        ) from error


def _stated(content: Any, path: Path, framework: str) -> Weights:
    """The state dict in what a file holds, and under which keys it holds others."""
    state = _state(content, path)
    return _weights(state, framework, beside=_beside(content))


def _beside(content: Any) -> tuple[str, ...]:
    if not isinstance(content, Mapping):
        return ()
    states = [name for name, value in content.items() if _is_state(value)]
    read = next((name for name in _NESTS if isinstance(content.get(name), Mapping)), None)
    return tuple(str(name) for name in states if name != read)


def _is_state(value: Any) -> bool:
    arrays = value.values() if isinstance(value, Mapping) else ()
    return bool(arrays) and all(isinstance(each, np.ndarray) or hasattr(each, "detach") for each in arrays)


def _state(content: Any, path: Path) -> dict[str, Array]:
    """Find the state dict in what a file holds and take off what wrappers have added to its names."""
    if isinstance(content, Mapping):
        allowance = Allowance(path)
        arrays = {name: _array(value, allowance, path) for name, value in content.items()}
        if arrays and all(isinstance(name, str) and array is not None for name, array in arrays.items()):
            state = {name: array for name, array in arrays.items() if array is not None}
            for prefix in _PREFIXES:
                if all(name.startswith(prefix) for name in state):
                    state = {name.removeprefix(prefix): array for name, array in state.items()}
            return state
        for name in _NESTS:
            if isinstance(content.get(name), Mapping):
                return _state(content[name], path)
        other = next((name for name, array in arrays.items() if array is None), None)
        found = f"its entry '{other}' is a {type(content[other]).__name__}" if arrays else "it is empty"
    else:
        found = f"it is a {type(content).__name__}"
    raise CheckpointError(
        f"'{path}' holds no state dict of names and arrays: {found}.",
        f"Save net.state_dict() alone, or under one of the keys {', '.join(_NESTS[:4])}.",
    )


def _read_paddle(path: Path) -> Weights:
    with path.open("rb") as file:
        begin = file.read(4)
    # Old protocols begin with a letter or a bracket; so do no pictures, and no archives but zips.
    if begin == _ZIP or (begin[0] > 127 and not begin.startswith(pickle.PROTO)):
        cure = "If torch.save wrote it, let its name end in .pth." if begin == _ZIP else "Check where it came from."
        raise CheckpointError(f"'{path}' is no file of paddle.save.", cure)
    try:
        content = read_paddle_file(path)
    except Refused as refused:
        raise _unsafe(path, str(refused), "paddle.save(net.state_dict(), path)") from None
    return _stated(content, path, "paddle")
