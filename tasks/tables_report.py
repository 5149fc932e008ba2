"""What is kept of the table explanations: numbers for the results, rows for the report, arrays for the archive."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tables_lime import LimeRow, LimeWeights
from .tables_shap import TreeShap


def lime_title(lime: LimeRow) -> str:
    """Head a LIME explanation."""
    return f"LIME: why row {lime.row} is (or is not) {lime.class_names[lime.target]}"


def shap_title(trees: TreeShap) -> str:
    """Head the explanation of one row by SHAP."""
    return f"SHAP: row {trees.row}, {trees.output}"


def lime_numbers(lime: LimeRow) -> dict[str, Any]:
    """Give what `results.json` keeps of the explanation of a table's row: plain JSON."""
    return {
        "row": lime.row,
        **weights_numbers(lime),
        "accuracy": lime.accuracy,
        "row_held_out": lime.split.holds_out(lime.row),
        "split": lime.split.kind,
        "train_rows": len(lime.split.train),
        "test_rows": len(lime.split.test),
    }


def weights_numbers(lime: LimeWeights) -> dict[str, Any]:
    """Give what `results.json` keeps of any explanation by LIME: plain JSON."""
    return {
        "class": lime.class_names[lime.target],
        "probabilities": dict(zip(lime.class_names, lime.probabilities.tolist(), strict=True)),
        "weights": [
            {
                "rule": lime.rules[i],
                "weight": float(lime.weights[i]),
                "standard_deviation": float(lime.weights_std[i]) if lime.repeats > 1 else None,
                "share_of_neighbours": float(lime.shares[i]),
            }
            for i in lime.order
        ],
        "local_r2": lime.score,
        "local_r2_of_each_draw": lime.scores.tolist(),
        "local_prediction": lime.local_prediction,
        "model_prediction": float(lime.probabilities[lime.target]),
        "error": lime.error,
        "samples": lime.samples,
        "repeats": lime.repeats,
        "seed": lime.seed,
    }


def shap_numbers(trees: TreeShap) -> dict[str, Any]:
    """Give what `results.json` keeps of a SHAP explanation: plain JSON."""
    names, row = trees.feature_names, trees.row
    return {
        "row": row,
        "model": trees.model,
        "output": trees.output,
        "base_value": trees.base,
        "prediction": float(trees.predictions[row]),
        "shap_values": dict(zip(names, trees.values[row].tolist(), strict=True)),
        "mean_abs_shap": dict(zip(names, np.abs(trees.values).mean(axis=0).tolist(), strict=True)),
        "importance": dict(zip(names, trees.importance.tolist(), strict=True)),
        "additivity_error": trees.additivity_error,
        "interaction_error": trees.interaction_error,
        "score": trees.score,
        "score_name": trees.score_name,
        "row_held_out": trees.split.holds_out(row),
        "split": trees.split.kind,
        "train_rows": len(trees.split.train),
        "test_rows": len(trees.split.test),
        "seed": trees.seed,
    }


def lime_table(lime: LimeRow) -> dict[str, Any]:
    """List rule, value, weight and its deviation, the heaviest weight first."""
    order = np.argsort(-np.abs(lime.weights), kind="stable")
    return {
        "title": lime_title(lime),
        "columns": ["rule", "value", "weight", "standard deviation"],
        "rows": [
            [lime.rules[i], *(round(float(a[i]), 4) for a in (lime.values, lime.weights, lime.weights_std))]
            for i in order
        ],
    }


def shap_table(trees: TreeShap) -> dict[str, Any]:
    """List feature, value and SHAP value of the row, then the sum and the prediction it has to equal."""
    row, total = trees.row, trees.base + float(trees.values[trees.row].sum())
    features = zip(trees.feature_names, trees.data[row].tolist(), trees.values[row].tolist(), strict=True)
    return {
        "title": shap_title(trees),
        "columns": ["feature", "value", "SHAP value"],
        "rows": [
            *([name, round(value, 4), round(shap_value, 4)] for name, value, shap_value in features),
            ["base value", "", round(trees.base, 4)],
            ["sum", "", round(total, 4)],
            ["prediction", "", round(float(trees.predictions[row]), 4)],
        ],
    }


def lime_arrays(lime: LimeRow) -> dict[str, Any]:
    """Give what `np.savez` keeps of the explanation of a table's row: numbers and strings, no objects."""
    return {**weights_arrays(lime), "row": lime.row, "train": lime.split.train, "test": lime.split.test}


def weights_arrays(lime: LimeWeights) -> dict[str, Any]:
    """Give what `np.savez` keeps of any explanation by LIME: numbers and strings, no objects."""
    plain = ("target", "weights", "weights_std", "shares", "values", "probabilities", "intercept", "local_prediction")
    return {
        **{name: getattr(lime, name) for name in (*plain, "score", "seed", "samples")},
        "rules": np.array(lime.rules),
        "feature_names": np.array(lime.feature_names),
        "class_names": np.array(lime.class_names),
    }


def shap_arrays(trees: TreeShap) -> dict[str, Any]:
    """Give what `np.savez` keeps of a SHAP explanation: numbers and strings, no objects."""
    plain = ("row", "output", "data", "values", "interactions", "base", "predictions", "importance", "seed")
    return {
        **{name: getattr(trees, name) for name in (*plain, "additivity_error", "interaction_error")},
        "feature_names": np.array(trees.feature_names),
        "train": trees.split.train,
        "test": trees.split.test,
    }
