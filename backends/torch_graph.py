"""A torch network whose ``forward`` is a ``torch.fx`` graph, and which keeps layers that this graph does not use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

_CONTENTS = ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set")


class GraphNetwork(fx.GraphModule):
    """A ``torch.fx.GraphModule`` with all layers and weights of `root`, in the order of `root`.

    ``torch.fx`` alone drops what the graph does not call (an auxiliary head, a dropout that never runs), and with it
    entries of the weights; it does so again in every copy.

    Parameters
    ----------
    root : torch.nn.Module
        Holds the layers, parameters and buffers; they are shared with the new network, not copied.
    graph : torch.fx.Graph
        What ``forward`` does.
    class_name : str, optional
        What the network calls itself; a copy keeps the name of its original.
    """

    def __init__(self, root: torch.nn.Module, graph: fx.Graph, class_name: str = "") -> None:
        name = class_name or vars(root).get("_graphmodule_cls_name", "Network")
        super().__init__(root, graph, name)
        self._graphmodule_cls_name = name
        for name in _CONTENTS:
            setattr(self, name, vars(root)[name])

    def _deepcopy_init(self) -> Callable[..., None]:
        return GraphNetwork.__init__

    def __reduce__(self) -> tuple[Any, ...]:
        _, arguments = super().__reduce__()
        return _restored, arguments


def _restored(body: dict[str, Any], imports: str) -> GraphNetwork:
    contents = {name: body[name] for name in _CONTENTS}
    name, training = body.get("_graphmodule_cls_name", ""), body["training"]
    graph = fx.graph_module.reduce_graph_module(body, imports).graph
    root = torch.nn.Module()
    root.training = training
    for key, value in contents.items():
        setattr(root, key, value)
    return GraphNetwork(root, graph, name)
