"""The answers to a small assignment."""

import numpy as np

from twinlens.grading.protocol import Mistake, random_generator


def cases(task, seed, public):
    rng = random_generator(seed, int(public), len(task), 1)
    return {"table": (rng.normal(size=(4, 7)) * np.array([[0.2], [1], [3], [8]]) + 5).astype(np.float32)}


def weights(seed, public):
    rng = random_generator(seed, int(public), 2)
    return {"weight": rng.normal(size=(2, 3)).astype(np.float32), "bias": rng.normal(size=2).astype(np.float32)}


def expected(task, model, inputs):
    table = inputs["table"].astype(np.float64)
    if task == "doubled":
        return {"doubled": 2 * table}
    means_of_all_rows = table.mean(axis=1)
    return {"centred": table - means_of_all_rows[:, None], "means": means_of_all_rows}


def tripled(model, inputs):
    return {"doubled": 3 * inputs["table"].astype(np.float64)}


def by_column(model, inputs):
    table = inputs["table"].astype(np.float64)
    return {"centred": table - table.mean(axis=0), "means": table.mean(axis=1)}


MISTAKES = {
    "doubled": [
        Mistake(
            "tripled",
            "The first value is {first:.2f}: that is three times what is in the table.",
            0.25,
            tripled,
            lambda inputs, outputs: {"first": float(outputs["doubled"].flat[0])},
        )
    ],
    "centred": [Mistake("by_column", "Take the mean of each row, not of each column.", 0.5, by_column)],
}
