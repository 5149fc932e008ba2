"""Which rule is for which layer: the combinations that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from ....errors import MethodError
from ...checks import non_negative
from .rules import AlphaBeta, Box, Epsilon, Excitation, Flat, Gamma, Rule, WSquared, Zero

CompositeName: TypeAlias = Literal[
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "zero",
    "epsilon",
    "gamma",
    "plus",
    "alpha_beta",
    "excitation_backprop",
]
First: TypeAlias = Literal["box", "flat", "w_squared", "same"]


@dataclass(frozen=True)
class Composite:
    """The rules of one run.

    Attributes
    ----------
    convolution, linear : Rule
    first : Rule or None
        For the first layer that the network uses; None: the rule of its kind.
    """

    convolution: Rule
    linear: Rule
    first: Rule | None

    @property
    def needs_box(self) -> bool:
        """Whether the first layer's rule looks at the bounds of the input."""
        return self.first is not None and self.first.of_inputs


def composite_of(
    name: CompositeName, first: First | None, epsilon: float, gamma: float, alpha: float, beta: float
) -> Composite:
    """Put the rules of a composite together, or raise `MethodError` naming the parameter that is wrong."""
    epsilon, gamma = non_negative("epsilon", epsilon), non_negative("gamma", gamma)
    alpha, beta = non_negative("alpha", alpha), non_negative("beta", beta)
    if name not in get_args(CompositeName):
        raise MethodError(f"composite={name!r} is not known.", f"Choose one of: {', '.join(get_args(CompositeName))}.")
    if first is not None and first not in get_args(First):
        raise MethodError(f"first={first!r} is not known.", f"Choose one of: {', '.join(get_args(First))}.")
    if abs(alpha - beta - 1) > 1e-9:
        raise MethodError(
            f"alpha={alpha:g} and beta={beta:g} do not conserve relevance: alpha - beta must be 1.",
            f"Pass alpha={beta + 1:g}.",
        )
    zero, plus = Zero(), AlphaBeta(1.0, 0.0, epsilon)
    alpha2_beta1 = AlphaBeta(2.0, 1.0, epsilon)
    rules: dict[str, tuple[Rule, Rule, First]] = {
        "epsilon_gamma_box": (Gamma(gamma, epsilon), Epsilon(epsilon), "box"),
        "epsilon_plus": (plus, Epsilon(epsilon), "same"),
        "epsilon_plus_flat": (plus, Epsilon(epsilon), "flat"),
        "epsilon_alpha2_beta1": (alpha2_beta1, Epsilon(epsilon), "same"),
        "epsilon_alpha2_beta1_flat": (alpha2_beta1, Epsilon(epsilon), "flat"),
        "zero": (zero, zero, "same"),
        "epsilon": (Epsilon(epsilon), Epsilon(epsilon), "same"),
        "gamma": (Gamma(gamma, epsilon), Gamma(gamma, epsilon), "same"),
        "plus": (plus, plus, "same"),
        "alpha_beta": (AlphaBeta(alpha, beta, epsilon), AlphaBeta(alpha, beta, epsilon), "same"),
        "excitation_backprop": (Excitation(epsilon), Excitation(epsilon), "same"),
    }
    of_first: dict[str, Rule | None] = {
        "box": Box(epsilon),
        "flat": Flat(epsilon),
        "w_squared": WSquared(epsilon),
        "same": None,
    }
    convolution, linear, own = rules[name]
    return Composite(convolution, linear, of_first[first or own])
