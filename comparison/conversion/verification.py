"""Whether a network built anew does what its source does: the same scores and gradients, or no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...backends import Model, get_backend
from ...backends.failures import in_one_line
from ...backends.protocol import Array
from ...errors import ModelError, TwinlensError
from ..exact import exact
from ..structure import run
from .observing import Observation, first_divergence, observe

SCORES, GRADIENT = 1e-4, 1e-3
"""How far scores and input gradients may be apart in the network's own precision, relative to the largest."""

EXACT_SCORES, EXACT_GRADIENT = 1e-10, 1e-9
"""The same for copies in float64."""

_SAMPLES = 4


@dataclass(frozen=True)
class Verification:
    """What was measured; all differences are relative to the largest number of the source.

    Attributes
    ----------
    scores, gradient : float
        In the network's own precision; the gradient is that of the sample that agrees best.
    exact_scores, exact_gradient : float or None
        Of copies in float64, with the network's own and with other weights; None where the network does not run in
        float64.
    rounded : tuple of str
        Operators of Paddle's in the network that compute in single precision even in the copies: what they round was
        allowed.
    """

    scores: float
    gradient: float
    exact_scores: float | None
    exact_gradient: float | None
    rounded: tuple[str, ...]


@dataclass(frozen=True)
class _Gap:
    what: str
    size: float
    limit: float


def verified(source: Model, built: Model, x: Array) -> Verification:
    """Compare a network with the one that was built from it.

    Parameters
    ----------
    source, built : Model
        Of the two frameworks, with the same weights under the same names.
    x : ndarray (N, ...)
        An input that the source takes; more of its kind are drawn.

    Returns
    -------
    Verification

    Raises
    ------
    ModelError
        If scores or input gradients differ, naming the first layer that does; or if one of the two does not run.

    Notes
    -----
    In the network's own precision the gradient is that of the sample which agrees best, and twice the source's own
    rounding is allowed where that is more than the limit: a ReLU close to 0 may open on one side only, which moves the
    gradient of that sample by more than any rounding. What is built wrongly is wrong for all of them.
    """
    inputs = [x[:_SAMPLES], _like(x), *_with_padding(source, x)]
    # What is rebuilt from Paddle has Paddle's numbers.
    copies = exact(source, rounded_settings=source.backend.name == "paddle"), exact(built)
    own = _observed(source, inputs)
    there = _observed(built, inputs)
    doubles = _in_double(copies[0], inputs)
    noise = _apart(own, doubles, min) if doubles else (0.0, 0.0)
    scores, gradient = _apart(own, there, min)
    gaps = [
        _Gap("scores", scores, max(SCORES, 2 * noise[0])),
        _Gap("input gradients", gradient, max(GRADIENT, 2 * noise[1])),
    ]
    if not doubles:
        _refuse(source, built, (source, built), inputs, gaps)
        return Verification(scores, gradient, None, None, ())
    rounded, limits = _allowances(copies, inputs[0])
    pairs = [_apart(doubles, _observed(copies[1], inputs))]
    _refuse(source, built, copies, inputs, [*gaps, *_exact_gaps(pairs, limits)])
    weights = _other_weights(copies[0])
    for copy in copies:
        copy.load_state(weights)
    drawn = _observed(copies[0], inputs[1:])
    if any(observation.finite for observation in drawn):
        pairs.append(_apart(drawn, _observed(copies[1], inputs[1:])))
    exact_gaps = _exact_gaps(pairs, limits)
    _refuse(source, built, copies, inputs, exact_gaps)
    return Verification(scores, gradient, exact_gaps[0].size, exact_gaps[1].size, rounded)


def _like(x: Array) -> Array:
    """More samples, and another number of them: of the same spread, or, of whole numbers, of the same numbers."""
    rng, shape = np.random.default_rng(0), (2 if len(x) != 2 else 3, *x.shape[1:])
    if np.array_equal(x, np.round(x)):
        return np.asarray(rng.choice(x.ravel(), size=shape))
    return rng.normal(x.mean(), x.std(), shape).clip(x.min(), x.max()).astype(x.dtype)


def _with_padding(model: Model, x: Array) -> list[Array]:
    """Tokens every other one of which is padding, where the network knows padding: the input may hold none of it."""
    rows = list(_padding_rows(model).values())
    if not rows or not np.array_equal(x, np.round(x)):
        return []
    tokens = _like(x)
    padded = np.where(np.indices(tokens.shape).sum(0) % 2, tokens, np.resize(rows, tokens.shape)).astype(x.dtype)
    # Another input of whole numbers, or another table, may not have so many rows.
    return [padded] if run(model, padded) is not None else []


def _padding_rows(model: Model) -> dict[str, int]:
    """For each table of vectors that has one, by the name of its weight: the row that stands for padding."""
    rows = {}
    for name, layer in model.backend.modules(model.net).items():
        row = getattr(layer, "padding_idx", getattr(layer, "_padding_idx", None))
        if row is not None and model.backend.kind(layer) == "embedding":
            rows[f"{name}.weight".removeprefix(".")] = row % layer.weight.shape[0]
    return rows


def _in_double(copy: Model, inputs: Sequence[Array]) -> list[Observation]:
    """What the copy does in float64; nothing where it does not compute in it."""
    if copy.dtype != "float64":
        return []  # there are no weights to go by
    try:
        return _observed(copy, inputs)
    except ModelError:  # a forward that casts to float32 does not run on float64 weights
        return []


def _observed(model: Model, inputs: Sequence[Array]) -> list[Observation]:
    try:
        return [observe(model, x) for x in inputs]
    except TwinlensError as error:
        raise ModelError(f"'{model.name}' does not run on {model.backend.name}: {error.cause}", error.cure) from error
    except Exception as error:
        raise ModelError(
            f"'{model.name}' does not run on {model.backend.name} with an input of shape {inputs[0].shape}:"
            f" {in_one_line(error)}.",
            "Pass x=, one batch that it takes.",
        ) from error


def _apart(
    expected: Sequence[Observation], found: Sequence[Observation], chosen: Callable[[list[float]], float] = max
) -> tuple[float, float]:
    """The largest difference of scores, and the largest or smallest one of the samples' gradients.

    Where the expected is not finite, nothing can be said.
    """
    gaps = [a.apart(b) for a, b in zip(expected, found, strict=True) if a.finite]
    if not gaps:
        raise ModelError("The network's scores or gradients hold NaN or infinite values.", "Pass x= of its range.")
    return max(gap for gap, _ in gaps), chosen([gap for _, each in gaps for gap in each])


def _allowances(copies: tuple[Model, Model], x: Array) -> tuple[tuple[str, ...], tuple[float, float]]:
    """Paddle's operators that round, and how much of a difference that makes."""
    from ...backends.paddle_precision import ROUNDED, rounded_operators

    paddle = get_backend("paddle").name
    with rounded_operators() as seen:
        observe(next(model for model in copies if model.backend.name == paddle), x)
    names = tuple(sorted(seen))
    return names, (
        max([EXACT_SCORES, *(ROUNDED[name].values for name in names)]),
        max([EXACT_GRADIENT, *(ROUNDED[name].gradient for name in names)]),
    )


def _exact_gaps(pairs: Sequence[tuple[float, float]], limits: tuple[float, float]) -> list[_Gap]:
    return [
        _Gap(f"{what} in float64", max(pair[place] for pair in pairs), limits[place])
        for place, what in enumerate(("scores", "input gradients"))
    ]


def _refuse(
    source: Model, built: Model, pair: tuple[Model, Model], inputs: Sequence[Array], gaps: Sequence[_Gap]
) -> None:
    gap = next((gap for gap in gaps if not gap.size <= gap.limit), None)
    if gap is None:
        return
    place = next(filter(None, (first_divergence(*pair, x, gap.limit) for x in inputs)), "")
    raise ModelError(
        f"'{source.name}' on {built.backend.name} is not what it is on {source.backend.name}: {gap.what} differ by"
        f" {gap.size:.2g} of the largest, where {gap.limit:.1g} is allowed{place}.",
        "Write that part in another way, or build the network by hand and use twinlens.transfer.",
    )


def _other_weights(model: Model) -> dict[str, Array]:
    """Weights near the network's own, none of them 0: a branch that starts at 0 would hide what is in it.

    A row of zeros for padding stays: what else is in it, only one of the frameworks gives out.
    """
    rng = np.random.default_rng(0)
    drawn: dict[bytes, Array] = {}
    weights = {}
    state = model.state()
    for name, array in state.items():
        # Names that share one tensor get one value.
        key = array.tobytes() + repr(array.shape).encode()
        if array.dtype.kind == "f" and key not in drawn:
            factors = rng.uniform(0.5, 1.5, array.shape)
            drawn[key] = np.where(array == 0, 0.1 * (factors - 1), array * factors)
        weights[name] = drawn.get(key, array)
    for name, row in _padding_rows(model).items():
        if not state[name][row].any():
            weights[name][row] = 0.0
    return weights
