"""Build the torch network that does what a Paddle network does.

The network is run on a few samples while everything that happens to a tensor is watched: layers, operators, methods
and functions. Each layer that torch has becomes torch's layer; every other layer becomes a ``torch.fx.GraphModule`` of
its own, whose ``code`` can be read. The names are the source's. A second run with another number of samples shows
whether a number in the code depends on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends import Backend, get_backend
from ...backends.protocol import Array, Net
from ...errors import BackendError, ModelError
from .from_paddle_building import Builder, share_parameters
from .from_paddle_frames import Frame
from .from_paddle_patches import watched
from .from_paddle_recorder import Recorder, same
from .from_paddle_storage import Storage

_SHOWN = 12


def torch_network(net: Net, example: Any) -> Net:
    """Rebuild a Paddle network in torch, without its weights.

    Parameters
    ----------
    net : paddle.nn.Layer
        In whatever mode; it comes back as it was.
    example : array, tensor, or tuple of them
        An input with the batch axis first, or several inputs.

    Returns
    -------
    torch.nn.Module
        With the same hierarchy, names and precision; parameters take a gradient where the source's do. The weights are
        to be copied by name: ``torch.load(built, paddle.state(net))`` with the two backends.

    Raises
    ------
    ModelError
        If something in the network has no counterpart; everything that has none is named, with its place.
    BackendError
        If torch or Paddle is not installed, or the network is not Paddle's.

    Notes
    -----
    What is recorded is the path that `example` takes, in evaluation mode: branches on sizes are fixed. Numbers computed
    from ``x.shape`` stay formulas; others are those of the example, and hold for inputs of its size with any number of
    samples. Values of tensors that decide anything are refused. Functional dropout that does not run is taken to follow
    ``self.training``.
    """
    backend, torch = get_backend("paddle"), get_backend("torch")
    if not backend.owns(net):
        raise BackendError(f"A network of type '{type(net).__name__}' is not Paddle's.", "Pass a paddle.nn.Layer.")
    _check_not_compiled(net)
    trained = {id(parameter) for parameter in net.parameters() if not parameter.stop_gradient}
    arrays = _arrays(example)
    storage = Storage(net, backend.kind, backend.is_tensor)
    recorder = Recorder(net, backend, storage)
    with torch.seeded(0):
        with backend.frozen(net), watched(recorder):
            frames = recorder.record(*_samples(backend, net, arrays, 2))
            problems = [*recorder.problems, *_taken_names(net, torch)]
            if not problems:
                others = recorder.record(*_samples(backend, net, arrays, 3))
                problems = [*recorder.problems, *_that_follow_the_batch(frames, others)]
        if problems:
            raise _refused(problems)
        built = Builder(frames, recorder.leaves, backend, storage, trained).build(net)
    share_parameters(built, storage)
    return built


def _check_not_compiled(net: Net) -> None:
    for name, layer in net.named_sublayers(include_self=True):
        if any(cls.__name__ == "StaticFunction" for cls in type(layer.forward).__mro__):
            where = f"layer '{name}'" if name else "the network"
            raise ModelError(
                f"paddle.jit.to_static has compiled {where}, so that what happens inside cannot be watched.",
                "Build the network without to_static, or undo it first: layer.forward.rollback().",
            )


def _arrays(example: Any) -> list[Array]:
    several = example if isinstance(example, (tuple, list)) else (example,)
    arrays = [np.asarray(each.numpy() if hasattr(each, "numpy") else each) for each in several]
    if not arrays or any(array.ndim == 0 or len(array) == 0 for array in arrays):
        raise ModelError("The example holds no sample.", "Pass an array with the batch axis first.")
    return arrays


def _samples(backend: Backend, net: Net, arrays: list[Array], count: int) -> list[Any]:
    inputs = []
    for array in arrays:
        t = backend.asarray(np.resize(array, (count, *array.shape[1:])), device=backend.device(net))
        # A leaf could not be changed in place.
        inputs.append(backend.leaf(t).clone() if array.dtype.kind == "f" else t)
    return inputs


def _that_follow_the_batch(first: dict[int, Frame], second: dict[int, Frame]) -> list[str]:
    differing = []
    for key, frame in first.items():
        other = second.get(key)
        if other is None or not same(frame, other):
            where = f"layer '{frame.names[0]}'" if frame.names[0] else "the network itself"
            line = _first_difference(frame.code, other.code if other else "")
            differing.append(f"{where} depends on how many samples there are{line} (write x.shape[0], not its value)")
    return differing


def _first_difference(first: str, second: str) -> str:
    for line, other in zip(first.splitlines(), second.splitlines(), strict=False):
        if line != other:
            return f": {line.partition(';')[0].strip()}"
    return ""


def _taken_names(net: Net, torch: Backend) -> list[str]:
    taken = torch.nn.Identity()
    layers = net.named_sublayers(include_self=True)
    children = [(f"{name}.{child}", child) for name, layer in layers for child in layer._sub_layers]
    return [
        f"the name of layer '{full.removeprefix('.')}' is taken in torch (rename it)"
        for full, child in children
        if hasattr(taken, child) or child in ("code", "graph")
    ]


def _refused(problems: list[str]) -> ModelError:
    shown = "; ".join(problems[:_SHOWN]) + (f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else "")
    return ModelError(
        f"The network cannot be rebuilt in torch: {shown}.",
        "Write these parts with other layers or functions, or build the torch network yourself and use tl.transfer.",
    )
