"""Runs one task of a submission: arrays in, arrays out. Needs NumPy and the submission's framework only.

It reads ``task.json``, ``inputs.npz`` and ``network.npz``, builds the network with ``network.py``, has ``driver.py``
call the submission's function, and writes ``outputs.npz``; after an exception ``error.json`` instead.

To try things out yourself, in the folder that you work in::

    net = build_network("torch", dict(np.load("public/network.npz")))
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent

STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}
"""PyTorch's names of what batch normalisation keeps, by Paddle's."""


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


def build_network(framework: str, weights: Mapping[str, Any]) -> Any:
    """The network of ``network.py`` with these weights; without any, its own random ones.

    Parameters
    ----------
    framework : {"torch", "paddle"}
    weights : mapping of str to ndarray
        As for `load_weights`, in whose place ``network.py`` may have a function ``load(net, weights)``.
    """
    network = load("network", HERE / "network.py")
    net = network.build(framework)
    if weights:
        getattr(network, "load", load_weights)(net, weights)
    return net


def load_weights(net: Any, weights: Mapping[str, Any]) -> None:
    """Put weights into a network of either framework.

    Parameters
    ----------
    net : torch.nn.Module or paddle.nn.Layer
    weights : mapping of str to ndarray
        With PyTorch's names and layout in both frameworks.

    Raises
    ------
    ValueError
        If one is missing, unexpected or of another shape.
    """
    entries = entries_of(net)
    shapes = {name: tuple(t.shape)[::-1] if turned else tuple(t.shape) for name, (t, turned) in entries.items()}
    faults = [f"'{name}' is missing" for name in shapes if name not in weights]
    faults += [f"'{name}' is unexpected" for name in weights if name not in shapes]
    faults += [
        f"'{name}' has shape {np.shape(weights[name])} and not {shape}"
        for name, shape in shapes.items()
        if name in weights and np.shape(weights[name]) != shape
    ]
    if faults:
        raise ValueError(f"The weights do not fit the network: {', '.join(faults)}.")
    for name, (tensor, turned) in entries.items():
        values = np.array(weights[name].T if turned else weights[name], order="C")
        if hasattr(tensor, "set_value"):
            tensor.set_value(values.astype(tensor.numpy().dtype))
        else:
            tensor.copy_(tensor.new_tensor(values))


def entries_of(net: Any) -> dict[str, tuple[Any, bool]]:
    """The tensors of a network by PyTorch's names, and whether each is stored the other way round."""
    state = net.state_dict()
    if not hasattr(net, "named_sublayers"):
        # How many batches normalisation has seen is no weight: Paddle does not count them.
        return {name: (t, False) for name, t in state.items() if not name.endswith("num_batches_tracked")}
    from paddle.nn import Linear

    layers = net.named_sublayers(include_self=True)
    linear = {f"{name}.weight".lstrip(".") for name, layer in layers if isinstance(layer, Linear)}
    found = {}
    for name, tensor in state.items():
        layer, dot, own = name.rpartition(".")
        found[f"{layer}{dot}{STATISTICS.get(own, own)}"] = (tensor, name in linear)
    return found


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
    net = build_network(task["framework"], weights) if (HERE / "network.py").is_file() else None
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
