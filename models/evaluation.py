"""How well a network classifies a set it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..backends import Model
from ..backends.protocol import Array
from ..errors import DataError, NonFiniteError


class Samples(Protocol):
    """A set that training and evaluation can go through, such as every picture set of `twinlens.datasets`."""

    def __len__(self) -> int: ...

    def batches(
        self, batch_size: int, shuffle: bool = ..., seed: Any = ..., augment: Any = ..., workers: int = ...
    ) -> Iterator[tuple[Array, Array]]:
        """Go through the set once, in batches of inputs and labels."""


Data: TypeAlias = Samples | tuple[npt.ArrayLike, npt.ArrayLike]
"""A picture set, or a table as a pair of arrays: inputs (N, ...) and labels (N,)."""


class Evaluation(NamedTuple):
    """What `evaluate` finds.

    Attributes
    ----------
    accuracy : float
        Share of the samples whose highest score is that of their label, 0..1.
    confusion : ndarray
        Shape (classes, classes), int64: how often each class (row) was taken for each class (column).
    """

    accuracy: float
    confusion: npt.NDArray[np.int64]


def evaluate(model: Model, dataset: Data, batch_size: int = 64) -> Evaluation:
    """Count right and wrong predictions, in evaluation mode.

    Parameters
    ----------
    model : Model
    dataset : picture set or (inputs, labels)
        Every sample needs a label.
    batch_size : int
        How many samples are prepared at once.

    Returns
    -------
    Evaluation
        ``accuracy, confusion = evaluate(model, dataset)``.

    Raises
    ------
    DataError
        If the set is empty, or a label is missing or no output of the network.
    NonFiniteError
        If the scores hold NaN or infinite values.
    """
    evaluation, _ = evaluate_with_loss(model, dataset, batch_size)
    return evaluation


def evaluate_with_loss(model: Model, dataset: Data, batch_size: int = 64) -> tuple[Evaluation, float]:
    """Evaluate as `evaluate` does, and return the mean cross entropy as well."""
    samples = as_samples(dataset)
    confusion: npt.NDArray[np.int64] | None = None
    loss = 0.0
    for inputs, labels in samples.batches(batch_size):
        scores = model.forward(inputs).astype(np.float64)
        check_labels(labels, scores.shape)
        if not np.isfinite(scores).all():
            raise NonFiniteError("The network's scores hold NaN or infinite values.", "Check its weights.")
        if confusion is None:
            confusion = np.zeros((scores.shape[1], scores.shape[1]), dtype=np.int64)
        np.add.at(confusion, (labels, scores.argmax(axis=1)), 1)
        shifted = scores - scores.max(axis=1, keepdims=True)
        loss += float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).sum())
    if confusion is None:
        raise DataError("The set to evaluate on is empty.", "Give at least one labelled sample.")
    count = int(confusion.sum())
    return Evaluation(float(np.trace(confusion)) / count, confusion), loss / count


def as_samples(dataset: Data) -> Samples:
    """Return a set that can be gone through in batches.

    Raises
    ------
    DataError
        If `dataset` is neither a set nor a pair of arrays of one length, or is empty.
    """
    samples = ArraySamples(*dataset) if isinstance(dataset, tuple) and len(dataset) == 2 else dataset
    if not hasattr(samples, "batches"):
        raise DataError(f"A {type(dataset).__name__} is no set of samples.", "Pass a picture set or (inputs, labels).")
    if len(samples) == 0:
        raise DataError("The set holds no samples.", "Give at least one labelled sample.")
    return samples


def check_labels(labels: Array, shape: Sequence[int]) -> None:
    """Refuse labels that are missing or that scores of this shape have no column for.

    Raises
    ------
    DataError
        Naming the label.
    """
    if len(shape) != 2:
        raise DataError(f"Scores of shape {tuple(shape)} have no single class axis.", "Use a network that classifies.")
    if labels.min() < 0:
        raise DataError("The set holds samples without a label.", "Use its labelled part.")
    if labels.max() >= shape[1]:
        raise DataError(
            f"Label {labels.max()} is beyond the network's {shape[1]} outputs.",
            f"Build the network with classes={labels.max() + 1} or more.",
        )


class ArraySamples:
    """Inputs and labels held in memory, for tables; pictures have `twinlens.datasets.ArrayPictures`."""

    def __init__(self, inputs: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        self._inputs, self._labels = np.asarray(inputs), np.asarray(labels)
        if len(self._inputs) != len(self._labels):
            raise DataError(
                f"There are {len(self._inputs)} inputs but {len(self._labels)} labels.", "Give one label per input."
            )
        if self._labels.ndim != 1 or self._labels.dtype.kind not in "iu":
            raise DataError(
                f"Labels of type {self._labels.dtype} and shape {self._labels.shape} are not class numbers.",
                "Use whole numbers from 0.",
            )

    def __len__(self) -> int:
        return len(self._labels)

    def batches(
        self, batch_size: int, shuffle: bool = False, seed: Any = 0, augment: Any = None, workers: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Go through the rows once; `augment` changes one row, given a generator of that batch."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        for start in range(0, len(self), batch_size):
            rows = order[start : start + batch_size]
            inputs = self._inputs[rows]
            yield inputs if augment is None else np.stack([augment(x, rng) for x in inputs]), self._labels[rows]
