"""Peak memory of the sampling methods at 100 and at 10,000 samples: it is bounded by the chunk, not by the samples.

Each measurement is a process of its own, because a process's peak never falls.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

_GRID: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 4}}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "integrated_gradients": ("steps", {"rule": "midpoint"}),
    "smoothgrad": ("samples", {}),
    "smooth_taylor": ("samples", {}),
    "expected_gradients": ("samples", {"background": None}),
    "rise": ("samples", {}),
    "lime": ("samples", _GRID),
    "kernelshap": ("samples", _GRID),
    "shapley_sampling": ("samples", _GRID),
    "feature_permutation": ("samples", {"background": None} | _GRID),
    "layer_conductance": ("steps", {"layer": "features.0"}),
}
_SIZE = 32
# The same for both counts: chosen by itself, the chunk grows with the samples up to a budget of 1 GiB.
_CHUNK = 50


def measure(method: str, count: int, backend: str) -> None:
    """Run one method and print the process's peak in MB."""
    import twinlens as tl

    model = tl.load_model("small_cnn", backend=backend, size=_SIZE, widths=(8, 16))
    x = np.random.default_rng(0).random((1, 3, _SIZE, _SIZE), dtype=np.float32)
    name, options = METHODS[method]
    params = {
        key: np.random.default_rng(1).random((4, 3, _SIZE, _SIZE)) if value is None else value
        for key, value in options.items()
    }
    if "layer" in params:
        params["layer"] = next(row.name for row in model.layers() if row.kind == "conv2d")
    tl.explain(model, x, method, 0, batch_size=_CHUNK, **params, **{name: count})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measure every method in processes of their own, and print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "COUNT"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one[0], int(arguments.one[1]), arguments.backend)
        return
    table = Table(title=f"Peak memory of the process, MB ({arguments.backend})", title_justify="left")
    for column in ("method", "100", "10,000", "ratio"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method in METHODS:
        peaks = [_peak(method, count, arguments.backend) for count in (100, 10_000)]
        table.add_row(method, *(f"{peak:.0f}" for peak in peaks), f"{peaks[1] / peaks[0]:.2f}")
    Console(width=140).print(table)


def _peak(method: str, count: int, backend: str) -> float:
    command = [sys.executable, __file__, "--backend", backend, "--one", method, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
