"""Put stand-ins in the place of Paddle's functions, under every name that they have, and take them out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Patches:
    """What has been replaced, by holder and name."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Any, Any]] = []

    def install(self, stand_ins: Mapping[int, tuple[Any, Any]], holders: Iterable[Any]) -> None:
        """Replace originals in modules and classes.

        Parameters
        ----------
        stand_ins : mapping of int to (original, stand-in)
            By the identity of the original.
        holders : iterable of modules and classes
        """
        for holder in holders:
            for name, value in list(vars(holder).items()):
                if id(value) in stand_ins:
                    original, stand_in = stand_ins[id(value)]
                    self._made.append((holder, name, original, stand_in))
                    setattr(holder, name, stand_in)

    def restore(self) -> None:
        """Put the originals back, where nobody else has put something else since."""
        while self._made:
            holder, name, original, stand_in = self._made.pop()
            if vars(holder).get(name) is stand_in:
                setattr(holder, name, original)
