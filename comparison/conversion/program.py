"""What a layer's forward does, as a list of steps that need no framework of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import ModelError


@dataclass(frozen=True)
class Slot:
    """Stands for the result of an earlier step."""

    name: str


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes
    ----------
    result : str
        Name of the slot that takes what it returns.
    title : str
        The function or the path of the layer, for reading.
    call : callable
        ``call(net, *args, **kwargs)``, where `net` is the layer whose forward this is.
    args, kwargs
        Plain values and slots, also within lists, tuples, dictionaries and slices.
    done : tuple of str
        Slots that no later step reads.
    """

    result: str
    title: str
    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    done: tuple[str, ...] = ()

    def __str__(self) -> str:
        given = [_shown(value) for value in self.args]
        given += [f"{name}={_shown(value)}" for name, value in (self.kwargs or {}).items()]
        return f"{self.result} = {self.title}({', '.join(given)})"


class Program:
    """Steps from inputs to an output.

    Parameters
    ----------
    inputs : sequence of str
        Slots that take the arguments.
    steps : sequence of Step
    output
        A slot, or slots within tuples, lists and dictionaries.
    """

    def __init__(self, inputs: tuple[str, ...], steps: list[Step], output: Any) -> None:
        self.inputs = inputs
        self.steps = _forgetting(steps, output)
        self.output = output

    def __call__(self, net: Any, *arguments: Any) -> Any:
        values = dict(zip(self.inputs, arguments, strict=True))
        for step in self.steps:
            kwargs = {name: filled(value, values) for name, value in (step.kwargs or {}).items()}
            values[step.result] = step.call(net, *(filled(value, values) for value in step.args), **kwargs)
            for name in step.done:
                del values[name]
        return filled(self.output, values)

    def __str__(self) -> str:
        lines = [f"def forward({', '.join(self.inputs)}):", *(f"    {step}" for step in self.steps)]
        return "\n".join([*lines, f"    return {_shown(self.output)}"])


@dataclass(frozen=True)
class BothModes:
    """What a layer does in evaluation and, where that differs, in training."""

    evaluation: Program
    training: Program

    def __call__(self, net: Any, *arguments: Any) -> Any:
        return (self.training if net.training else self.evaluation)(net, *arguments)

    def __str__(self) -> str:
        return str(self.evaluation)


@dataclass(frozen=True)
class CallLayer:
    """Run a sublayer."""

    path: str

    def __call__(self, net: Any, *args: Any, **kwargs: Any) -> Any:
        return reached(net, self.path)(*args, **kwargs)


@dataclass(frozen=True)
class CallFunction:
    """Run a function that does not need the layer."""

    function: Callable[..., Any]

    def __call__(self, net: Any, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


@dataclass(frozen=True)
class Fetch:
    """Read a weight or a buffer, turned where the framework stores it transposed."""

    path: str
    transposed: bool = False

    def __call__(self, net: Any) -> Any:
        value = reached(net, self.path)
        return value.T if self.transposed else value


def same(found: Any, expected: Any) -> None:
    """Make sure that what a network decides by is what it was when its steps were recorded.

    Raises
    ------
    ModelError
        Otherwise: the recorded steps are those of the other decision.
    """
    if found != expected:
        raise ModelError(
            f"The network was converted for inputs of another shape: it decides by {found!r}, which was {expected!r}.",
            "Convert it again with x= of that shape; for any number of samples write x.shape[0], not len(x).",
        )


def reached(net: Any, path: str) -> Any:
    """What a dotted path leads to."""
    for name in path.split("."):
        net = getattr(net, name)
    return net


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A nested argument with each leaf changed."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(v, change) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(v, change) for v in value)
    if isinstance(value, dict):
        return {key: mapped(v, change) for key, v in value.items()}
    if isinstance(value, slice):
        return slice(*(mapped(v, change) for v in (value.start, value.stop, value.step)))
    return change(value)


def leaves(value: Any) -> list[Any]:
    """The leaves of a nested argument in order."""
    found: list[Any] = []
    mapped(value, found.append)
    return found


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A nested argument with the slots' values in their places."""
    return mapped(value, lambda leaf: values[leaf.name] if isinstance(leaf, Slot) else leaf)


def _forgetting(steps: list[Step], output: Any) -> list[Step]:
    """The steps, each of which lets go of what nobody reads after it."""
    needed = {leaf.name for leaf in leaves(output) if isinstance(leaf, Slot)}
    found = []
    for step in reversed(steps):
        read = [leaf.name for leaf in leaves((step.args, step.kwargs or {})) if isinstance(leaf, Slot)]
        done = {name for name in (*read, step.result) if name not in needed}
        found.append(replace(step, done=tuple(sorted(done))))
        needed |= set(read)
    return found[::-1]


def _shown(value: Any) -> str:
    if isinstance(value, Slot):
        return value.name
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return repr(value)
