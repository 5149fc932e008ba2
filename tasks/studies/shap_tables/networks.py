"""One network on every framework, explained on the rows and background of the trees by methods of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....backends.objective import Of
from ....comparison.exact import exact
from ....methods import Explanation, explain, get_method
from ....models.loading import load_model
from ....models.table_network import TableNetwork, fit_table_networks
from ...tables_shap import held_out_score, margin_of
from ..base import Context
from .questions import Question
from .trees import probability_unit, value_unit

if TYPE_CHECKING:
    from .settings import Networks

EXACT = "exact_shapley"
SINGLE, DOUBLE = 1e-4, 1e-10
"""How far two frameworks may be apart in single and double precision, as a share of the largest value."""


@dataclass(frozen=True, eq=False)
class NetworkValues:
    """What one method says of the network, on every framework.

    Attributes
    ----------
    method : str
    of : {"logit", "probability"}
    unit : str
        What the values add up to, in words.
    made : dict of str to Explanation
        By framework, in the network's own single precision.
    base : float
        Mean output on the background.
    single, double : float or None
        Largest difference of the frameworks' values as a share of the largest value, in both precisions; None where
        there is one framework, or the method ran on one.
    """

    method: str
    of: Of
    unit: str
    made: dict[str, Explanation]
    base: float
    single: float | None
    double: float | None

    @property
    def first(self) -> Explanation:
        """The explanation that is compared with the trees'."""
        return next(iter(self.made.values()))

    @property
    def within(self) -> bool | None:
        """Whether the frameworks agree as far as their precision lets them."""
        if self.single is None or self.double is None:
            return None
        return self.single <= SINGLE and self.double <= DOUBLE


@dataclass(frozen=True, eq=False)
class Explained:
    """The network of a table and everything said of it; ``score`` as for trees."""

    score: float | None
    values: list[NetworkValues]

    def exact(self, of: Of) -> NetworkValues | None:
        """Return the exact Shapley values, if they were computed."""
        return next((one for one in self.values if one.method == EXACT and one.of == of), None)


def rehearse_methods(question: Question, networks: Networks, backends: Sequence[str], seed: int) -> None:
    """Run every method once on a network that was not fitted, which costs little and finds bad parameters.

    Raises
    ------
    MethodError, InputError
        A parameter cannot be used.
    """
    rows = np.asarray(question.table.data, dtype=np.float64)
    shape = {"features": rows.shape[1], "classes": max(len(question.table.class_names), 1), "hidden": (2,)}
    model = load_model("mlp", backend=backends[0], seed=seed, **shape)
    for method, given in networks.methods.items():
        explain(model, rows[question.compared[:1]], method, 0, **_params(method, given, rows[:2], "logit", seed))


def explained_networks(question: Question, networks: Networks, context: Context) -> Explained:
    """Fit a network, put it on every framework and explain it by every method.

    Parameters
    ----------
    question : Question
    networks : Networks
    context : Context
        Its backends are run; explanations are saved to its output.
    """
    table, label = question.table, question.label
    data, target = np.asarray(table.data, dtype=np.float64), np.asarray(table.target)
    train, test = question.split.train, question.split.test
    fitted = fit_table_networks(
        data[train],
        target[train],
        context.backends,
        class_names=table.class_names,
        hidden=networks.hidden,
        seed=context.seed,
        device=context.device,
    )
    rows, background = data[question.compared], data[question.background]
    methods = dict(networks.methods)
    if data.shape[1] <= networks.exact_features:
        methods.setdefault(EXACT, {})
    values = []
    for of, unit in _scales(question).items():
        for method, given in methods.items():
            params = _params(method, given, background, of, context.seed)
            # Every coalition is worth a run on one framework, as a referee, and not one on each.
            chosen = dict(list(fitted.items())[:1]) if method == EXACT else fitted
            made = {
                name: explain(network.model, rows, method, label or 0, **params) for name, network in chosen.items()
            }
            for name, one in made.items():
                scale = "" if label is None else f"_{of}"
                context.output.explanation(one, f"{question.key}_{method}{scale}_{name}")
            base = _base(next(iter(fitted.values())), background, label, of)
            double = _double(chosen, rows, method, label or 0, params) if len(made) > 1 else None
            values.append(NetworkValues(method, of, unit, made, base, _apart(made), double))
    score = held_out_score(next(iter(fitted.values())), data[test], target[test], label is not None)
    return Explained(score, values)


def _scales(question: Question) -> dict[Of, str]:
    """Name the outputs that are explained: those that the trees have, so that there is something to compare with."""
    if question.label is None:
        return {"logit": value_unit(question)}
    return {
        "probability": probability_unit(question),
        "logit": margin_of(question.table.class_names, question.label).replace("log-odds", "logit"),
    }


def _params(method: str, given: Mapping[str, Any], background: np.ndarray, of: Of, seed: int) -> dict[str, Any]:
    own = {"seed": seed} if "seed" in get_method(method).defaults else {}
    return own | {"background": background, "of": of} | dict(given)


def _base(network: TableNetwork, background: np.ndarray, label: int | None, of: Of) -> float:
    if label is None or of == "logit":
        return float(network.model.forward(background)[:, label or 0].mean(dtype=np.float64))
    return float(network.predict_proba(background)[:, label].mean(dtype=np.float64))


def _double(
    fitted: Mapping[str, TableNetwork], rows: np.ndarray, method: str, target: int, params: dict[str, Any]
) -> float | None:
    made = {name: explain(exact(network.model), rows, method, target, **params) for name, network in fitted.items()}
    return _apart(made)


def _apart(made: Mapping[str, Explanation]) -> float | None:
    if len(made) < 2:
        return None
    first, second = (np.asarray(one.values, dtype=np.float64) for one in made.values())
    largest = float(np.abs(first).max()) or 1.0
    return float(np.abs(first - second).max()) / largest
