"""The counterpart of a network in the other framework: same layers, same weights, and scores that were compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import Model, get_backend, wrap
from ..backends.protocol import Array
from ..errors import BackendError, InputError, ModelError, TwinlensError, WeightsError
from ..models import load_model
from ..models.libraries import LIBRARIES
from .exact import exact
from .library_pairs import PAIRS, architecture_of, differing
from .networks import whole
from .probing import difference, example_input
from .settling import apart
from .structure import parts, run
from .transfer import TransferReport, transfer

SCORES = 1e-4
"""How far the scores of a twin may be off in the network's own precision, relative to the largest."""

EXACT_SCORES = 1e-10
"""The same for copies that compute in float64 throughout, with random weights."""

# Copies in float64 of larger networks take more memory and time than the second look is worth.
_LARGEST_COPIED = 30_000_000
_OTHER = {"torch": "paddle", "paddle": "torch"}


@dataclass(frozen=True, eq=False)
class Twin:
    """A network's counterpart, and how it came about.

    Attributes
    ----------
    model : Model
        The counterpart.
    how : str
        ``"architecture"`` (built again from the function that the network was built from), ``"library"`` (its namesake
        in torchvision or paddle.vision) or ``"conversion"`` (rebuilt layer by layer).
    corrections : tuple of str
        What the libraries do differently, and was changed in the counterpart.
    transfer : TransferReport or None
        What was copied; None for a conversion, which copies its weights itself.
    scores : float
        How far the scores are apart, relative to the largest.
    exact_scores : float or None
        The same for copies in float64 with random weights, which do not hide a layer as weights of 0 do; None where
        the network is too large to be copied for it.
    """

    model: Model
    how: str
    corrections: tuple[str, ...]
    transfer: TransferReport | None
    scores: float
    exact_scores: float | None


def twin(model: Model | Any, backend: str | None = None, x: Any = None) -> Model:
    """Build the counterpart of a network in the other framework, with the same weights.

    Parameters
    ----------
    model : Model or native network
    backend : {"torch", "paddle"}, optional
        The other framework.
    x : array (N, ...), optional
        What the scores are compared on; needed where the shape of an input is neither known nor found.

    Returns
    -------
    Model
        With the source's preprocessing, labels, input shape and name. Where torchvision and paddle.vision build an
        architecture differently, the counterpart is changed to compute what the given network computes; `make_twin`
        says what was changed.

    Raises
    ------
    ModelError
        If there is no counterpart, or one whose scores differ.
    BackendError
        If the other framework is not installed.

    Examples
    --------
    >>> there = tl.twin(tl.load_model("torchvision:densenet121"))
    """
    return make_twin(model, backend, x).model


def make_twin(model: Model | Any, backend: str | None = None, x: Any = None) -> Twin:
    """Build the counterpart of a network, see `twin`, and say how.

    Returns
    -------
    Twin
    """
    source = whole(model)
    other = get_backend(_OTHER[source.backend.name] if backend is None else backend)
    if other.name == source.backend.name:
        raise BackendError(f"'{source.name}' is a network of {other.name} already.", "Leave backend out.")
    _check_not_refused(source)
    reasons = []
    for route in (_namesake, _built_again):
        try:
            built = route(source, other.name, x)
        except (ModelError, WeightsError, BackendError) as error:
            reasons.append(error.cause)
        else:
            if built is not None:
                return built
    return _converted(source, other.name, x, reasons)


def _check_not_refused(source: Model) -> None:
    name = architecture_of(source)
    if name is not None and PAIRS[name].refusal:
        raise ModelError(
            f"'{name}' is not one network in the two libraries: {PAIRS[name].refusal}.",
            "Stay with one framework, or try twinlens.comparison.convert, which rebuilds a network layer by layer.",
        )


def _namesake(source: Model, backend: str, x: Any) -> Twin | None:
    """The network of the same name in the other framework's library."""
    name = architecture_of(source)
    if name is None:
        return None
    pair = PAIRS[name]
    library = next(title for title, found in LIBRARIES.items() if found.backend == backend)
    options = pair.torch_options if backend == "torch" else {}
    built = load_model(f"{library}:{name}", classes=_outputs(source), device=_device(source, backend), **options)
    corrections = differing(pair, {source.backend.name: source.net, backend: built.net})
    for each in corrections:
        each.change[backend](built.net, source.net)
    return _filled(source, built, x, "library", tuple(each.description for each in corrections))


def _built_again(source: Model, backend: str, x: Any) -> Twin | None:
    """The same function called with the other framework's layers."""
    spec = str(source.origin.get("spec", ""))
    if not spec or spec.partition(":")[0] in LIBRARIES:
        return None
    options = dict(source.origin)
    if ":" not in spec:
        options["classes"] = _outputs(source)
    built = load_model(backend=backend, device=_device(source, backend), **options)
    return _filled(source, built, x, "architecture", ())


def _converted(source: Model, backend: str, x: Any, reasons: list[str]) -> Twin:
    """A network built layer by layer."""
    try:
        built = _converted_natively(source, backend, x)
    except TwinlensError as error:
        causes = " ".join((*reasons, error.cause))
        raise type(error)(f"'{source.name}' has no counterpart in {backend}: {causes}", error.cure) from error
    _carry_over(source, built)
    return Twin(built, "conversion", (), None, _compared(source, built, _example(source, built, x)), None)


def _converted_natively(source: Model, backend: str, x: Any) -> Model:
    from .conversion.convert import convert

    return convert(source, backend, x)


def _filled(source: Model, built: Model, x: Any, how: str, corrections: tuple[str, ...]) -> Twin:
    """Copy the weights and compare the scores."""
    if source.dtype == "float64":
        built = wrap(built.net, input_shape=built.input_shape, dtype="float64")
    _carry_over(source, built)
    x = _example(source, built, x)
    report = transfer(source, built, x)
    scores = _compared(source, built, x)
    return Twin(built, how, corrections, report, scores, _compared_exactly(source, built, report, x))


def _carry_over(source: Model, built: Model) -> None:
    built.preprocess, built.output, built.name = source.preprocess, source.output, source.name
    built.labels = None if source.labels is None else list(source.labels)
    built.input_shape = source.input_shape or built.input_shape
    if source.net.training:
        built.net.train()
    else:
        built.net.eval()


def _example(source: Model, built: Model, x: Any) -> Array:
    found = example_input(source, built) if x is None else x
    if found is None:
        raise ModelError(
            f"No input was found that '{source.name}' and its counterpart both take.",
            "Pass x=, one batch of samples, to compare their scores on.",
        )
    return np.asarray(source.backend.numpy(found) if source.backend.is_tensor(found) else found)


def _compared(source: Model, built: Model, x: Array) -> float:
    outputs = run(source, x), run(built, x)
    if outputs[0] is None:
        raise InputError(
            f"'{source.name}' does not run on an input of shape {x.shape}.", "Pass x=, one batch that it takes."
        )
    if outputs[1] is None:
        hint = "" if source.preprocess is None else "; its preprocess= must work on tensors of both frameworks"
        raise ModelError(
            f"The counterpart of '{source.name}' does not run on {built.backend.name} with an input of shape"
            f" {x.shape}{hint}.",
            "Pass another x=.",
        )
    gap = difference(*outputs)
    if not gap <= SCORES:
        raise ModelError(
            f"The counterpart of '{source.name}' on {built.backend.name} does not give the same scores:"
            f" they are {gap:.2g} of the largest apart on an input of shape {x.shape}.",
            "See where with twinlens.diff, after twinlens.transfer.",
        )
    return gap


def _compared_exactly(source: Model, built: Model, report: TransferReport, x: Array) -> float | None:
    if report.numbers > _LARGEST_COPIED:
        return None
    first, second = exact(source), exact(built)
    sides = [{part.name: part for part in parts(model)} for model in (first, second)]
    gap = apart(first, second, [(sides[0][a], sides[1][b]) for a, b in report.pairs], x)
    if not gap <= EXACT_SCORES:
        raise ModelError(
            f"The counterpart of '{source.name}' on {built.backend.name} computes something else: with random weights"
            f" in float64 the scores are {gap:.2g} of the largest apart.",
            "See where with twinlens.diff, after twinlens.transfer.",
        )
    return gap


def _outputs(source: Model) -> int:
    """How many scores the last layer with weights gives."""
    last = parts(source)[-1].arrays
    return int(next(iter(last.values())).shape[0])


def _device(source: Model, backend: str) -> str:
    return source.device if source.device in get_backend(backend).devices() else "cpu"
