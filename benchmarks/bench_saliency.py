"""Saliency through `twinlens.explain` beside a hand-written loop, on each framework, in turns within one process.

Prints the median of the ratios of neighbouring runs: 1.00 means that twinlens costs nothing; several processes are
measured, and their median and range are printed.

GNU's C library gives freed memory back to the system when it happens to lie at the end, and gets its pages anew in the
next run: milliseconds, of one way or the other by chance, and for a whole process. So each batch is measured twice:
with the library told to keep memory, which shows what twinlens costs, and as it is, which shows what a user sees.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import Run, paired

import twinlens as tl
from twinlens.backends import available_backends


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

KEPT = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
"""What tells GNU's C library to keep freed memory for the next run."""


def measure(name: str, batch: int, size: int, rounds: int) -> tuple[float, float, float, float]:
    """Milliseconds of twinlens and of the loop, their ratio, and the largest difference of the gradients."""
    model = tl.load_model({"torch": "torchvision:resnet18", "paddle": "paddle:resnet18"}[name])
    pictures = np.random.default_rng(0).random((batch, 3, size, size), dtype=np.float32)
    targets = list(range(batch))
    loop = LOOPS[name](model.net, pictures, targets)

    def ours() -> Any:
        return tl.explain(model, pictures, "saliency", targets).values

    difference = float(np.abs(ours() - loop()).max())
    return *paired(ours, loop, rounds), difference


def measured(settings: Mapping[str, str | None], processes: int, *what: Any) -> list[tuple[float, float, float, float]]:
    """`measure` in new processes, each with these settings in its environment."""
    for key, value in settings.items():
        os.environ.pop(key, None)
        os.environ.update({} if value is None else {key: value})
    found = []
    for _ in range(processes):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            found.append(process.submit(measure, *what).result())
    return found


def main() -> None:
    """Measure, and print one row per framework and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    table = Table(title=f"Saliency, ResNet-18, {arguments.size} x {arguments.size}", title_justify="left")
    columns = (
        "framework",
        "batch",
        "memory",
        "twinlens, ms",
        "hand-written, ms",
        "ratio",
        "range",
        "largest difference",
    )
    for column in columns:
        table.add_column(column, justify="right")
    for name in available_backends():
        for batch in arguments.batch:
            for memory, settings in (("kept", KEPT), ("given back", dict.fromkeys(KEPT))):
                found = measured(settings, arguments.processes, name, batch, arguments.size, arguments.rounds)
                mine, theirs, ratio, difference = (statistics.median(column) for column in zip(*found, strict=True))
                lowest, highest = (chosen(each[2] for each in found) for chosen in (min, max))
                row = (f"{mine:.1f}", f"{theirs:.1f}", f"{ratio:.3f}", f"{lowest:.3f} to {highest:.3f}")
                table.add_row(name, str(batch), memory, *row, f"{difference:.1e}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
