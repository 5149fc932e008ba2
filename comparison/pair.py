"""Two explanations of the same inputs, and everything that is measured between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, NonFiniteError
from ..methods import Explanation
from .agreement import agreement
from .measures import MEASURES, Failure, Threshold

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Pair:
    """Explanation A and explanation B of the same inputs.

    Attributes
    ----------
    name : str
        The method, or the file's name.
    first, second : Explanation
        A and B, as they were made.
    values : tuple of 2 ndarray (N, ...)
        What was compared, in float64; unlike the explanations' values where `notes` say so.
    measures : mapping of str to (ndarray (N,) or None)
        One number per sample, under the names of `twinlens.comparison.MEASURES`; None where it does not apply.
    memory : tuple of 2 (float or None)
        Peak memory of each in MiB, see `PeakMemory`; None where it was not measured.
    notes : tuple of str
        What to know before the numbers are read.
    """

    name: str
    first: Explanation
    second: Explanation
    values: tuple[Array, Array]
    measures: Mapping[str, Array | None]
    memory: tuple[float | None, float | None] = (None, None)
    notes: tuple[str, ...] = ()

    def worst(self) -> dict[str, float | None]:
        """The least favourable number of each kind over the samples."""
        return {name: None if v is None else least_favourable(name, v) for name, v in self.measures.items()}

    def mean(self) -> dict[str, float | None]:
        """The mean of each kind over the samples."""
        return {name: None if v is None else float(v.mean()) for name, v in self.measures.items()}

    def failures(self, threshold: Threshold) -> list[Failure]:
        """What does not keep to a limit: nothing, or the least favourable sample of those beyond it."""
        values = self.measures[threshold.measure]
        if values is None:
            return [Failure(self.name, threshold, reason="not measured for this pair")]
        beyond = threshold.exceeded(values)
        if not len(beyond):
            return []
        # The farthest beyond the limit, whichever side of it that is.
        farthest = np.argmax if threshold.operator.startswith(">") else np.argmin
        sample = int(farthest(values))
        return [Failure(self.name, threshold, float(values[sample]), sample)]

    def numbers(self) -> dict[str, Any]:
        """Everything but the arrays of explanations, for tables and JSON."""
        return {
            "name": self.name,
            "a": _facts(self.first, self.memory[0]),
            "b": _facts(self.second, self.memory[1]),
            "worst": self.worst(),
            "mean": self.mean(),
            "per_sample": {name: None if v is None else v.tolist() for name, v in self.measures.items()},
            "notes": list(self.notes),
        }


def least_favourable(measure: str, values: Array) -> float:
    """The number that speaks most against agreement."""
    return float(values.max() if MEASURES[measure].wants_little else values.min())


def paired(
    name: str,
    first: Explanation,
    second: Explanation,
    top: float = 0.05,
    memory: tuple[float | None, float | None] = (None, None),
) -> Pair:
    """Compare two explanations of the same inputs.

    Parameters
    ----------
    name : str
    first, second : Explanation
        Where one has a single channel and the other several, channels are summed. Of different methods, each sample
        is divided by its largest absolute value, because their units differ.
    top : float
        Share of the positions that ``top_k`` looks at.
    memory : tuple of 2 (float or None)

    Raises
    ------
    InputError
        If the values are of different shapes.
    NonFiniteError
        If they hold NaN or infinity.
    """
    notes = []
    a, b = (_finite(side, each, name) for side, each in (("A", first), ("B", second)))
    if a.shape != b.shape and a.ndim == b.ndim == 4 and 1 in (a.shape[1], b.shape[1]):
        a, b = (each.sum(axis=1, keepdims=True) for each in (a, b))
        notes.append("The channels are summed, because one of the two has a single channel.")
    if a.shape != b.shape:
        raise InputError(
            f"{name}: A has values of shape {a.shape}, B of {b.shape}.", "Explain the same inputs at the same size."
        )
    if first.method != second.method:
        a, b = _to_size_one(a), _to_size_one(b)
        notes.append("Each sample is divided by its largest absolute value: the units of two methods differ.")
    found = agreement(a, b, top=top, ssim=first.inputs.ndim == 4)
    measures: dict[str, Array | None] = {measure: getattr(found, measure, None) for measure in MEASURES}
    measures |= _of_scores(first, second, notes)
    _note_differences(first, second, notes)
    return Pair(name, first, second, (a, b), measures, memory, tuple(notes))


def _finite(side: str, explanation: Explanation, name: str) -> Array:
    values = np.asarray(explanation.values, dtype=np.float64)
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise NonFiniteError(
            f"{name}: {wrong} of {values.size} values of {side} ({explanation.model} on {explanation.backend}) are NaN "
            "or infinite.",
            "Check the network that made them.",
        )
    return values


def _to_size_one(values: Array) -> Array:
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)


def _of_scores(first: Explanation, second: Explanation, notes: list[str]) -> dict[str, Array | None]:
    a, b = (np.asarray(each.scores, dtype=np.float64) for each in (first, second))
    reason = ""
    if a.shape != b.shape or a.ndim != 2 or 0 in a.shape:
        reason = f"A's scores have shape {a.shape}, B's {b.shape}"
    elif not (np.isfinite(a).all() and np.isfinite(b).all()):
        reason = "they hold NaN or infinity"
    if reason:
        notes.append(f"The scores are not compared: {reason}.")
        return dict.fromkeys(("score_difference", "probability_difference", "same_prediction"))
    return {
        "score_difference": np.abs(a - b).max(axis=1),
        "probability_difference": np.abs(softmax(a) - softmax(b)).max(axis=1),
        "same_prediction": (a.argmax(axis=1) == b.argmax(axis=1)).astype(np.float64),
    }


def softmax(scores: Array) -> Array:
    """Probabilities of scores (N, classes)."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _note_differences(first: Explanation, second: Explanation, notes: list[str]) -> None:
    a, b = np.asarray(first.inputs), np.asarray(second.inputs)
    if a.shape != b.shape:
        notes.append(f"The inputs differ: A's have shape {a.shape}, B's {b.shape}.")
    elif not np.array_equal(a, b):
        notes.append(f"The inputs differ by up to {np.abs(a.astype(np.float64) - b).max():.3g}.")
    if first.target is not None and second.target is not None:
        different = int((np.asarray(first.target) != np.asarray(second.target)).sum())
        if different:
            notes.append(f"A and B explain different classes in {different} of {len(first.values)} samples.")
    for name in sorted(set(first.params) & set(second.params)):
        if first.method == second.method and not _same(first.params[name], second.params[name]):
            notes.append(f"The parameter '{name}' differs.")


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and bool(np.array_equal(a, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        # A saved tuple comes back as a list.
        return len(a) == len(b) and all(map(_same, a, b))
    # What JSON does not have comes back as its text.
    return bool(a == b) or repr(a) == repr(b)


def _facts(explanation: Explanation, memory: float | None) -> dict[str, Any]:
    params = {
        name: f"array of shape {value.shape}" if isinstance(value, np.ndarray) else value
        for name, value in explanation.params.items()
    }
    return {
        "model": explanation.model,
        "backend": explanation.backend,
        "method": explanation.method,
        "params": {name: value if _plain(value) else repr(value) for name, value in params.items()},
        "target": None if explanation.target is None else np.asarray(explanation.target).tolist(),
        "seconds": explanation.seconds,
        "peak_memory_mib": memory,
    }


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, list, tuple, dict))
