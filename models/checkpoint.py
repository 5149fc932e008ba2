"""Where a training stands, in one safetensors file: no pickle, and the best weights can be loaded by name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends.protocol import Array
from ..backends.weights import read_weights, write_weights
from ..errors import CheckpointError

_PREFIX = "training/"
_LAST, _OPTIMISER = f"{_PREFIX}last/", f"{_PREFIX}optimiser/"
_HEADER = "twinlens_training"


@dataclass
class Checkpoint:
    """The state of a training at the end of an epoch.

    All random numbers of an epoch follow from the seed and the epoch's number, so no generator has to be kept.

    Attributes
    ----------
    best : dict of str to ndarray
        Canonical weights of the best epoch; in the file they have their plain names.
    last : dict of str to ndarray
        Canonical weights of the last epoch.
    optimiser : dict of str to ndarray
        What `Optimizer.state` returned.
    settings : dict
        What has to be the same when the training goes on.
    history : dict
        Numbers of the epochs so far.
    """

    best: dict[str, Array]
    last: dict[str, Array]
    optimiser: dict[str, Array]
    settings: dict[str, Any]
    history: dict[str, Any]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears whole or not at all.

        Raises
        ------
        CheckpointError
            If the name does not end in ``.safetensors`` or the file cannot be written.
        """
        arrays = dict(self.best)
        arrays |= {f"{_LAST}{name}": array for name, array in self.last.items()}
        arrays |= {f"{_OPTIMISER}{name}": array for name, array in self.optimiser.items()}
        header = json.dumps({"settings": self.settings, "history": self.history})
        write_weights(path, arrays, {_HEADER: header})

    @classmethod
    def read(cls, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> Checkpoint:
        """Read the file of a training with the same settings.

        Parameters
        ----------
        path : str or path
            What `write` wrote.
        settings : mapping
            Those of the training that wants to go on.

        Raises
        ------
        CheckpointError
            If the file is damaged, holds no training, or one with other settings.
        """
        content = read_weights(path)
        try:
            header = json.loads(content.metadata[_HEADER])
            found, history = header["settings"], header["history"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"'{path}' holds weights but no training to go on with.",
                "Pass it as weights= of load_model, and another name as checkpoint=.",
            ) from error
        for name, value in settings.items():
            if found.get(name) != value:
                raise CheckpointError(
                    f"The training in '{Path(path).name}' had {name}={found.get(name)}, this one has {name}={value}.",
                    "Use the same settings, or another checkpoint file to begin anew.",
                )

        def part(prefix: str) -> dict[str, Array]:
            return {n.removeprefix(prefix): array for n, array in content.arrays.items() if n.startswith(prefix)}

        return cls(without_training(content.arrays), part(_LAST), part(_OPTIMISER), dict(found), history)


def without_training(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Leave the best weights of a checkpoint's entries; other weights pass as they are."""
    return {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}
