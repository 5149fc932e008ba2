"""A class of `saliency` submissions, right and wrong, of both frameworks: wall seconds and peak memory of `grade`.

The memory is that of all processes together, each page divided among those that share it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from twinlens.grading.sandbox.processes import proportional_memory

SUBMISSIONS = Path(__file__).parent.parent / "tests" / "grading" / "submissions" / "saliency"


def hand_in(folder: Path, count: int) -> None:
    """Write submissions: in turns right ones and the known mistakes, in turns of either framework."""
    for number in range(count):
        own = SUBMISSIONS / ("torch", "paddle")[number % 2]
        text = (own / "right.py").read_text("utf-8")
        if number % 4 > 1:
            wrong = sorted(own.glob("*.txt"))
            text += "\n\n" + wrong[number // 2 % len(wrong)].read_text("utf-8")
        path = folder / f"student{number:02d}" / "submission.py"
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")


def main() -> None:
    """Grade the class and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        class_, out = Path(scratch, "class"), Path(scratch, "out")
        hand_in(class_, arguments.count)
        command = [sys.executable, "-m", "twinlens", "grade", str(class_), "--assignment", "saliency"]
        start, peak = time.perf_counter(), 0
        grading = subprocess.Popen(
            [*command, "--out", str(out), "--jobs", str(arguments.jobs), "--seed", "0"], stdout=subprocess.DEVNULL
        )
        while grading.poll() is None:
            peak = max(peak, proportional_memory(grading.pid) or 0)
            time.sleep(1)
        seconds = time.perf_counter() - start
        results = [json.loads(path.read_text("utf-8")) for path in sorted(Path(out, "results").glob("*.json"))]
    full = sum(result["status"] == "passed" for result in results)
    table = Table("submissions", "jobs", "wall s", "s each", "peak MiB", "full marks")
    table.add_row(
        str(len(results)), str(arguments.jobs), f"{seconds:.0f}", f"{seconds / len(results):.1f}", f"{peak >> 20}",
        str(full),
    )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
