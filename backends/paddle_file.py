"""Read the weights in a file written by ``paddle.save``, with or without Paddle, and without running what it says.

Such a file is a pickle. The unpickler here knows arrays and plain containers, and builds the arrays itself; anything
else that a file asks for is refused before it is called.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from .bfloat16 import widened
from .careful_pickle import Allowance, CarefulUnpickler, Refused
from .protocol import Array

_PARAMETER_NAMES = "StructuredToParameterName@@"
_SLICES = "UnpackBigParamInfor@@"


class _Dtype:
    """Stands for `numpy.dtype`: numbers only, so that no pickle describes memory to NumPy."""

    def __init__(self, allowance: Allowance, kind: str, *_: Any) -> None:
        self._allowance = allowance
        if not re.fullmatch(r"[biuf]\d", kind):
            raise pickle.UnpicklingError(f"an array of type '{kind}' holds no numbers")
        self.dtype = np.dtype(kind)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])

    def array(self, shape: Any, raw: Any, order: Any = "C") -> Array:
        self._allowance.spend(len(raw))
        flat = np.frombuffer(raw, dtype=self.dtype).astype(self.dtype.newbyteorder("="))
        # Paddle stores bfloat16 as uint16, a type that it has no tensors of.
        return (widened(flat) if flat.dtype == np.uint16 else flat).reshape(shape, order=order)


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
    "_codecs.encode": _latin1,
    "__builtin__.bytes": lambda: b"",
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray._reconstruct"] = lambda kind, shape, code: _Ndarray()
    _ADMITTED[f"{_core}.multiarray.scalar"] = lambda dtype, raw: dtype.array((), raw)
    _ADMITTED[f"{_core}.numeric._frombuffer"] = lambda raw, dtype, shape, order: dtype.array(shape, raw, order)
_CONTAINERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": dict,
    **{f"{builtins}.{kind.__name__}": kind for builtins in ("builtins", "__builtin__") for kind in (tuple, list, dict)},
}


class _Unpickler(CarefulUnpickler):
    """An unpickler that has all that arrays and plain containers need, and nothing else."""

    def __init__(self, file: BinaryIO, allowance: Allowance) -> None:
        super().__init__(file)
        self._allowance = allowance

    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module}.{name}"
        if asked == "numpy.dtype":
            return partial(_Dtype, self._allowance)
        if asked in _CONTAINERS:
            return partial(self._container, _CONTAINERS[asked])
        try:
            return _ADMITTED[asked]
        except KeyError:
            raise Refused(asked) from None

    def _container(self, kind: Callable[..., Any], *content: Any) -> Any:
        # A container that is copied again and again fills the memory from a small file.
        self._allowance.spend(8 * sum(map(len, content)))
        return kind(*content)

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], _Dtype | _Ndarray):
            raise Refused("a change to an object that is no array")
        build: Any = pickle._Unpickler.dispatch[pickle.BUILD[0]]
        build(self)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {**CarefulUnpickler.dispatch, pickle.BUILD[0]: load_build}
    for _opcode in (pickle.PERSID, pickle.BINPERSID, pickle.INST, pickle.OBJ,
                    pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.NEXT_BUFFER):  # fmt: skip
        dispatch[_opcode[0]] = CarefulUnpickler.refuse


def read_paddle_file(path: Path) -> Any:
    """Read what ``paddle.save`` wrote.

    Parameters
    ----------
    path : Path
        A ``.pdparams`` file of any pickle protocol.

    Returns
    -------
    dict or other plain object
        What was saved, with NumPy arrays in place of tensors; bfloat16 is widened to float32.

    Raises
    ------
    Refused
        Naming what the file asks for beside arrays and plain containers; nothing of it was run.
    CheckpointError
        If the file unfolds to much more than its size.
    """
    with path.open("rb") as file:
        return _plain(_Unpickler(file, Allowance(path)).load(), {})


def _plain(content: Any, seen: dict[int, Any]) -> Any:
    """Put arrays in the place of their stand-ins, and undo what `paddle.save` does to tensors.

    What the file holds in several places is gone through once: lists of lists that each hold the last one twice would
    take for ever.
    """
    if isinstance(content, _Ndarray):
        return content.array
    if not isinstance(content, list | tuple | dict):
        return content
    if id(content) not in seen:
        seen[id(content)] = _plain_container(content, seen)
    return seen[id(content)]


def _plain_container(content: Any, seen: dict[int, Any]) -> Any:
    if isinstance(content, list):
        return [_plain(item, seen) for item in content]
    if isinstance(content, tuple):
        # Inside nested containers a tensor is saved as a pair of its name and its values.
        is_tensor = len(content) == 2 and isinstance(content[0], str) and isinstance(content[1], _Ndarray)
        return content[1].array if is_tensor else tuple(_plain(item, seen) for item in content)
    plain = {name: _plain(value, seen) for name, value in content.items() if name != _PARAMETER_NAMES}
    for name, big in plain.pop(_SLICES, {}).items():
        plain[name] = np.concatenate([plain.pop(part) for part in big["slices"]]).reshape(big["OriginShape"])
    return plain
