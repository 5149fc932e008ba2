"""The trusted process: imports twinlens, one framework and an assignment's answers, and turns arrays into arrays.

Started by `Trusted`; it reads requests from standard input until that closes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..backends import Model, get_backend, wrap
from ..backends.failures import in_one_line
from ..errors import ConfigError, TwinlensError
from ..models.user_file import module_of
from .assignment import Task, load_assignment
from .npz_pipe import Groups, receive, send
from .protocol import Array, Arrays, Mistake


class Worker:
    """An assignment's answers on one framework.

    Parameters
    ----------
    framework : {"torch", "paddle"}
    folder : str
        Of the assignment.
    """

    def __init__(self, framework: str, folder: str) -> None:
        get_backend(framework)
        loaded = load_assignment(folder)
        self.framework = framework
        self.assignment = loaded.assignment
        self.answers = loaded.answers()
        self.build = module_of(str(Path(folder) / "network.py")).build

    def compute(self, task_id: str, inputs: Arrays, weights: Arrays) -> dict[str, dict[str, Array]]:
        """Compute the reference, its gap, and all mistakes of one task.

        Parameters
        ----------
        task_id : str
        inputs, weights : mapping of str to ndarray

        Returns
        -------
        dict of str to (dict of str to ndarray)
            ``reference``, ``gap``, and ``mistake:ID`` for each mistake.

        Raises
        ------
        ConfigError
            If the answers or ``network.py`` fail, or give what cannot be compared with.
        """
        task = self.assignment.task(task_id)
        expected = self.answers.expected
        network = self._network(task_id, weights)

        def right(model: Model, given: Arrays) -> Arrays:
            return expected(task_id, model, given)

        reference = self._run("The reference", right, task, network, "float64", inputs)
        for name, values in reference.items():
            if values.size == 0 or not np.isfinite(values).all():
                raise ConfigError(
                    f"The reference of task '{task_id}' gives '{name}' empty or with NaN or infinite values.",
                    "Correct the answers or their cases.",
                )
        single = self._run("The reference in float32", right, task, network, "float32", inputs)
        groups = {"reference": reference, "gap": {name: _gap(single, reference, name) for name in reference}}
        for mistake in _mistakes(self.answers, task_id):
            what = f"The mistake '{mistake.id}'"
            groups[f"mistake:{mistake.id}"] = self._run(what, mistake.compute, task, network, "float64", inputs)
        return groups

    def _network(self, task_id: str, weights: Arrays) -> Model:
        try:
            network = wrap(self.build(self.framework))
            if weights:
                network.load_state(weights)
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"The network of task '{task_id}' cannot be built on {self.framework} ({in_one_line(error)}).",
                "Correct network.py, or the weights of the answers.",
            ) from error
        return network

    def _run(
        self,
        what: str,
        function: Callable[[Any, Arrays], Arrays],
        task: Task,
        network: Model,
        dtype: str,
        inputs: Arrays,
    ) -> dict[str, Array]:
        """Run one of the answers on a copy of the network: some mistakes leave hooks or another mode behind."""
        try:
            found = function(wrap(network.net, dtype=dtype), {name: values.copy() for name, values in inputs.items()})
            outputs = {str(name): np.array(values) for name, values in found.items()}
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{what} of task '{task.id}' fails on {self.framework} ({in_one_line(error)}).", "Correct the answers."
            ) from error
        if set(outputs) != set(task.outputs):
            raise ConfigError(
                f"{what} of task '{task.id}' gives {sorted(outputs)}, the task names {sorted(task.outputs)}.",
                "Let both have the same names.",
            )
        for name, values in outputs.items():
            if values.dtype.kind not in "fiub":
                raise ConfigError(
                    f"{what} of task '{task.id}' gives '{name}' as {values.dtype}.", "Give arrays of numbers."
                )
        return {
            name: values.astype(np.float64) if values.dtype.kind == "f" else values
            for name, values in ((name, outputs[name]) for name in task.outputs)
        }


def _mistakes(answers: Any, task_id: str) -> list[Mistake]:
    return list(getattr(answers, "MISTAKES", {}).get(task_id, []))


def _gap(single: Arrays, double: Arrays, name: str) -> Array:
    a, b = np.asarray(single[name], dtype=np.float64), np.asarray(double[name], dtype=np.float64)
    if a.shape != b.shape or not np.isfinite(a).all():
        raise ConfigError(
            f"The reference gives '{name}' of shape {a.shape} in float32 and {b.shape} in float64, or not finite.",
            "Correct the answers.",
        )
    return np.array(np.abs(a - b).max() / (np.abs(b).max() or 1.0))


def main() -> None:
    """Answer requests until there are no more."""
    requests = sys.stdin.buffer
    # Whatever the answers or a framework print must not get between the replies.
    replies: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker: Worker | None = None
    while True:
        try:
            request, arrays = receive(requests)
        except EOFError:
            return
        values: dict[str, Any] = {"error": None}
        groups: Groups = {}
        try:
            worker = worker or Worker(request["framework"], request["folder"])
            groups = worker.compute(request["task"], arrays["inputs"], arrays["weights"])
        except TwinlensError as error:
            values["error"] = [type(error).__name__, error.cause, error.cure]
        except Exception as error:
            values["error"] = ["ConfigError", f"The answers fail ({in_one_line(error)}).", "Correct the answers."]
        send(replies, values, groups)


if __name__ == "__main__":
    main()
