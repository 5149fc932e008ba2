"""Runs one task of a submission: arrays in, arrays out. Copied beside the submission; needs NumPy only.

It reads ``task.json``, ``inputs.npz`` and ``network.npz``, builds the network with ``network.py``, has ``driver.py``
call the submission's function, and writes ``outputs.npz``; after an exception ``error.json`` instead.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def load(name: str, path: Path) -> ModuleType:
    """Import a file by its path, so that no other file of that name is taken."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file; none where there is no file."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def as_array(value: Any) -> Any:
    """A tensor of either framework, a list or a number as a plain array."""
    for step in ("detach", "cpu", "numpy"):
        function = getattr(value, step, None)
        if not isinstance(value, np.ndarray) and callable(function):
            value = function()
    return np.asarray(value)


def write_outputs(outputs: dict[str, Any]) -> None:
    """Write all arrays, or nothing."""
    unfinished = HERE / "outputs.npz.part"
    with open(unfinished, "wb") as file:
        np.savez(file, **{name: as_array(value) for name, value in outputs.items()})
    os.replace(unfinished, HERE / "outputs.npz")


def write_error(error: BaseException) -> None:
    """Write the last line of the traceback, and where in the submission it happened."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [step.lineno for step in steps if Path(step.filename).name == "submission.py"]
    line = own[-1] if own else None
    if isinstance(error, SyntaxError) and Path(error.filename or "").name == "submission.py":
        line = error.lineno
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1][:2000]
    words = str(error).lower()
    memory = isinstance(error, MemoryError) or "allocate memory" in words or "out of memory" in words
    (HERE / "error.json").write_text(json.dumps({"text": text, "line": line, "memory": memory}), "utf-8")


def run() -> None:
    """Do the task that ``task.json`` describes."""
    task = json.loads((HERE / "task.json").read_text("utf-8"))
    inputs = read_arrays(HERE / "inputs.npz")
    weights = read_arrays(HERE / "network.npz")
    sys.path.append(str(HERE))  # last: a file here may help the submission, and shadows no package
    sys.modules["twinlens"] = None  # type: ignore[assignment]  # the assignment is to be done without it
    net = None
    if (HERE / "network.py").is_file():
        network = load("network", HERE / "network.py")
        net = network.build(task["framework"])
        if weights:
            network.load(net, weights)
    driver = load("driver", HERE / "driver.py")
    submission = load("submission", HERE / task["submission"])
    write_outputs(dict(driver.run(task["task"], submission, net, inputs, task["framework"])))


def main() -> int:
    """Run, and say by files how it went."""
    try:
        run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        traceback.print_exc()
        write_error(error)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)  # neither threads left over nor a framework's shutdown changes what was written
