"""What is kept and said of the trees and the network: plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...tables_tree_values import TreeValues, ranking
from .networks import Explained
from .questions import Question
from .trees import Trees


def trees_numbers(question: Question, trees: Sequence[Trees]) -> dict[str, Any]:
    """Give what `results.json` keeps of a table and its trees."""
    return {
        "row": question.row,
        "row_held_out": question.split.holds_out(question.row),
        "label": question.label_name,
        "target": float(question.table.target[question.row]),
        "rows": len(question.rows),
        "train_rows": len(question.split.train),
        "test_rows": len(question.split.test),
        "background_rows": len(question.background),
        "score_name": score_name(question),
        "trees": {one.name: _of_trees(question, one) for one in trees},
    }


def score_name(question: Question) -> str:
    """Name the score on held-out rows."""
    return "root mean squared error" if question.label is None else "accuracy"


def _of_trees(question: Question, one: Trees) -> dict[str, Any]:
    names, strength = question.table.feature_names, pair_strength(one.interactions)
    feature, other = one.features(question)
    return {
        "unit": one.unit,
        "score": one.score,
        "drawn": one.absent,
        **{absent: _of_values(question, values) for absent, values in one.values.items()},
        "path_dependent_and_interventional_apart": one.kinds_apart(),
        "dependence": [names[feature], names[other]],
        "main_effects": dict(zip(names, np.diagonal(strength).tolist(), strict=True)),
        "strongest_interactions": [
            {"features": [names[i], names[j]], "mean_abs": float(strength[i, j])} for i, j in strongest_pairs(strength)
        ],
        "interaction_error": one.interaction_error,
    }


def pair_strength(interactions: np.ndarray) -> np.ndarray:
    """Mean |main effect| on the diagonal (d, d), mean |whole interaction| of a pair off it."""
    return np.abs(interactions * (2 - np.eye(interactions.shape[1]))).mean(axis=0)


def strongest_pairs(strength: np.ndarray, most: int = 5) -> list[tuple[int, int]]:
    """Pairs of features, the strongest interaction first."""
    rows, columns = np.triu_indices(len(strength), 1)
    order = np.argsort(-strength[rows, columns], kind="stable")[:most]
    return [(int(rows[i]), int(columns[i])) for i in order]


def _of_values(question: Question, found: TreeValues) -> dict[str, Any]:
    names = question.table.feature_names
    return {
        "base_value": found.base,
        "prediction": float(found.predictions[question.shown]),
        "shap_values": dict(zip(names, found.values[question.shown].tolist(), strict=True)),
        "mean_abs_shap": dict(zip(names, np.abs(found.values).mean(axis=0).tolist(), strict=True)),
        "additivity_error": found.additivity_error,
        "relative_additivity_error": found.relative_error,
    }


def network_numbers(network: Explained) -> dict[str, Any]:
    """Give what `results.json` keeps of the network beyond the comparison."""
    return {
        "score": network.score,
        "methods": [
            {
                "method": one.method,
                "of": one.of,
                "params": {k: v for k, v in one.first.params.items() if k != "background"},
                "backends": list(one.made),
                "evaluations": one.first.evaluations,
                "apart_in_single_precision": one.single,
                "apart_in_double_precision": one.double,
                "frameworks_agree": one.within,
            }
            for one in network.values
        ],
    }


def say_trees(question: Question, one: Trees) -> str:
    """Sum the trees up in a line."""
    drawn, names = one.drawn, question.table.feature_names
    first = ", ".join(names[i] for i in ranking(drawn.values)[:3])
    score = "" if one.score is None else f"{score_name(question)} {one.score:.3g}, "
    return (
        f"shap_tables: {question.table.name}, {one.name}: {score}base value {drawn.base:.4g}, values add up to "
        f"within {drawn.relative_error:.1g}, strongest {first}"
    )


def say_network(question: Question, network: Explained) -> Iterator[str]:
    """Say how good the network is and, method by method, how far the frameworks are apart."""
    if network.score is not None:
        yield f"shap_tables: {question.table.name}, network: {score_name(question)} {network.score:.3g}"
    for one in network.values:
        if one.single is not None and one.double is not None:
            yield (
                f"shap_tables: {question.table.name}, network, {one.method} of {one.unit}: "
                f"frameworks {one.single:.1g} apart, {one.double:.1g} in double precision"
            )
