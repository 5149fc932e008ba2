"""Read the weights in a file written by ``paddle.save``, with or without Paddle, and without running what it says.

Such a file is a pickle. The unpickler here knows arrays and plain containers, and builds the arrays itself; anything
else that a file asks for is refused before it is called.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .bfloat16 import widened
from .protocol import Array

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


class Refused(Exception):  # noqa: N818
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
            raise Refused(f"{module}.{name}") from None

    def refuse(self) -> None:
        raise Refused("an object or function outside the file")

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], _Dtype | _Ndarray):
            raise Refused("a change to an object that is no array")
        build: Any = pickle._Unpickler.dispatch[pickle.BUILD[0]]
        build(self)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}
    for _opcode in (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID, pickle.INST, pickle.OBJ,
                    pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.NEXT_BUFFER):  # fmt: skip
        dispatch[_opcode[0]] = refuse


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
    """
    with path.open("rb") as file:
        return _plain(_Unpickler(file).load())


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
