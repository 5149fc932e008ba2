"""Networks on Paddle whose gradients can be differentiated: operators stand in for those that cannot.

What stands in, and why, is in `paddle_second_formulas`. The operators of the older table, ``paddle._legacy_C_ops``, are
refused, but for activations without parameters.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .paddle_gradients import right_gradients, twice, wants_twice
from .paddle_import import import_paddle
from .paddle_interception import intercept, ruled
from .paddle_patches import Patches
from .paddle_second_formulas import FORMULAS, refused

paddle = import_paddle()

_SIMPLE = frozenset({"relu", "relu6", "sigmoid", "silu", "softmax", "swish", "tanh", "gelu"})

_patches = Patches()
_users = 0
_lock = threading.Lock()


class _OlderTable:
    """The operators of the older table."""

    def __init__(self, table: types.ModuleType) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._table, name)

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            if not wants_twice(*args, *kwargs.values()):
                return original(*args, **kwargs)
            if name not in _SIMPLE or len(args) > 1 or kwargs:
                return refused(f"_legacy_C_ops.{name}")
            return getattr(paddle.nn.functional, name)(*args)

        return stand_in


def _computing(original: Callable[..., Any], formula: Callable[..., Any], keys: tuple[str, ...]) -> Callable[..., Any]:
    signature = inspect.signature(formula)

    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if wants_twice(*args, *kwargs.values()) and not ruled(keys):
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                return original(*args, **kwargs)
            result = formula(*bound.args, **bound.kwargs)
            if result is not NotImplemented:
                return result
        return original(*args, **kwargs)

    return stand_in


def _stand_ins() -> dict[int, tuple[Any, Any]]:
    """What is replaced and by what, by the identity of what is replaced."""
    found: dict[int, tuple[Any, Any]] = {}
    older = paddle._legacy_C_ops
    found[id(older)] = older, _OlderTable(older)
    for name, (formula, keys) in FORMULAS.items():
        original = getattr(paddle._C_ops, name, None)
        if original is not None:
            found[id(original)] = original, _computing(original, formula, keys)
    return found


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Compute these operators so that their gradients have gradients.

    It holds for this thread only (others find the operators as they are behind the same names). Contexts nest, also
    with `right_gradients` and `intercept`. A rule of `intercept` comes first, and what its ``call`` computes is the
    operator itself.
    """
    global _users
    # No rules: what `intercept` replaces stays replaced, by one thing, for as long as this stands in front of it.
    with right_gradients(), intercept({}):
        with _lock:
            if not _users:
                modules = [module for module in sys.modules.values() if isinstance(module, types.ModuleType)]
                _patches.install(_stand_ins(), modules)
            _users += 1
        token = twice.set(True)
        try:
            yield
        finally:
            twice.reset(token)
            with _lock:
                _users -= 1
                if not _users:
                    _patches.restore()
