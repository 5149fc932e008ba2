"""Concept activation vectors: directions in a layer's output in which examples of a concept differ from random ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, MissingPackageError
from ..explanation import Array

# Of the squared length of the normal, beside the mean loss: the one of the paper's own code.
_PENALTY = 0.01
# One in so many examples is not fitted, and shows whether the plane separates others too.
_HELD_OUT = 3
# A normal as short as this, where all rows have length 1 or so, is made of rounding.
_NOTHING = 1e-6


class ConceptVector(NamedTuple):
    """The normal of a plane between two sets of rows.

    Attributes
    ----------
    direction : ndarray (D,)
        Of length 1, towards the examples.
    accuracy : float
        Share of the rows held out that lie on their side of the plane.
    """

    direction: Array
    accuracy: float


def against_random(rows: Array, pool: Array, runs: int, seed: int, name: str) -> Iterator[ConceptVector]:
    """One vector a run, of a concept's rows (M, D) against M of the random rows (R, D), none of these twice in a run.

    Parameters
    ----------
    rows, pool : ndarray
    runs, seed : int
    name : str
        Of the concept, for errors.
    """
    rng = np.random.default_rng([seed, 0])
    for _ in range(runs):
        others = pool[rng.choice(len(pool), len(rows), replace=False)]
        yield concept_vector(rng.permutation(rows), others, f"the concept '{name}'")


def random_against_random(size: int, pool: Array, runs: int, seed: int) -> Iterator[ConceptVector]:
    """One vector a run, of `size` random rows in the place of a concept's against as many others of the pool (R, D)."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(runs):
        drawn = pool[rng.choice(len(pool), 2 * size, replace=False)]
        yield concept_vector(drawn[:size], drawn[size:], "one half of them")


def concept_vector(examples: Array, others: Array, what: str) -> ConceptVector:
    """The plane of logistic regression between examples (M, D) and others (M, D), each in random order.

    The penalty is in units of the rows themselves, whose root mean square distance from their mean counts as 1: other
    units of the activations give the same vector.

    Parameters
    ----------
    examples, others : ndarray
    what : str
        What the examples are, for errors.

    Raises
    ------
    InputError
        If nothing separates the two.
    """
    linear_model = _package()
    held = max(1, len(examples) // _HELD_OUT)
    fitted, tested = (
        np.concatenate([examples[part], others[part]]).astype(np.float64) for part in (slice(held, None), slice(held))
    )
    centre, sizes = fitted.mean(axis=0), np.abs(fitted).max(axis=0)
    fitted, tested = fitted - centre, tested - centre
    spreads = np.abs(fitted).max(axis=0)
    if (spreads <= 8 * np.finfo(examples.dtype).eps * sizes).all():
        raise _inseparable(what)
    spread = spreads.max()
    # The squares of what is very large or small would leave the range of a float.
    length = spread * np.sqrt(np.square(fitted / spread).sum(axis=1).mean())
    # A penalised plane has its normal in the span of its rows: in coordinates there, few columns are as good as many.
    basis, coordinates = np.linalg.qr((fitted / length).T)
    labels = _labels(fitted)
    plane = linear_model.LogisticRegression(C=1 / (_PENALTY * len(fitted)), solver="newton-cholesky", tol=1e-10)
    plane.fit(coordinates.T, labels)
    normal = basis @ plane.coef_[0]
    slope = np.linalg.norm(normal)
    if slope <= _NOTHING:
        raise _inseparable(what)
    sides = plane.predict((tested / length) @ basis)
    return ConceptVector(normal / slope, float((sides == _labels(tested)).mean()))


def _labels(rows: Array) -> Array:
    """1 for the examples, which come first, and 0 for as many others."""
    return (np.arange(len(rows)) < len(rows) // 2).astype(np.int64)


def _inseparable(what: str) -> InputError:
    return InputError(
        f"The layer returns the same for {what} and for the random examples: nothing separates them.",
        "Pass more examples that differ, or choose another layer.",
    )


def _package() -> Any:
    try:
        from sklearn import linear_model
    except ImportError as error:
        raise MissingPackageError(
            "The package 'scikit-learn' is not installed.", "Install it with: pip install scikit-learn."
        ) from error
    return linear_model
