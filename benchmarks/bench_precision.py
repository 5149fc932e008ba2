"""Integrated gradients in bfloat16 beside full precision, on PyTorch: what it saves, and what it costs.

The first error is the one that the result carries, of the gradients at the inputs; the second is of the maps.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import paired

import twinlens as tl
from twinlens.datasets import photographs
from twinlens.errors import DeviceError


def row(name: str, weights: str | None, rounds: int) -> tuple[str, ...]:
    """One network, on two photographs at 50 steps."""
    model = tl.load_model(name, weights, backend="torch")
    x = photographs(224).stack([0, 1])[0]
    targets = model.predict(x).tolist()
    explain = partial(tl.explain, model, x, "integrated_gradients", targets, steps=50)
    rough, full = explain(precision="bfloat16"), explain()
    other, mine, ratio = paired(explain, lambda: explain(precision="bfloat16"), rounds)
    off = np.linalg.norm(rough.values - full.values) / np.linalg.norm(full.values)
    precision_error = rough.extras["precision_error"].max()
    return model.name, f"{mine:.0f}", f"{other:.0f}", f"{ratio:.2f}", f"{precision_error:.1%}", f"{off:.1%}"


def main() -> None:
    """Measure, and print one row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    table = Table(title="Integrated gradients, two photographs, 50 steps", title_justify="left")
    for column in ("network", "bfloat16, ms", "float32, ms", "times faster", "gradients off by", "maps off by"):
        table.add_column(column, justify="left" if column == "network" else "right")
    console = Console(width=140)
    for name, weights in (
        ("efficientnet_lite0", "pretrained"),
        ("torchvision:resnet18", None),
        ("torchvision:convnext_tiny", None),
    ):
        try:
            table.add_row(*row(name, weights, rounds))
        except DeviceError as error:
            console.print(error)
            return
    console.print(table)


if __name__ == "__main__":
    main()
