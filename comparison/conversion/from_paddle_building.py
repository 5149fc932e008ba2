"""Put recorded graphs and torch's own layers together into one network with the hierarchy of the source."""

from __future__ import annotations

from typing import Any

from ...backends import Backend
from ...backends.paddle_names import torch_name
from ...backends.protocol import Net
from .from_paddle_entries import torch_dtype
from .from_paddle_frames import Frame
from .from_paddle_layers import leaf_layer
from .from_paddle_storage import Storage
from .torch_lazily import nn, torch

_HOLDERS = {"module_list": "ModuleList", "module_dict": "ModuleDict", "sequential": "Sequential"}


class Builder:
    """Makes the torch network of a recording.

    Parameters
    ----------
    frames : dict
        The graph of each layer that was recorded, by the layer's identity.
    leaves : dict
        The torch layer of each of the others.
    backend : Backend
        Paddle's.
    storage : Storage
    trained : set of int
        Identities of the parameters that take a gradient.
    """

    def __init__(
        self, frames: dict[int, Frame], leaves: dict[int, Any], backend: Backend, storage: Storage, trained: set[int]
    ) -> None:
        self._frames = frames
        self._leaves = leaves
        self._backend = backend
        self._storage = storage
        self._trained = trained
        self._built: dict[int, Any] = {}

    def build(self, layer: Net) -> Any:
        """The torch module for a layer and everything below it; one module for a layer that is shared."""
        if id(layer) not in self._built:
            module = self._leaves.get(id(layer))
            frame = self._frames.get(id(layer))
            if module is None and frame is None:
                module = leaf_layer(layer)
            module = self._compose(layer, frame) if module is None else module
            module.training = layer.training
            self._mark(layer, module)
            self._built[id(layer)] = module
        return self._built[id(layer)]

    def _compose(self, layer: Net, frame: Frame | None) -> Any:
        root = nn.Module()
        for name, child in layer._sub_layers.items():
            if child is not None:
                root._modules[name] = self.build(child)
        kind = self._backend.kind(layer)
        for name, t in layer._parameters.items():
            if t is not None:
                own, transposed = torch_name(kind, name)
                values = torch.zeros(tuple(t.shape)[::-1] if transposed else tuple(t.shape), dtype=torch_dtype(t))
                statistic = own in ("running_mean", "running_var")
                (root.register_buffer if statistic else root.register_parameter)(
                    own, values if statistic else nn.Parameter(values, requires_grad=values.is_floating_point())
                )
        for name, t in layer._buffers.items():
            if t is not None and name not in layer._non_persistable_buffer_names_set:
                root.register_buffer(torch_name(kind, name)[0], torch.from_numpy(t.numpy()))
        if frame is None:
            return self._holder(root, kind)
        constants = {name: t.numpy() for name, t in self._storage.constants(layer).items()} | frame.constants
        for name, array in constants.items():
            root.register_buffer(name, torch.from_numpy(array), persistent=False)
        if kind == "sequential" and _is_chain(frame, list(root._modules)):
            return self._holder(root, kind)
        from ...backends.torch_graph import GraphNetwork

        return GraphNetwork(root, frame.graph, type(layer).__name__)

    def _holder(self, root: Any, kind: str) -> Any:
        holder = getattr(nn, _HOLDERS.get(kind, "Module"))()
        for contents in ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set"):
            setattr(holder, contents, vars(root)[contents])
        return holder

    def _mark(self, layer: Net, module: Any) -> None:
        if self._backend.has_channels_last(layer):
            # For `TorchBackend.has_channels_last`; a plain attribute of a graph would not survive a copy.
            module.register_buffer("_channels_last", torch.ones((), dtype=torch.int64), persistent=False)
        kind = self._backend.kind(layer)
        for name, t in layer._parameters.items():
            own = module._parameters.get(torch_name(kind, name)[0])
            if t is not None and own is not None and own.is_floating_point():
                own.requires_grad_(id(t) in self._trained)


def share_parameters(module: Any, storage: Storage) -> None:
    """Tensors that the source has under several names are one tensor in the rebuilt network as well."""
    for stored in storage.tensors.values():
        names = [each for each in stored if each.weight]
        homes = [module.get_submodule(each.owner) for each in names]
        for home, each in zip(homes[1:], names[1:], strict=True):
            for contents in ("_parameters", "_buffers"):
                if each.name in vars(home)[contents]:
                    vars(home)[contents][each.name] = getattr(homes[0], names[0].name)


def _is_chain(frame: Frame, names: list[str]) -> bool:
    nodes = [node for node in frame.graph.nodes if node.op != "placeholder"]
    inputs = [node for node in frame.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1 or [node.target for node in nodes[:-1]] != names:
        return False
    previous = [*inputs, *nodes]
    return all(node.op in ("call_module", "output") for node in nodes) and all(
        node.args == (before,) for before, node in zip(previous, nodes, strict=False)
    )
