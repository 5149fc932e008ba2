"""How your functions are called. It runs on your machine as it does in the grader, so read it, and try things out."""

import numpy as np


def run(task, submission, net, inputs, framework):
    """Call the function of one task, some of them several times, and collect their arrays."""
    tasks = {"classifier_function": classifier_function, "lime_weights": lime_weights, "shap_values": shap_values}
    return tasks[task](Caller(submission, net, framework), inputs)


def classifier_function(call, inputs):
    """Pictures of bytes, pictures of numbers, and the first of these alone."""
    return {
        "of_bytes": call("classifier_function", call.net.pictures, inputs["bytes"]),
        "of_floats": call("classifier_function", call.net.pictures, inputs["floats"]),
        "alone": call("classifier_function", call.net.pictures, inputs["floats"][:1]),
    }


def lime_weights(call, inputs):
    """One call per picture."""
    found = []
    for picture, segments, masks, label in zip(
        inputs["pictures"], inputs["segments"], inputs["masks"], inputs["labels"], strict=True
    ):
        net, fill = call.net.pictures, inputs["fill"]
        width, penalty = float(inputs["kernel_width"]), float(inputs["penalty"])
        found.append(call("lime_weights", net, picture, segments, masks, int(label), fill, width, penalty))
    return {"weights": np.stack(found)}


def shap_values(call, inputs):
    """One call with all rows."""
    labels = [int(label) for label in inputs["labels"]]
    return {"values": call("shap_values", call.net.table, inputs["rows"], inputs["background"], labels)}


class Caller:
    """Calls functions of a submission."""

    def __init__(self, submission, net, framework):
        self.submission = submission
        self.net = net
        self.framework = framework

    def __call__(self, name, *arguments):
        """Put the networks into training mode, as they are after training, and call a function: what it returns."""
        function = getattr(self.submission, name, None)
        if function is None:
            raise AttributeError(f"there is no function '{name}' in your submission")
        self.net.train()
        self.seed()
        returned = function(*(a.copy() if isinstance(a, np.ndarray) else a for a in arguments))
        if returned is None:
            raise TypeError(f"{name} returned None: it has to return what its docstring says")
        return as_array(returned)

    def seed(self):
        """Make dropout draw the same random numbers in every call."""
        if self.framework == "torch":
            import torch

            torch.manual_seed(0)
        else:
            import paddle

            paddle.seed(0)


def as_array(value):
    """A tensor of either framework, or anything that NumPy understands, as an array of its own."""
    for step in ("detach", "cpu", "numpy"):
        if hasattr(value, step):
            value = getattr(value, step)()
    return np.array(value)
