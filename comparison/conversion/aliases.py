"""Which values of a recorded graph are the same memory, so that operations in place can be undone."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Written:
    """Stands for a value of which a part was changed."""

    name: str


class Aliases:
    """Follows views and changes in place through the nodes of a graph, in their order.

    Attributes
    ----------
    changed : set of node
        The values that the graph did not make itself and yet changes.
    """

    def __init__(self, nodes: Iterable[Any]) -> None:
        self._order = {node: place for place, node in enumerate(nodes)}
        self._base: dict[Any, Any] = {}
        self._current: dict[Any, Any] = {}
        self.changed: set[Any] = set()

    def base(self, node: Any) -> Any:
        """What a value is a view of; itself if of nothing."""
        return self._base.get(node, node)

    def current(self, node: Any) -> Any:
        """What holds a value by now: the node itself, or what has changed it."""
        while node in self._current:
            node = self._current[node]
        return node

    def view(self, node: Any, of: Any) -> None:
        """`node` may share its memory with `of`."""
        self._base[node] = self.base(of)

    def whole(self, node: Any) -> Any:
        """What a value was cut from with an index, if that is no part of something in turn; otherwise None."""
        if node.op != "call_function" or node.target is not operator.getitem or node not in self._base:
            return None
        source = node.args[0]
        return source if self.base(source) is source else None

    def change(self, node: Any, target: Any, becomes: bool, written: str | None = None) -> bool:
        """`node` changes `target` in place.

        Parameters
        ----------
        node, target : node
        becomes : bool
            Whether what the node computes is the target's new value.
        written : str, optional
            The slot that holds by then the new value of what the target was cut from.

        Returns
        -------
        bool
            False where a later step reads the change by another name than can be followed.
        """
        here, base = self._order[node], self.base(target)
        followed = self._names(target) if becomes else set()
        whole = None if written is None else self.whole(target)
        if whole is not None:
            followed |= self._names(whole)
        for other, place in self._order.items():
            shares = self.base(other) is base and place < here and other not in followed
            if shares and any(self._order[user] > here for user in other.users):
                return False
        if base.op == "placeholder":
            self.changed.add(base)
        if whole is not None and written is not None:
            self._current[self.current(whole)] = Written(written)
        if becomes:
            self._current[self.current(target)] = node
            self._base[node] = base
        return True

    def _names(self, node: Any) -> set[Any]:
        latest = self.current(node)
        return {other for other in self._order if self.current(other) is latest}
