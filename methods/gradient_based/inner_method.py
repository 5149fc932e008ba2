"""A method inside of another one, which calls it for copies of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ...errors import MethodError
from ..checks import baseline_like, finite_values, random_seed
from ..explain import attribution
from ..explanation import Array
from ..players import partitions_of
from ..registry import Attribution, get_method

# What a sample may have of its own, as an array with one row per sample.
_BASELINES = ("baseline", "low", "high")
_LIMITS = ("max_evaluations", "max_seconds")
# Copies that a method is given at once when nobody says how many; it cuts them further by itself.
_BYTES = 1 << 26


class InnerMethod:
    """One method with its parameters, for copies of the samples of one batch.

    Parameters
    ----------
    name : str
    params : mapping or None
        As for `explain`; an array with one row per sample gives each copy its sample's row.
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
                f"{name} explains the network and not its inputs, which {outer} makes copies of.",
                "Choose an inner method that gives one explanation per input, such as integrated_gradients.",
            )
        if params is not None and (not isinstance(params, Mapping) or not all(isinstance(key, str) for key in params)):
            raise MethodError(
                f"inner_params={params!r} are not parameters by name.", 'Pass a mapping, such as {"steps": 20}.'
            )
        shared = {"batch_size": batch_size} if "batch_size" in self.method.defaults else {}
        self._params = self.method.completed(shared | dict(params or {}))
        if "seed" in self._params:
            self._params["seed"] = random_seed(self._params["seed"])
        self._rows = {name: _rows(name, self._params.get(name), x) for name in (*_BASELINES, "segments")}
        # Draws and limits belong to one copy, whatever it shares a call with; so may what a list means.
        alone = (
            "seed" in self._params
            or any(self._params.get(limit) is not None for limit in _LIMITS)
            or any(isinstance(self._params.get(name), (list, tuple)) for name in _BASELINES)
        )
        fitting = max(1, _BYTES // x[0].nbytes) if isinstance(batch_size, str) else batch_size
        self.at_once = 1 if alone else fitting

    def explain(self, model: Model, copies: Array, sample: int, first: int, target: Target) -> Attribution:
        """What the method says of the copies (M, ...) of one sample, numbered `first` and so on.

        Parameters
        ----------
        target : int, callable or None
            The class of the sample.
        """
        params = self._params | {name: rows[sample] for name, rows in self._rows.items() if rows is not None}
        if "seed" in params:
            # Other draws for each copy: what it adds to the spread of the copies is then seen in it.
            params["seed"] = int(np.random.SeedSequence([params["seed"], sample, first]).generate_state(1)[0])
        found = attribution(self.method, model, copies, target, params)
        finite_values(found.values)
        return found


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
