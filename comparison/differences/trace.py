"""One run of a network, forward and backward, in which a witness sees every tensor at the doors of every layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ...backends import Model
from ...backends.protocol import Array, Handle, Net, Tensor
from ...errors import NoGradientError
from .objective import Chosen

IN, OUT = "in", "out"


class Door(NamedTuple):
    """Where a tensor is seen: it enters or leaves one call of a layer.

    Attributes
    ----------
    layer : str
        ``""`` is the network itself.
    call : int
        Counts the layer's calls in one run, from 0.
    side : {"in", "out"}
    slot : int
        Counts the tensors that pass there together.
    """

    layer: str
    call: int
    side: str
    slot: int


ENTRANCE = Door("", 0, IN, 0)
"""Where the input comes in."""


class Witness(Protocol):
    """What sees the tensors of a run, and may put others in their place.

    Attributes
    ----------
    roots : list of native tensor
        Where the network cuts the graph and a new one begins.
    """

    roots: list[Tensor]

    def value(self, door: Door, tensor: Tensor) -> Tensor:
        """Return the tensor that the network goes on with."""

    def close(self) -> None:
        """Let go of all tensors."""


@dataclass
class Run:
    """What a run was like.

    Attributes
    ----------
    doors : list of Door
        In the order in which they were passed.
    inside : dict
        For each call, the calls inside it; a layer without any is a leaf.
    around : dict
        For each call, the call that it was made in.
    scores : ndarray or None
    failure : Exception or None
        Why the run ended early.
    failed_in : (str, int) or None
        The call that it ended in.
    """

    doors: list[Door] = field(default_factory=list)
    inside: dict[tuple[str, int], int] = field(default_factory=dict)
    around: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    scores: Array | None = None
    failure: Exception | None = None
    failed_in: tuple[str, int] | None = None


def run(model: Model, x: Array, chosen: Chosen, witness: Witness, names: Mapping[str, str]) -> Run:
    """Run a network forward and backward under the eyes of a witness.

    Parameters
    ----------
    model : Model
    x : ndarray (N, ...)
        A checked input.
    chosen : Chosen
    witness : Witness
    names : mapping of str to str
        The layers to watch, and what to call them.

    Returns
    -------
    Run
        A run that ends early is a result, not an error: `Run.failure` says why.
    """
    backend = model.backend
    seen = Run()
    with backend.seeded(0), backend.frozen(model.net), _watched(model, names, witness, seen):
        leaf = backend.leaf(model.tensor(x))
        try:
            scores = model.scores(leaf)
            seen.scores = backend.numpy(scores)
            roots = [leaf, *witness.roots]
            with suppress(NoGradientError):  # what did not get one is known by then: its hook was not called
                backend.grad(backend.sum(model.explained(scores, chosen(seen.scores), "logit")), roots)
        except Exception as error:  # whatever the user's code raises; a run that ends early is a result
            seen.failure = error
        finally:
            witness.close()
    return seen


@contextmanager
def _watched(model: Model, names: Mapping[str, str], witness: Witness, seen: Run) -> Iterator[None]:
    backend = model.backend
    handles: list[Handle] = []
    calls: Counter[str] = Counter()
    open_calls: list[tuple[str, int]] = []

    def enter(name: str) -> Callable[[Net, Any], Any]:
        def on_enter(_layer: Net, inputs: Any) -> Any:
            here = (name, calls[name])
            calls[name] += 1
            if open_calls:
                seen.around[here] = open_calls[-1]
                seen.inside[open_calls[-1]] = seen.inside.get(open_calls[-1], 0) + 1
            open_calls.append(here)
            seen.failed_in = here
            replaced = _replace(tuple(inputs), here, IN)
            return replaced

        return on_enter

    def leave(name: str) -> Callable[[Net, Any, Any], Any]:
        def on_exit(_layer: Net, _inputs: Any, output: Any) -> Any:
            here = open_calls.pop()
            seen.failed_in = open_calls[-1] if open_calls else None
            return _replace(output, here, OUT)

        return on_exit

    def _replace(value: Any, here: tuple[str, int], side: str) -> Any:
        slots = iter(range(1 << 30))
        known: dict[int, Tensor] = {}

        def each(tensor: Tensor) -> Tensor:
            # One tensor that comes in three times, as query, key and value, stays one tensor.
            if id(tensor) not in known:
                door = Door(*here, side, next(slots))
                seen.doors.append(door)
                known[id(tensor)] = witness.value(door, tensor)
            return known[id(tensor)]

        return _mapped(value, each, backend.is_tensor)

    try:
        for name, layer in backend.modules(model.net).items():
            if name in names:
                handles.append(backend.on_enter(layer, enter(names[name])))
                handles.append(backend.on_exit(layer, leave(names[name])))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _mapped(value: Any, fn: Callable[[Tensor], Tensor], is_tensor: Callable[[Any], bool]) -> Any:
    """Apply a function to every tensor in nested tuples, lists and dictionaries."""
    if is_tensor(value):
        return fn(value)
    if isinstance(value, tuple):
        items = [_mapped(item, fn, is_tensor) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [_mapped(item, fn, is_tensor) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, fn, is_tensor) for key, item in value.items()}
    return value
