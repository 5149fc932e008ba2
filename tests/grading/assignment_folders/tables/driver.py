"""How your functions are called."""

import numpy as np


def run(task, submission, net, inputs, framework):
    """Call the function of one task."""
    table = inputs["table"]
    if task == "doubled":
        return {"doubled": np.asarray(submission.doubled(table))}
    centred, means = submission.centred(table)
    return {"centred": np.asarray(centred), "means": np.asarray(means)}
