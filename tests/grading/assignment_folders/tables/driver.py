"""How your functions are called."""

import importlib

import numpy as np


def run(task, submission, net, inputs, framework):
    """Call the function of one task; a network, where there is one, has computed a gradient before."""
    if net is not None:
        net(importlib.import_module(framework).ones([2, 3])).sum().backward()
        print(f"A network of {framework} has run.")
    table = inputs["table"]
    if task == "doubled":
        return {"doubled": np.asarray(submission.doubled(table))}
    centred, means = submission.centred(table)
    return {"centred": np.asarray(centred), "means": np.asarray(means)}
