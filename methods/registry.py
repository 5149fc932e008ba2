"""The table of methods: each is a function on the backend protocol with its paper and its place in the taxonomy."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..backends.model import Model
from ..backends.objective import Target
from ..errors import MethodError, suggest
from .budget import Budget
from .explanation import Array, ErrorEstimate

# Families are imported when the table is first read, so that `import twinlens` stays light.
_FAMILIES = {
    "gradient_based": "gradients",
    "backpropagation": "backpropagation",
    "cams": "cams",
    "attention": "attention",
    "perturbation": "perturbation",
    "layers": "layers",
}
"""Families by the package that holds them, in the order of the table."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method's function returns; `explain` adds the rest.

    Attributes
    ----------
    values : ndarray
    scores : ndarray (N, classes)
    target : ndarray of int (N,) or None
    error : ErrorEstimate or None
    extras : dict of ndarray
    budget : Budget or None
        What was spent, of methods that go on until a tolerance is met.
    """

    values: Array
    scores: Array
    target: npt.NDArray[np.int64] | None
    error: ErrorEstimate | None = None
    extras: Mapping[str, Array] = field(default_factory=dict)
    budget: Budget | None = None


class MethodFunction(Protocol):
    """``function(model, x, target, **parameters)`` on a checked input."""

    __name__: str

    def __call__(self, model: Model, x: Array, target: Target, **parameters: Any) -> Attribution: ...


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes
    ----------
    name : str
        What `explain` is asked for.
    family : str
        ``"gradients"``, ``"perturbation"``, ...
    paper : str
        Title, year and arXiv number.
    needs : str
        ``"gradient"``, ``"activations"`` of a layer, or only ``"scores"``: what the model must offer.
    error : str
        What the result's error estimate is.
    time, access, scope : str
        The taxonomy: intrinsic or post hoc, model-specific or model-agnostic, local or global.
    function : callable
    targeted : bool
        Whether it takes a target: a class, and not a layer or neuron that its own parameters name.
    """

    name: str
    family: str
    paper: str
    needs: Literal["gradient", "activations", "scores"]
    error: str
    function: MethodFunction
    time: Literal["intrinsic", "post hoc"] = "post hoc"
    access: Literal["model-specific", "model-agnostic"] = "model-specific"
    scope: Literal["local", "global"] = "local"
    targeted: bool = True

    @property
    def defaults(self) -> dict[str, Any]:
        """Parameters and their default values; ``inspect.Parameter.empty`` marks one that must be given."""
        return dict(self._defaults)

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def completed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, those left out at their defaults.

        Raises
        ------
        MethodError
            If one does not exist, or one that must be given is left out.
        """
        defaults = self.defaults
        for name in params:
            if name not in defaults:
                raise MethodError(f"The method '{self.name}' has no parameter '{name}'.", suggest(name, defaults))
        merged = defaults | dict(params)
        for name, value in merged.items():
            if value is inspect.Parameter.empty:
                raise MethodError(f"The method '{self.name}' needs the parameter '{name}'.", f"Pass {name}=...")
        return merged

    def check_target(self, target: Target) -> None:
        """Raise `MethodError` if there is a target and the method takes none."""
        if target is not None and not self.targeted:
            raise MethodError(
                f"{self.name} has no target.", "Leave target out: its own parameters say what is explained."
            )

    @property
    def citation(self) -> str:
        """Authors, year and arXiv number: the part of `paper` in parentheses."""
        return self.paper.rpartition("(")[2].rstrip(")")

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


_METHODS: dict[str, Method] = {}


def register(
    name: str,
    *,
    family: str,
    paper: str,
    needs: Literal["gradient", "activations", "scores"],
    error: str,
    access: Literal["model-specific", "model-agnostic"] = "model-specific",
    scope: Literal["local", "global"] = "local",
    targeted: bool = True,
) -> Callable[[Any], Any]:
    """Put a function into the table of methods under a name."""

    def add(function: Any) -> Any:
        if name in _METHODS:
            raise ValueError(f"the method '{name}' is registered twice")
        _METHODS[name] = Method(
            name, family, paper, needs, error, function, access=access, scope=scope, targeted=targeted
        )
        return function

    return add


def methods() -> dict[str, Method]:
    """All methods by name: family, paper, taxonomy, parameters, error estimate."""
    _import_families()
    places = {family: place for place, family in enumerate(_FAMILIES.values())}
    return dict(sorted(_METHODS.items(), key=lambda row: (places.get(row[1].family, len(places)), row[0])))


def get_method(name: str) -> Method:
    """Return the method of a name.

    Raises
    ------
    MethodError
        If there is none, naming the nearest.
    """
    _import_families()
    if not isinstance(name, str) or name not in _METHODS:
        raise MethodError(f"There is no method '{name}'.", suggest(name, methods()))
    return _METHODS[name]


@cache
def _import_families() -> None:
    for package in _FAMILIES:
        importlib.import_module(f".{package}", __package__)
