"""What the readers of weights files share: an unpickler without the dangerous parts, and a limit on what it makes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from ..errors import CheckpointError

_FREE = 64 * 2**20
_TIMES = 32


class Refused(Exception):  # noqa: N818
    """Names what a pickle asks for; carried out of the unpickler."""


class Allowance:
    """How much memory the contents of one file may take: a small file that unfolds to a huge array is a trap.

    Layers that share their weights, and bfloat16, make the contents of a sound file larger than the file, but not by
    orders of magnitude.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = _FREE + _TIMES * path.stat().st_size

    def spend(self, size: int) -> None:
        """Count so many bytes.

        Raises
        ------
        CheckpointError
            If the file has used up what it may take.
        """
        self._left -= size
        if self._left < 0:
            raise CheckpointError(
                f"'{self._path}' unfolds to more than {_TIMES} times its size, as no weights do; it was not read.",
                "Check where the file came from.",
            )


class CarefulUnpickler(pickle._Unpickler):
    """Python's own unpickler, less the registry of extensions and less keys that take for ever to hash.

    The compiled one takes objects from that registry without asking `find_class`.
    """

    stack: list[Any]

    def refuse(self) -> None:
        raise Refused("an object or function outside the file")

    def _load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        _base(pickle.SETITEM)(self)

    def _load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        _base(pickle.SETITEMS)(self)

    def _load_dict(self) -> None:
        _check_keys(self.stack[::2])
        _base(pickle.DICT)(self)

    def _load_additems(self) -> None:
        _check_keys(self.stack)
        _base(pickle.ADDITEMS)(self)

    def _load_frozenset(self) -> None:
        _check_keys(self.stack)
        _base(pickle.FROZENSET)(self)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {
        **pickle._Unpickler.dispatch,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
        pickle.ADDITEMS[0]: _load_additems,
        pickle.FROZENSET[0]: _load_frozenset,
        **dict.fromkeys((opcode[0] for opcode in (pickle.EXT1, pickle.EXT2, pickle.EXT4)), refuse),
    }


class _Nothing:
    """Stands for whatever a pickle asks for: it can be called, filled and changed, and does nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __call__(self, *_: Any) -> _Nothing:
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    append = extend = add = __call__


class Rehearsal(CarefulUnpickler):
    """Goes through a pickle without making anything of it, before another reader does.

    torch's own reader runs nothing either, but it hashes every key.
    """

    def find_class(self, module: str, name: str) -> Any:
        return _Nothing

    def persistent_load(self, pid: Any) -> Any:
        return _Nothing()


def _base(opcode: bytes) -> Callable[..., Any]:
    load: Callable[..., Any] = pickle._Unpickler.dispatch[opcode[0]]
    return load


def _check_keys(keys: Iterable[Any]) -> None:
    """Refuse tuples in tuples: forty of them, each holding the last one twice, take years to hash."""
    for key in keys:
        if isinstance(key, tuple) and any(isinstance(part, tuple) for part in key):
            raise Refused("a key of tuples in tuples")
