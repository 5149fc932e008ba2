"""What every method returns: raw numbers, and all that is needed to make them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..files import write_arrays

Array = npt.NDArray[Any]

LOCAL_FIT = "local R²"
"""The one error estimate that is good when it is large."""

# In the JSON of a saved parameter: the name of the array that belongs there.
_ARRAY = "__array__"


@dataclass(frozen=True, eq=False)
class ErrorEstimate:
    """How far a result may be from what the method promises.

    Attributes
    ----------
    name : str
        Such as ``"completeness residual"``.
    values : ndarray (N,)
        One number per sample; NaN where there is nothing to judge by, as in a mean of a single draw.
    meaning : str
        How to read the numbers.
    scale : ndarray (N,) or None
        What to hold `values` against, in the same units.
    """

    name: str
    values: Array
    meaning: str
    scale: Array | None = None

    @property
    def relative(self) -> Array | None:
        """``|values| / |scale|``, infinite where the scale is zero; None without a scale."""
        if self.scale is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(self.values) / np.abs(self.scale)
        return np.where(self.values == 0, 0.0, ratio)

    @property
    def worst(self) -> float:
        """The largest error of the samples, as a share of the scale where there is one; of local fits the smallest.

        NaN where one of them is.
        """
        if self.name == LOCAL_FIT:
            return float(np.min(self.values))
        return float(np.max(np.abs(self.values) if self.relative is None else self.relative))


@dataclass(frozen=True, eq=False)
class Explanation:
    """The result of one method on one batch.

    Attributes
    ----------
    values : ndarray
        Raw signed attribution, same shape as `inputs` unless the method says otherwise.
    inputs : ndarray (N, ...)
    target : ndarray of int (N,) or None
        The class that was explained for each sample; None when the method has none or a function was given.
    scores : ndarray (N, classes)
        What the model says of `inputs`.
    method : str
    params : dict
        All parameters, those left at their defaults too.
    backend, model : str
        Name of the framework and of the network.
    seed : int or None
        Of the methods that draw random numbers.
    seconds : float
        Wall time.
    error : ErrorEstimate or None
        None for methods without an approximation.
    extras : dict of ndarray
        What else the method computed, such as the superpixels of LIME.
    evaluations : int or None
        Inputs that the method sent through the network, where it can be told how many.
    stopped : str or None
        Why it ended when that was not the number of samples or steps: ``"tolerance"``, ``"max_evaluations"``,
        ``"max_seconds"``, or ``"growth"`` (see `twinlens.methods.budget`).
    """

    values: Array
    inputs: Array
    target: Array | None
    scores: Array
    method: str
    params: Mapping[str, Any]
    backend: str
    model: str
    seed: int | None
    seconds: float
    error: ErrorEstimate | None = None
    extras: Mapping[str, Array] = field(default_factory=dict)
    evaluations: int | None = None
    stopped: str | None = None

    def save(self, path: str | Path) -> Path:
        """Write everything to one ``.npz`` file, without pickle; returns its path.

        Of the parameters tuples are loaded as lists, and what neither NumPy nor JSON has, such as a function, as its
        text.
        """
        arrays: dict[str, Any] = {"values": self.values, "inputs": self.inputs, "scores": self.scores}
        if self.target is not None:
            arrays["target"] = self.target
        facts: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("method", "backend", "model", "seed", "seconds", "evaluations", "stopped")
        }
        facts["params"] = {name: _written(value, arrays) for name, value in self.params.items()}
        if self.error is not None:
            facts["error"] = {"name": self.error.name, "meaning": self.error.meaning}
            arrays["error.values"] = self.error.values
            if self.error.scale is not None:
                arrays["error.scale"] = self.error.scale
        arrays |= {f"extras.{name}": array for name, array in self.extras.items()}
        arrays["facts"] = np.array(json.dumps(facts))
        return write_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Explanation:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged, or not a saved explanation.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            text = str(arrays.pop("facts"))
            facts = json.loads(text, object_hook=lambda found: arrays[found[_ARRAY]] if _ARRAY in found else found)
            error = facts.pop("error", None)
            # Older files name no arrays in their JSON.
            params = facts.pop("params") | _under("params", arrays)
            return cls(
                values=arrays["values"],
                inputs=arrays["inputs"],
                scores=arrays["scores"],
                target=arrays.get("target"),
                params=params,
                error=None if error is None else ErrorEstimate(**error, **_under("error", arrays)),
                extras=_under("extras", arrays),
                **facts,
            )
        except FileNotFoundError as missing:
            raise DataError(f"There is no file '{path}'.", "Check the path.") from missing
        except Exception as damage:  # zip, compression, NumPy and JSON each fail in their own ways
            raise DataError(
                f"'{path}' is not a saved explanation, or it is damaged.", "Make it again with Explanation.save."
            ) from damage

    def plot(self) -> Any:
        """Draw inputs and attributions; returns a matplotlib ``Figure``."""
        from ..figures.explanation import plot_explanation

        return plot_explanation(self)

    def __repr__(self) -> str:
        return f"Explanation({self.method}, {self.model} on {self.backend}, values {self.values.shape})"


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _written(value: Any, arrays: dict[str, Any]) -> Any:
    """A parameter as JSON has it; arrays go to the others, numbered."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        place = f"parameter {len(arrays)}"
        arrays[place] = value
        return {_ARRAY: place}
    if isinstance(value, (list, tuple)):
        return [_written(item, arrays) for item in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value) and _ARRAY not in value:
        return {name: _written(item, arrays) for name, item in value.items()}
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)
