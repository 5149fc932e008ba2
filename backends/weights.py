"""Weights in files: read from any of the usual formats, written in one, and never run.

A file of PyTorch or Paddle is a pickle, which is a program. PyTorch brings a reader of its own that runs nothing;
Paddle does not, so its files are read here by an unpickler that knows arrays and plain containers only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ..errors import CheckpointError, NonFiniteError, UnsafeCheckpointError, WeightsError
from .protocol import Array

_NESTS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights")
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
    """

    arrays: dict[str, Array]
    framework: str
    metadata: dict[str, str] = field(default_factory=dict)


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
        Ends in ``.safetensors``; its folder exists.
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise CheckpointError(
            f"'{path}' cannot be written ({error.strerror}).", "Check the folder and the space on the disk."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]


def _widened(raw: Array) -> Array:
    """The float32 numbers whose upper halves are the given uint16: bfloat16, which NumPy does not have."""
    return (raw.astype(np.uint32) << 16).view(np.float32)


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
        arrays[name] = (_widened(flat) if entry["dtype"] == "BF16" else flat.copy()).reshape(entry["shape"])
    spoken = metadata.get("framework", metadata.get("format", "torch"))
    return Weights(arrays, "paddle" if spoken in {"paddle", "pd"} else "torch", metadata)


# -- torch ---------------------------------------------------------------------------------------------------------


def _read_torch(path: Path) -> Weights:
    if importlib.util.find_spec("torch") is None:
        from .torch_file import read_torch_file

        return Weights(_state(read_torch_file(path), path), "torch")
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):
            raise CheckpointError(f"'{path}' is no file of torch.save.", "Check where the file came from.") from error
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise _unsafe(path, asked[1] if asked else "a call", "torch.save(net.state_dict(), path)") from error
    except RuntimeError as error:
        if "TorchScript" not in str(error):
            raise
        raise _unsafe(path, "TorchScript", "torch.save(net.state_dict(), path)") from error
    return Weights(_state(content, path), "torch")


def _unsafe(path: Path, asked: str, save: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(
        f"'{path}' asks for '{asked}', which is neither an array nor a plain container: it holds a whole model or a"
        " program, and nothing of it was run.",
        f"Save the state dict alone: {save}.",
    )


def _array(value: Any) -> Array | None:
    """A leaf of a state dict as an array; None for what is no array of numbers."""
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "detach"):
        return None
    tensor = value.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return np.array(tensor.contiguous().numpy())


def _state(content: Any, path: Path) -> dict[str, Array]:
    """Find the state dict in what a file holds and take off what wrappers have added to its names."""
    if isinstance(content, Mapping):
        arrays = {name: _array(value) for name, value in content.items()}
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


# -- Paddle --------------------------------------------------------------------------------------------------------

_PARAMETER_NAMES = "StructuredToParameterName@@"
_SLICES = "UnpackBigParamInfor@@"


class _Dtype:
    """Stands for `numpy.dtype`: numbers only, so that no pickle describes memory to NumPy."""

    def __init__(self, kind: str, *_: Any) -> None:
        if not re.fullmatch(r"[biuf]\d", kind):
            raise pickle.UnpicklingError(f"an array of type '{kind}' holds no numbers")
        self.dtype = np.dtype(kind)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])

    def array(self, shape: Any, raw: Any, order: Any = "C") -> Array:
        flat = np.frombuffer(raw, dtype=self.dtype).astype(self.dtype.newbyteorder("="))
        # Paddle stores bfloat16 as uint16, a type that it has no tensors of.
        return (_widened(flat) if flat.dtype == np.uint16 else flat).reshape(shape, order=order)


class _Ndarray:
    """Stands for an array that is described in two steps, as pickle protocols below 5 do."""

    array: Array

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, is_fortran, raw = state
        self.array = dtype.array(shape, raw, "F" if is_fortran else "C")


def _latin1(text: str, encoding: str) -> bytes:
    """Stand for `codecs.encode`, by which protocol 2 spells bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding '{encoding}'")
    return text.encode("latin-1")


_ADMITTED: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Ndarray,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _latin1,
    "__builtin__.bytes": lambda: b"",
    "collections.OrderedDict": dict,
    **{f"{builtins}.{kind.__name__}": kind for builtins in ("builtins", "__builtin__") for kind in (tuple, list, dict)},
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray._reconstruct"] = lambda kind, shape, code: _Ndarray()
    _ADMITTED[f"{_core}.multiarray.scalar"] = lambda dtype, raw: dtype.array((), raw)
    _ADMITTED[f"{_core}.numeric._frombuffer"] = lambda raw, dtype, shape, order: dtype.array(shape, raw, order)


class _Refused(Exception):  # noqa: N818
    """Names what a pickle asks for; carried out of the unpickler."""


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler, less all that is not needed for arrays and plain containers.

    The compiled one takes objects from the extension registry without asking `find_class`.
    """

    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[f"{module}.{name}"]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def refuse(self) -> None:
        raise _Refused("an object or function outside the file")

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], _Dtype | _Ndarray):
            raise _Refused("a change to an object that is no array")
        build: Any = pickle._Unpickler.dispatch[pickle.BUILD[0]]
        build(self)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}
    for _opcode in (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID, pickle.INST, pickle.OBJ,
                    pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.NEXT_BUFFER):  # fmt: skip
        dispatch[_opcode[0]] = refuse


def _read_paddle(path: Path) -> Weights:
    try:
        with path.open("rb") as file:
            content = _plain(_Unpickler(file).load())
    except _Refused as refused:
        raise _unsafe(path, str(refused), "paddle.save(net.state_dict(), path)") from None
    return Weights(_state(content, path), "paddle")


def _plain(content: Any) -> Any:
    """Put arrays in the place of their stand-ins, and undo what `paddle.save` does to tensors."""
    if isinstance(content, _Ndarray):
        return content.array
    if isinstance(content, list):
        return [_plain(item) for item in content]
    if isinstance(content, tuple):
        # Inside nested containers a tensor is saved as a pair of its name and its values.
        is_tensor = len(content) == 2 and isinstance(content[0], str) and isinstance(content[1], _Ndarray)
        return content[1].array if is_tensor else tuple(_plain(item) for item in content)
    if not isinstance(content, dict):
        return content
    plain = {name: _plain(value) for name, value in content.items() if name != _PARAMETER_NAMES}
    for name, big in plain.pop(_SLICES, {}).items():
        plain[name] = np.concatenate([plain.pop(part) for part in big["slices"]]).reshape(big["OriginShape"])
    return plain
