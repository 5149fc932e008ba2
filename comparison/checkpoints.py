"""Weights files turned from one framework's format into the other's, and proved before they are handed out."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.checkpoint_files import OWNERS, write_checkpoint
from ..backends.paddle_names import kind_matters
from ..backends.protocol import Array
from ..backends.weights import Weights, read_weights
from ..errors import CheckpointError, NonFiniteError, WeightsError
from ..models.canonical import BATCH_COUNTER, from_canonical, to_canonical
from ..models.checkpoint import without_training
from .checkpoint_networks import Ends, ends, score_difference

_SAME_SCORES = 1e-4


@dataclass(frozen=True)
class CheckpointReport:
    """What was converted, and what was proved of it.

    Attributes
    ----------
    source, destination : Path
    arrays, numbers : int
        How many arrays the new file holds, and how many numbers they have together.
    dtypes : dict of str to int
        How many arrays there are of each type.
    difference : float or None
        Largest difference between the scores of the two networks, relative to the largest score; None where they were
        not compared.
    notes : tuple of str
        What is not as it was in the source, or could not be proved.
    """

    source: Path
    destination: Path
    arrays: int
    numbers: int
    dtypes: dict[str, int]
    difference: float | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        types = ", ".join(self.dtypes)
        text = f"{self.destination}: {self.arrays} arrays, {self.numbers:,} numbers ({types}), read back bit for bit"
        if self.difference is not None:
            text += f"; the scores of both networks differ by {self.difference:.1g} of the largest"
        return text


def convert_checkpoint(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    model: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    input_shape: Sequence[int] | None = None,
    force: bool = False,
) -> CheckpointReport:
    """Write the weights of one file into another, in the names and the layout of the other's framework.

    A ``.pth`` or ``.pt`` file holds torch's names and layout, a ``.pdparams`` file Paddle's, and a ``.safetensors``
    file is written in torch's layout under the names of the network that `model` says.

    Parameters
    ----------
    source, destination : str or path
        Files that end in ``.pth``, ``.pt``, ``.pdparams`` or ``.safetensors``.
    model : str, optional
        The network, as `load_model` takes it. It says which matrices are those of linear layers, which Paddle stores
        transposed, and what the layers are called in the other framework's library.
    options : mapping, optional
        Further arguments of `load_model`, such as ``classes``.
    input_shape : sequence of int, optional
        Shape of one sample, where the network does not say it: both networks' scores are compared on random inputs.
    force : bool
        Replace the destination where it exists.

    Returns
    -------
    CheckpointReport

    Raises
    ------
    CheckpointError
        If a file cannot be read or written, or the destination exists.
    UnsafeCheckpointError
        If the source asks for more than arrays and plain containers; nothing of it was run.
    WeightsError
        If the weights do not fit the network, the file alone does not say enough, or the networks' scores differ.
    NonFiniteError
        If a weight is NaN.
    """
    start, end = Path(source), Path(destination)
    _check_places(start, end, force)
    weights = read_weights(start)
    spoken = OWNERS[end.suffix.lower()] or "torch"
    notes = _facts(weights, spoken)
    weights = replace(weights, arrays=without_training(weights.arrays))
    networks = None
    if model is not None:
        owner = "paddle" if weights.framework == "paddle" else OWNERS[start.suffix.lower()]
        networks = ends(model, owner, OWNERS[end.suffix.lower()], options or {}, input_shape)
    arrays, more = _arrays(weights, spoken, networks, start)
    difference = None
    with _workplace(end) as folder:
        draft = write_checkpoint(folder / end.name, arrays)
        written = read_weights(draft)
        _check_equal(written.arrays, arrays, end)
        if networks is not None:
            difference, said = score_difference(networks, written)
            more += said
            _check_scores(difference, networks, end)
        _move(draft, end, force)
    return CheckpointReport(
        start,
        end,
        len(arrays),
        sum(array.size for array in arrays.values()),
        dict(Counter(str(array.dtype) for array in arrays.values())),
        difference,
        (*notes, *more),
    )


def _check_places(start: Path, end: Path, force: bool) -> None:
    if end.suffix.lower() not in OWNERS:
        raise CheckpointError(
            f"'{end}' has the ending '{end.suffix}', which is not one of a weights file.",
            f"Use one of: {', '.join(OWNERS)}.",
        )
    if end.is_dir():
        raise CheckpointError(f"'{end}' is a folder.", "Name a file in it.")
    if end.exists() and start.exists() and end.samefile(start):
        raise CheckpointError(f"'{start}' is both the source and the destination.", "Choose another name.")
    if end.exists() and not force:
        raise CheckpointError(f"'{end}' exists already.", "Choose another name, or say force to replace it.")


def _facts(weights: Weights, spoken: str) -> list[str]:
    """What the user should know of the source's numbers."""
    facts = []
    floats = {name: array for name, array in weights.arrays.items() if array.dtype.kind == "f"}
    for name, array in floats.items():
        if np.isnan(array).any():
            raise NonFiniteError(f"'{name}' holds NaN: no network can use it.", "Train again, or take another file.")
    infinite = [name for name, array in floats.items() if np.isinf(array).any()]
    if infinite:
        facts.append(f"{len(infinite)} arrays hold infinite numbers, such as '{infinite[0]}'")
    if weights.widened:
        facts.append(f"{len(weights.widened)} arrays of bfloat16 are written as float32, with the same values")
    others = Counter(str(array.dtype) for array in floats.values() if array.dtype != np.float32)
    for dtype, count in others.items():
        only = ", which Paddle loads only into a network of that type" if spoken == "paddle" else ""
        facts.append(f"{count} arrays are {dtype}, as in the source{only}")
    if weights.beside:
        facts.append(f"other weights in the file are left out: {', '.join(weights.beside)}")
    left_out = len(weights.arrays) - len(without_training(weights.arrays))
    if left_out:
        facts.append(f"{left_out} arrays of the training (last epoch, optimiser) are left out")
    return facts


def _arrays(weights: Weights, spoken: str, networks: Ends | None, start: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays of the new file, and what is worth knowing of them."""
    if networks is None:
        if weights.framework == spoken:
            return weights.arrays, []
        doubtful = kind_matters(weights.arrays, weights.framework)
        if doubtful:
            raise WeightsError(
                f"'{start.name}' does not say of what kind the layer of '{doubtful[0]}' is, nor of"
                f" {len(doubtful) - 1} other arrays: Paddle stores the matrix of a linear layer transposed and that of"
                " an embedding not, and names the weights of some layers otherwise.",
                "Name the network with model (--model), such as torchvision:resnet18 or file.py:function.",
            )
        arrays = from_canonical(to_canonical(weights, {}), spoken, {})
    else:
        state = networks.load(weights)
        if weights.framework == spoken and networks.same_names:
            return weights.arrays, []
        arrays = from_canonical(networks.renamed(state), spoken, networks.kinds)
    counters = sum(name.endswith(BATCH_COUNTER) for name in weights.arrays)
    return arrays, [f"left out: {counters} counts of training batches, which no score needs"] if counters else []


def _check_equal(found: Mapping[str, Array], expected: Mapping[str, Array], end: Path) -> None:
    for name, array in expected.items():
        other = found.get(name)
        if other is None or other.dtype != array.dtype or not np.array_equal(other, array):
            raise CheckpointError(f"'{name}' did not come back from '{end.name}' as it was written.", "Report this.")


def _check_scores(difference: float | None, networks: Ends, end: Path) -> None:
    if difference is not None and not difference <= _SAME_SCORES:
        raise WeightsError(
            f"'{networks.last.name}' on {networks.last.backend.name} takes these weights but gives other scores than"
            f" '{networks.first.name}' on {networks.first.backend.name} (different by {difference:.1g} of the largest"
            f" score), so '{end.name}' was not written.",
            f"{'; '.join(networks.differences) or 'They are built differently'}: twinlens.twin makes one that agrees.",
        )


@contextmanager
def _workplace(end: Path) -> Iterator[Path]:
    """A folder on the disk where the file is to be, gone afterwards; the file's own folder need not exist."""
    nearest = next(folder for folder in end.resolve().parents if folder.exists())
    try:
        folder = tempfile.TemporaryDirectory(prefix=".twinlens.", dir=nearest)
    except OSError as error:
        raise _unwritable(end, error) from error
    with folder as name:
        yield Path(name)


def _move(draft: Path, end: Path, force: bool) -> None:
    try:
        end.parent.mkdir(parents=True, exist_ok=True)
        if end.exists() and not force:
            raise CheckpointError(f"'{end}' has appeared meanwhile.", "Choose another name.")
        draft.replace(end)
    except OSError as error:
        raise _unwritable(end, error) from error


def _unwritable(end: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"'{end}' cannot be written ({error.strerror}).", "Choose another folder.")
