"""The layers of a network by name, in the order of the frameworks' own walks and in half their time."""

from __future__ import annotations

from collections.abc import Iterator

from .protocol import Net, Tensor


def walk(net: Net, children: str) -> Iterator[tuple[str, Net]]:
    """The network itself, named ``""``, and every layer in it: each once, with the first of its names.

    A single gradient takes several such walks, and the frameworks' own go through one generator per level.

    Parameters
    ----------
    net : native network
    children : str
        The attribute of a layer that holds those inside it by name.
    """
    seen: set[int] = set()
    # From the end: what is inside a layer comes before the layer after it.
    waiting = [("", net)]
    while waiting:
        name, layer = waiting.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield name, layer
        inside = getattr(layer, children)
        if inside:
            prefix = f"{name}." if name else ""
            waiting += [(prefix + own, each) for own, each in reversed(list(inside.items())) if each is not None]


def walk_parameters(net: Net, children: str) -> Iterator[Tensor]:
    """The parameters of a network, each once; no more of it is looked at than is asked for."""
    seen: set[int] = set()
    for _, layer in walk(net, children):
        for t in layer._parameters.values():
            if t is not None and id(t) not in seen:
                seen.add(id(t))
                yield t
