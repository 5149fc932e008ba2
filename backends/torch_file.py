"""Read the weights in a file written by ``torch.save`` without torch, and without running what it says.

Such a file is a pickle beside raw numbers. The unpickler here knows arrays, their storages and ordered dictionaries;
anything else that a file asks for is refused before it is called, or replaced by what does nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import CheckpointError, UnsafeCheckpointError
from .bfloat16 import widened
from .careful_pickle import Allowance, CarefulUnpickler, Refused, Rehearsal
from .protocol import Array
from .whole_modules import Inert, with_state_dicts

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    # The upper half of a float32, widened after reading: NumPy has no such type.
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LEGACY_PICKLES = 5
_NO_PICKLE = (pickle.UnpicklingError, AttributeError, IndexError, KeyError, TypeError, ValueError)


class _Storage(NamedTuple):
    key: str
    kind: str
    length: int


class _Tensor(NamedTuple):
    """A tensor whose numbers are still in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: Array) -> Array:
        """Cut the tensor out of its storage; a view that leaves the storage is refused."""
        count = math.prod(self.shape)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if min((0, self.offset, *self.shape, *self.strides)) < 0 or (count and last >= len(numbers)):
            raise ValueError("a tensor reaches beyond its storage")
        if count > len(numbers):
            raise ValueError("a tensor has more elements than its storage")
        strides = tuple(step * numbers.itemsize for step in self.strides)
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)
        if self.storage.kind == "BFloat16Storage":
            return widened(np.ascontiguousarray(view))
        return view.copy()


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _rebuild_parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


class _Unpickler(CarefulUnpickler):
    """Knows arrays, their storages and ordered dictionaries; `kinds` holds the number types of the storages it met."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.kinds: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in _DTYPES:
            return name
        raise Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        marker, kind, key, _, length, *view = pid
        if marker != "storage" or kind not in _DTYPES or any(view):
            raise pickle.UnpicklingError(f"unknown storage {pid!r}")
        self.kinds[str(key)] = str(kind)
        return _Storage(str(key), str(kind), int(length))


def _set_of_names(names: Any = ()) -> set[str]:
    # Other things can take for ever to hash.
    return {name for name in names if isinstance(name, str)}


class _WithModules(_Unpickler):
    """Takes whole modules for what they hold, and makes nothing of them."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "set" and module in ("builtins", "__builtin__"):
            return _set_of_names
        try:
            return super().find_class(module, name)
        except Refused:
            return Inert

    def persistent_load(self, pid: Any) -> Any:
        # The older format wrote a module's source beside its class.
        return Inert if pid[0] == "module" else super().persistent_load(pid)


def read_torch_file(path: str | Path, *, modules: bool = False) -> Any:
    """Read what ``torch.save`` wrote, in its zip format or in the older one.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` or ``.pt`` file that holds tensors, numbers, strings, lists and dictionaries.
    modules : bool
        Take the state dict for a whole module, and let everything else that is not plain be nothing.

    Returns
    -------
    dict or other plain object
        What was saved, with NumPy arrays in place of tensors; bfloat16 is widened to float32.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated or of another format.
    UnsafeCheckpointError
        If the file asks for anything but arrays and plain containers; nothing of it was run.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no weights file '{path}'.", "Check the path.")
    try:
        with path.open("rb") as file:
            unpickler = _WithModules if modules else _Unpickler
            return (_read_zip if zipfile.is_zipfile(file) else _read_legacy)(file, Allowance(path), unpickler)
    except Refused as refused:
        raise UnsafeCheckpointError(
            f"'{path}' asks for '{refused}', which is neither an array nor a plain container; nothing of it was run.",
            "Save the state dict alone: torch.save(net.state_dict(), path).",
        ) from None
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"'{path}' is not a whole file of torch.save ({error}).", "Save or download it again."
        ) from error


def rehearse(path: Path) -> None:
    """Go through a file before torch reads it, and make nothing of it.

    Raises
    ------
    Refused
        If reading it would take for ever.
    CheckpointError
        If it unfolds to much more than its size.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            # What is no pickle torch will find out, and say.
            with suppress(EOFError, *_NO_PICKLE):
                for _ in range(_LEGACY_PICKLES):
                    Rehearsal(file).load()
            return
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, Allowance(path))
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    with suppress(*_NO_PICKLE):
                        Rehearsal(io.BytesIO(archive.read(name))).load()


def _check_members(archive: zipfile.ZipFile, allowance: Allowance) -> None:
    """Count what the members of an archive unfold to: torch does not compress them."""
    members = archive.infolist()
    allowance.spend(sum(member.file_size for member in members))
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two of its members have one name")


def _read_zip(file: BinaryIO, allowance: Allowance, unpickler: type[_Unpickler]) -> Any:
    with zipfile.ZipFile(file) as archive:
        _check_members(archive, allowance)
        names = archive.namelist()
        pickled = next((name for name in names if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise ValueError("it holds no data.pkl; a TorchScript archive is a program, not weights")
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        content = with_state_dicts(unpickler(io.BytesIO(archive.read(pickled))).load())
        return _fill(content, lambda storage: archive.read(f"{root}data/{storage.key}"), allowance)


def _read_legacy(file: BinaryIO, allowance: Allowance, unpickler: type[_Unpickler]) -> Any:
    file.seek(0)
    if _Unpickler(file).load() != _LEGACY_MAGIC or _Unpickler(file).load() != _LEGACY_PROTOCOL:
        raise ValueError("its first bytes are those of another format")
    if not _Unpickler(file).load().get("little_endian", True):
        raise ValueError("its numbers are big-endian")
    reader = unpickler(file)
    content = with_state_dicts(reader.load())
    raw: dict[str, bytes] = {}
    for key in _Unpickler(file).load():
        length = int.from_bytes(file.read(8), "little")
        raw[key] = file.read(length * np.dtype(_DTYPES[reader.kinds[key]]).itemsize)
    return _fill(content, lambda storage: raw[storage.key], allowance)


def _fill(content: Any, read: Callable[[_Storage], bytes], allowance: Allowance) -> Any:
    numbers: dict[_Storage, Array] = {}

    def array(tensor: _Tensor) -> Array:
        storage = tensor.storage
        if storage not in numbers:
            numbers[storage] = np.frombuffer(read(storage), dtype=_DTYPES[storage.kind], count=storage.length)
        allowance.spend(math.prod(tensor.shape) * numbers[storage].itemsize)
        return tensor.array(numbers[storage])

    return _walk(content, array, {})


def _walk(content: Any, visit: Callable[[_Tensor], Any], seen: dict[int, Any]) -> Any:
    """A copy with every tensor replaced; what the file holds in several places is gone through once."""
    if isinstance(content, _Tensor):
        return visit(content)
    if not isinstance(content, dict) and type(content) not in (list, tuple):
        return content
    if id(content) not in seen:
        if isinstance(content, dict):
            copied: Any = {key: _walk(value, visit, seen) for key, value in content.items()}
        else:
            copied = type(content)(_walk(value, visit, seen) for value in content)
        seen[id(content)] = copied
    return seen[id(content)]
