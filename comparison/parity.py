"""Do two frameworks give the same explanation? Judged in float64, reported in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..backends import Model
from ..backends.objective import Target
from ..methods import explain, get_method
from .agreement import Agreement, Array, agreement


@dataclass(frozen=True, eq=False)
class Parity:
    """Agreement of one method on two models with the same weights.

    Attributes
    ----------
    method : str
    single : Agreement
        In the models' own precision, usually float32.
    double : Agreement
        In float64: the judgement on the frameworks.
    noise : tuple of Agreement
        Each model's own result against its float64 result: how much of `single` is rounding.
    """

    method: str
    single: Agreement
    double: Agreement
    noise: tuple[Agreement, Agreement]

    def numbers(self) -> dict[str, Any]:
        """The worst figures over the samples, for tables and JSON."""
        single = self.single.worst()
        return {
            "cosine": single["cosine"],
            "relative_l2": single["relative_l2"],
            "max_abs": single["max_abs"],
            "spearman": single["spearman"],
            "float64_relative_l2": self.double.worst()["relative_l2"],
            "float32_noise": [noise.worst()["relative_l2"] for noise in self.noise],
        }


def parity(first: Model, second: Model, x: Any, method: str, target: Target = None, **params: Any) -> Parity:
    """Run one method on two models and in float64 on copies of both.

    Parameters
    ----------
    first, second : Model
    x : array (N, ...)
    method : str
    target : as for `explain`
        None is settled once, by the first model, so that both explain the same class.
    **params
        The method's parameters.
    """
    models = (first, second, in_double(first), in_double(second))
    chosen = get_method(method)
    if target is None and chosen.targeted:
        target = first.predict(x).tolist()
    values = [explain(model, x, method, target, **params).values for model in models]
    return judged(method, values[:2], values[2:])


def judged(method: str, single: Sequence[Array], double: Sequence[Array]) -> Parity:
    """Parity of explanations that are already made.

    Parameters
    ----------
    method : str
    single, double : sequence of 2 arrays (N, ...)
        Values of the first and of the second model, in their own precision and in float64.
    """
    return Parity(
        method,
        agreement(single[0], single[1]),
        agreement(double[0], double[1]),
        (agreement(single[0], double[0]), agreement(single[1], double[1])),
    )


def in_double(model: Model) -> Model:
    """A float64 copy of a model; the model itself where it already is one."""
    return model if model.dtype == "float64" else model.in_dtype("float64")
