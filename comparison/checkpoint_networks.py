"""The networks at both ends of a conversion: the one whose weights are read, and the one that is to take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends import Model, wrap
from ..backends.protocol import Array
from ..backends.weights import Weights
from ..errors import BackendError, ModelError, TwinlensError
from ..models import load_model
from ..models.canonical import canonical, layer_kinds
from ..models.libraries import LIBRARIES
from .probing import difference, example_input
from .structure import run
from .transfer import transfer
from .twin import twin


@dataclass
class Ends:
    """A network and its counterpart, which may be of the same framework.

    Attributes
    ----------
    first, last : Model
        Whose weights are read, and who is to take them.
    differences : tuple of str
        What is known to be built differently in the two.
    notes : list of str
        What the scores of the two do not prove.
    """

    first: Model
    last: Model
    differences: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, str]:
        """What the layers of the last network are."""
        return layer_kinds(self.last.backend, self.last.net)

    @property
    def same_names(self) -> bool:
        """Whether both networks have weights of the same names and shapes."""
        shapes = [{name: array.shape for name, array in model.state().items()} for model in (self.first, self.last)]
        return shapes[0] == shapes[1]

    def load(self, weights: Weights) -> dict[str, Array]:
        """Give the weights of a file to the first network, and return them in canonical form.

        Raises
        ------
        WeightsError
            If they do not fit.
        """
        state = canonical(weights, self.first.backend, self.first.net)
        self.first.load_state(state)
        return state

    def renamed(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """Canonical weights of the first network under the last one's names, in their own precision.

        Raises
        ------
        WeightsError
            If the layers of the two networks do not correspond.
        """
        if self.same_names:
            return dict(state)
        # float64 holds the numbers of every narrower type, so that nothing is rounded on the way.
        first, last = _in_double(self.first), _in_double(self.last)
        first.load_state(state)
        report = transfer(first, last)
        self.differences = report.differences
        dtype = np.result_type(*(array.dtype for array in state.values() if array.dtype.kind == "f"))
        return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in last.state().items()}


def ends(
    spec: str,
    first: str | None,
    last: str | None,
    options: Mapping[str, Any],
    input_shape: Sequence[int] | None = None,
) -> Ends:
    """Build the networks at both ends.

    Parameters
    ----------
    spec : str
        As `load_model` takes it. ``torchvision:NAME`` and ``paddle:NAME`` are one pair: each end gets its framework's.
    first, last : str or None
        Frameworks whose names the files have; None for those of the network that `spec` names.
    options : mapping
        Further arguments of `load_model`.
    input_shape : sequence of int, optional
        Shape of one sample, in place of what the networks say.
    """
    reserved = sorted({"spec", "weights", "backend", "device", "seed"} & set(options))
    if reserved:
        raise ModelError(f"'{reserved[0]}' is not an option of the network.", "Leave it out.")
    # Other first weights on the other side: equal scores then come from the file alone.
    start, said = _network(spec, first, options, 0)
    end, more = _network(spec, last, options, 1)
    if input_shape:
        start.input_shape = end.input_shape = tuple(input_shape)
    return Ends(start, end, notes=list(dict.fromkeys([*said, *more])))


def score_difference(networks: Ends, written: Weights) -> tuple[float | None, list[str]]:
    """Load what was written into the network that is to take it, and compare the scores of both.

    Parameters
    ----------
    networks : Ends
        The first one holds the weights of the source.
    written : Weights
        What was read back from the new file.

    Returns
    -------
    float or None
        Largest difference relative to the largest score; None where the scores were not compared.
    list of str
        Why they were not, or what they do not prove.
    """
    first, last = networks.first, networks.last
    last.load_state(canonical(written, last.backend, last.net))
    x = example_input(first, last)
    if x is None:
        cause = "no input was found that both networks take; pass the shape of a sample (--shape)"
        return None, [f"the scores were not compared: {cause}", *networks.notes]
    return difference(run(first, x), run(last, x)), networks.notes


def _network(spec: str, framework: str | None, options: Mapping[str, Any], seed: int) -> tuple[Model, list[str]]:
    """Build one end on the framework asked for, or say why it is on the other."""
    kind, _, name = spec.rpartition(":")
    if kind in LIBRARIES and framework is not None:
        library = next(title for title, found in LIBRARIES.items() if found.backend == framework)
        return load_model(f"{library}:{name}", device="cpu", seed=seed, **options), []
    try:
        return load_model(spec, backend=framework, device="cpu", seed=seed, **options), []
    except BackendError:
        # The framework is not installed, or the user's function builds the network on the other one only.
        model = load_model(spec, device="cpu", seed=seed, **options)
    assert framework is not None
    try:
        made = twin(model, framework)
    except TwinlensError as error:
        return model, [f"the scores were computed on {model.backend.name} alone: {error.cause.rstrip('.')}"]
    return made, [f"the names on {framework} are those of the network that twinlens.twin makes of '{spec}'"]


def _in_double(model: Model) -> Model:
    copied = wrap(model.net, dtype="float64", output=model.output, input_shape=model.input_shape)
    copied.name = model.name
    return copied
