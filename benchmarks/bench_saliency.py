"""Saliency through `twinlens.explain` beside a hand-written loop, on each framework, in turns within one process.

Prints the median of the ratios of neighbouring runs: 1.00 means that twinlens costs nothing.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import Run, paired

import twinlens as tl
from twinlens.backends import available_backends, get_backends


def torch_loop(net: Any, pictures: np.ndarray, targets: list[int]) -> Run:
    """What a student writes in PyTorch: the gradient of the chosen logits with respect to the batch."""
    import torch

    index = torch.tensor(targets)

    def run() -> np.ndarray:
        net.eval()
        x = torch.tensor(pictures, requires_grad=True)
        scores = net(x).gather(1, index[:, None]).sum()
        (gradient,) = torch.autograd.grad(scores, x)
        return gradient.numpy()

    return run


def paddle_loop(net: Any, pictures: np.ndarray, targets: list[int]) -> Run:
    """The same in Paddle."""
    import paddle

    index = paddle.to_tensor(np.array(targets)[:, None])

    def run() -> np.ndarray:
        net.eval()
        x = paddle.to_tensor(pictures, stop_gradient=False)
        scores = paddle.take_along_axis(net(x), index, axis=1).sum()
        (gradient,) = paddle.grad(scores, x)
        return gradient.numpy()

    return run


LOOPS = {"torch": torch_loop, "paddle": paddle_loop}


def main() -> None:
    """Measure, and print one row per framework and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    names = available_backends()
    get_backends(names)
    table = Table(title=f"Saliency, ResNet-18, {arguments.size} x {arguments.size}", title_justify="left")
    for column in ("framework", "batch", "twinlens, ms", "hand-written, ms", "ratio", "largest difference"):
        table.add_column(column, justify="right")
    for name in names:
        model = tl.load_model({"torch": "torchvision:resnet18", "paddle": "paddle:resnet18"}[name])
        for batch in arguments.batch:
            shape = (batch, 3, arguments.size, arguments.size)
            pictures = np.random.default_rng(0).random(shape, dtype=np.float32)
            targets = list(range(batch))
            loop = LOOPS[name](model.net, pictures, targets)

            def ours(model: Any = model, pictures: Any = pictures, targets: Any = targets) -> Any:
                return tl.explain(model, pictures, "saliency", targets).values

            difference = float(np.abs(ours() - loop()).max())
            mine, theirs, ratio = paired(ours, loop, arguments.rounds)
            table.add_row(name, str(batch), f"{mine:.1f}", f"{theirs:.1f}", f"{ratio:.3f}", f"{difference:.1e}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
