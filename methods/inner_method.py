"""A method inside of another one, which calls it for copies of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.chunks import BatchSize
from ..backends.model import Model
from ..backends.objective import Target
from ..errors import MethodError
from .checks import baseline_like, finite_values, random_seed
from .explain import attribution
from .explanation import Array
from .players import partitions_of
from .registry import Attribution, get_method

# What a sample may have of its own, as an array with one row per sample.
_BASELINES = ("baseline", "low", "high")
_LIMITS = ("max_evaluations", "max_seconds")
# What a method that changes a layer's output may be told of that output, and not of the samples.
_OF_LAYERS = ("baseline", "segments")
# Copies that a method is given at once when nobody says how many; it cuts them further by itself.
_BYTES = 1 << 26


class InnerMethod:
    """One method with its parameters, for copies of the samples of one batch.

    Parameters
    ----------
    name : str
    params : mapping or None
        As for `explain`; an array with one row per sample gives each copy its sample's row. What belongs to a layer's
        output is for one sample, and the same for all.
    x : ndarray (N, ...)
        The samples.
    outer : str
        Name of the method that calls it.
    batch_size : int or "auto"
        What the method is given if `params` say nothing else.

    Attributes
    ----------
    method : Method
    at_once : int
        How many copies it may be given in one call.

    Raises
    ------
    MethodError, InputError
        If the method explains no inputs, or a parameter does not exist, is missing or does not fit the samples.
    """

    def __init__(
        self, name: str, params: Mapping[str, Any] | None, x: Array, outer: str, batch_size: BatchSize
    ) -> None:
        if name == outer:
            raise MethodError(f"{outer} cannot be its own inner method.", "Pass inner=, such as integrated_gradients.")
        self.method = get_method(name)
        if self.method.scope == "global":
            raise MethodError(
                f"{name} explains the network and not its inputs one by one, which {outer} makes copies of.",
                "Choose an inner method that gives one explanation per input, such as integrated_gradients.",
            )
        self._given = by_name(params, '{"steps": 20}')
        shared = {"batch_size": batch_size} if "batch_size" in self.method.defaults else {}
        self._params = self.method.completed(shared | self._given)
        if "seed" in self._params:
            self._params["seed"] = random_seed(self._params["seed"])
        if self._params.get("background", ...) is None and "baseline" not in self._params:
            raise MethodError(
                f"{name} takes parts from the other samples of the batch, and {outer} shows it copies of one.",
                'Name the samples to take them from: inner_params={"background": ...}.',
            )
        of_layer = _OF_LAYERS if self.method.family == "layers" and "segments" in self._params else ()
        self._rows = {
            name: _rows(name, self._params.get(name), x) for name in (*_BASELINES, "segments") if name not in of_layer
        }
        # The copies that a further method makes of each copy, in the numbers of this one's samples.
        self._within: InnerMethod | None = (
            InnerMethod(self._params["inner"], self._params["inner_params"], x, name, batch_size)
            if "inner" in self._params
            else None
        )
        # Draws and limits belong to one copy, whatever it shares a call with; so may what a list means, and rows for
        # as many samples as there are copies would be taken for theirs.
        self._alone: bool = (
            "seed" in self._params
            or any(self._params.get(limit) is not None for limit in _LIMITS)
            or any(isinstance(self._params.get(name), (list, tuple)) for name in _BASELINES)
            or any(not isinstance(self._params.get(name, 0), (str, int, float)) for name in of_layer)
            or (self._within is not None and self._within._alone)
        )
        fitting = max(1, _BYTES // x[0].nbytes) if isinstance(batch_size, str) else batch_size
        self.at_once = 1 if self._alone else fitting

    def explain(self, model: Model, copies: Array, sample: int, first: int, target: Target) -> Attribution:
        """What the method says of the copies (M, ...) of one sample, numbered `first` and so on.

        Parameters
        ----------
        target : int, callable or None
            The class of the sample.
        """
        found = attribution(self.method, model, copies, target, self._params | self._own(sample, first))
        finite_values(found.values)
        return found

    def _own(self, sample: int, first: int) -> dict[str, Any]:
        """The parameters that other copies have others of."""
        own = {name: rows[sample] for name, rows in self._rows.items() if rows is not None}
        if "seed" in self._params:
            # Other draws for each copy: what it adds to the spread of the copies is then seen in it.
            own["seed"] = seed_of(self._params["seed"], sample, first)
        if self._within is not None:
            own["inner_params"] = self._within._given | self._within._own(sample, first)
        return own


def by_name(inner_params: Any, example: str) -> dict[str, Any]:
    """An inner method's parameters, or `MethodError` if they are not given by name."""
    if inner_params is None:
        return {}
    if not isinstance(inner_params, Mapping) or not all(isinstance(key, str) for key in inner_params):
        raise MethodError(
            f"inner_params={inner_params!r} are not parameters by name.", f"Pass a mapping, such as {example}."
        )
    return dict(inner_params)


def seed_of(seed: int, *place: int) -> int:
    """The seed of one of several calls of an inner method, which are to draw other numbers each."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])


def _rows(name: str, value: Any, x: Array) -> list[Any] | None:
    """The parameter of each sample, None if all have the same."""
    if value is None or isinstance(value, (str, bool)):
        return None
    if name == "segments":
        return partitions_of(value, x)
    if isinstance(value, (list, tuple)):
        # Several baselines, of which one or the other may have rows.
        columns = [_rows(name, each, x) or [each] * len(x) for each in value]
        return [type(value)(row) for row in zip(*columns, strict=True)] or None
    return list(baseline_like(value, x)) if np.ndim(value) == x.ndim else None
