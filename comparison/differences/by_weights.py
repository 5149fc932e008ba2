"""Experiments with layers whose weights differ, and what one weight has to do with the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np

from ...backends.protocol import Array
from ...errors import TwinlensError
from .case import Case, Trial
from .dtypes import DTYPES, rounded
from .laboratory import FORMULAS


def weights(case: Case) -> Iterator[Trial]:
    """B's layer with A's weights: one of them, then all that differ."""
    a, b = case.a.recipe, case.b.recipe
    if a is None or b is None:
        return
    names = [name for name in dict.fromkeys((*a.weights, *b.weights)) if not _equal(a.weights, b.weights, name)]
    for chosen in [[name] for name in names] + ([names] if len(names) > 1 else []):
        cause, text = _described(case, chosen[0], a.weights.get(chosen[0]), b.weights.get(chosen[0]))
        if len(chosen) > 1:
            cause, text = "weights", f"all of {', '.join(chosen)} differ; {text}"
        yield Trial(cause, text, _with(case, chosen), case.b.output)


def turned(case: Case) -> Iterator[Trial]:
    """B's layer is of the user's own, and multiplies by the matrix of A's linear layer the other way round."""
    a, b = case.a.recipe, case.b.recipe
    if a is not None and b is not None and a.family == "linear" and b.family not in FORMULAS:
        text = f"{case.b.title} multiplies by the matrix of {case.a.title} transposed, in a class of the user's own"
        guess = a.changed(weights={"weight": a.weights["weight"].T}).compute(case.inputs[0])
        yield Trial("transposed weight", text, case.a.output, guess)


def _equal(a: Mapping[str, Array], b: Mapping[str, Array], name: str) -> bool:
    return name in a and name in b and np.array_equal(a[name], b[name], equal_nan=True)


def _with(case: Case, names: list[str]) -> Array | None:
    """What B's layer makes of the input with A's weights under some names."""
    a, b = case.a.recipe, case.b.recipe
    assert a is not None
    assert b is not None
    mixed = {name: array for name, array in b.weights.items() if name not in names}
    mixed |= {name: a.weights[name] for name in names if name in a.weights}
    x = case.inputs[0]
    found = replace(b, weights=mixed).compute(x)
    return found if found is not None else _natively(case, mixed)


def _natively(case: Case, state: Mapping[str, Array]) -> Array | None:
    backend, layer = case.b.backend, case.b.layer
    try:
        copied = backend.converted(layer, "float64")
        backend.load(copied, state)
        with backend.frozen(copied), backend.no_grad():
            output = copied(*(backend.asarray(x, "float64", backend.device(copied)) for x in case.inputs))
        first = output[0] if isinstance(output, (tuple, list)) else output
        return backend.numpy(first)
    except (TwinlensError, RuntimeError, ValueError, TypeError):  # the layer wants something else than one input
        return None


def _described(case: Case, name: str, a: Array | None, b: Array | None) -> tuple[str, str]:
    a_title, b_title = case.a.title, case.b.title
    if a is None or b is None:
        return ("bias" if "bias" in name else "weights"), f"{name} exists in {a_title if b is None else b_title} alone"
    if a.shape != b.shape:
        return "weights", f"{name} has shape {a.shape} in {a_title} and {b.shape} in {b_title}"
    for relation, cause in RELATIONS:
        text = relation(a, b)
        if text is not None:
            return cause, f"{name} of {b_title} is that of {a_title} {text}"
        text = relation(b, a)
        if text is not None:
            return cause, f"{name} of {a_title} is that of {b_title} {text}"
    different = np.argwhere(~np.isclose(a, b, rtol=1e-12, atol=0, equal_nan=True))
    place = tuple(int(index) for index in different[0]) if len(different) else ()
    values = f"{a[place]:.6g} in {a_title}, {b[place]:.6g} in {b_title}"
    return "weights", f"{len(different)} of {a.size} entries of {name} differ, first {list(place)}: {values}"


def _transposed(a: Array, b: Array) -> str | None:
    square = a.ndim >= 2 and a.shape[0] == a.shape[1]
    return "transposed" if square and np.array_equal(a.swapaxes(0, 1), b) else None


def _other_channels(a: Array, b: Array) -> str | None:
    if a.ndim < 2 or not 2 <= a.shape[1] <= 4:
        return None
    orders = (order for order in permutations(range(a.shape[1])) if np.array_equal(a[:, list(order)], b))
    order = next(orders, None)
    return None if order is None else f"with its input channels in the order {list(order)}"


def _other_outputs(a: Array, b: Array) -> str | None:
    if a.ndim < 1 or np.array_equal(a, b) or not np.array_equal(np.sort(a, axis=0), np.sort(b, axis=0)):
        return None
    return "with its outputs in another order" if np.array_equal(a[::-1], b) or _is_reordered(a, b) else None


def _is_reordered(a: Array, b: Array) -> bool:
    rows = [np.lexsort(x.reshape(len(x), -1).T) for x in (a, b)]
    return np.array_equal(a[rows[0]], b[rows[1]])


def _flipped(a: Array, b: Array) -> str | None:
    axes = tuple(range(2, a.ndim))
    return "turned by 180 degrees" if axes and np.array_equal(np.flip(a, axes), b) else None


def _rounded(a: Array, b: Array) -> str | None:
    names = (name for name in DTYPES if not np.array_equal(a, b) and np.array_equal(rounded(a, name), b))
    name = next(names, None)
    return None if name is None else f"rounded to {name}"


def _scaled(a: Array, b: Array) -> str | None:
    if not np.any(a):
        return None
    factor = float(np.vdot(a, b) / np.vdot(a, a))
    return f"times {factor:.6g}" if factor and np.allclose(a * factor, b, rtol=1e-5, atol=0) else None


RELATIONS: list[tuple[Callable[[Array, Array], str | None], str]] = [
    (_rounded, "dtype"),
    (_transposed, "transposed weight"),
    (_other_channels, "channel order"),
    (_flipped, "weights"),
    (_other_outputs, "weights"),
    (_scaled, "scale"),
]
"""What one weight may be of another, and the cause that this is called."""
