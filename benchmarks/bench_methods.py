"""Every method that another library has too, on PyTorch: the same work in turns within one process.

Prints how many times faster twinlens is: the median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from peers import PEERS, Peer
from rich.console import Console
from rich.table import Table
from side_by_side import paired

import twinlens as tl


def network(kind: str, size: int) -> tl.Model:
    """ResNet-18, or a network that every library can explain: no layer is used twice, no pooling follows a ReLU."""
    if kind == "resnet":
        return tl.load_model("torchvision:resnet18")
    from torch import nn

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
            self.head = nn.Linear(64 * (size // 4) ** 2, 16)

        def forward(self, x: Any) -> Any:
            # captum's LRP has no rule for a Flatten layer.
            return self.head(self.features(x).flatten(1))

    return tl.wrap(Plain())


def params_for(peer: Peer, x: np.ndarray) -> dict[str, Any]:
    """The parameters of our side; functions are given the batch."""
    return {name: value(x) if callable(value) else value for name, value in peer.params.items()}


def main() -> None:
    """Measure, and print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--only", nargs="+", default=list(PEERS), choices=list(PEERS), metavar="METHOD")
    arguments = parser.parse_args()
    table = Table(title=f"PyTorch, {arguments.size} x {arguments.size}", title_justify="left")
    for column in ("method", "network", "batch", "library", "twinlens, ms", "library, ms", "times faster"):
        table.add_column(column, justify="left" if column in ("method", "network", "library") else "right")
    nets = {kind: network(kind, arguments.size) for kind in ("resnet", "plain")}
    console = Console(width=140)
    for method in arguments.only:
        peer = PEERS[method]
        model = nets[peer.net]
        x = np.random.default_rng(0).random((peer.batch, 3, arguments.size, arguments.size), dtype=np.float32)
        targets = list(range(peer.batch))
        params = params_for(peer, x)
        theirs = peer.make(model, x, targets)

        chosen = targets if tl.methods()[method].targeted else None

        def ours(model: Any = model, x: Any = x, method: str = method, targets: Any = chosen, p: Any = params) -> Any:
            return tl.explain(model, x, method, targets, **p).values

        console.print(method, style="dim", end=" ")
        mine, other, ratio = paired(ours, theirs, arguments.rounds)
        kind = {"resnet": "ResNet-18", "plain": "2 convolutions"}[peer.net]
        row = [method, kind, str(peer.batch), peer.library, f"{mine:.0f}", f"{other:.0f}", f"{1 / ratio:.2f}"]
        console.print(row[-1], style="dim")
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
