"""How your functions are called: by `twinlens check` on your machine, and in the same way when you are graded.

You need not change anything here, and a changed driver is not handed in: this one is used.
"""

import traceback

import numpy as np


def run(task, submission, net, inputs, framework):
    """Call the function of one task and return arrays by name.

    All of your functions get tensors of your framework. The network comes in training mode, as a network does after
    training, and each function is called twice with the same tensors: the second answer must be that of the first.
    """
    call = Caller(submission, net, framework)
    try:
        return TASKS[task](call, inputs)
    except Exception as error:
        if not gradient_is_missing(error):
            raise
        traceback.print_exc()
        # No gradient arrived: one 0 instead of each answer tells the grader so.
        return {name: np.zeros(1) for name in OUTPUTS[task]}


def compute_saliency_maps(call, inputs):
    """Maps of the whole batch, twice; of one picture without the others; and the maps as `normalise` makes them."""
    pictures, labels = call.tensors(inputs["pictures"], inputs["labels"])
    returned, maps = call("compute_saliency_maps", pictures, labels)
    _, normalised = call("normalise", returned, with_network=False)
    _, again = call("compute_saliency_maps", pictures, labels)
    one = int(inputs["alone"])
    pictures, labels = call.tensors(inputs["pictures"][one : one + 1], inputs["labels"][one : one + 1])
    _, alone = call("compute_saliency_maps", pictures, labels)
    return {"maps": maps, "again": again, "alone": alone, "normalised": normalised}


def smooth_grad(call, inputs):
    """SmoothGrad maps, twice. The noise is given: its first axis counts the noisy copies."""
    tensors = call.tensors(inputs["pictures"], inputs["labels"], inputs["noise"])
    _, maps = call("smooth_grad", *tensors)
    _, again = call("smooth_grad", *tensors)
    return {"maps": maps, "again": again}


def integrated_gradients(call, inputs):
    """Attributions, twice."""
    tensors = call.tensors(inputs["pictures"], inputs["labels"], inputs["baseline"])
    steps = int(inputs["steps"])
    _, attributions = call("integrated_gradients", *tensors, steps)
    _, again = call("integrated_gradients", *tensors, steps)
    return {"attributions": attributions, "again": again}


TASKS = {
    "compute_saliency_maps": compute_saliency_maps,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
}
OUTPUTS = {
    "compute_saliency_maps": ["maps", "again", "alone", "normalised"],
    "smooth_grad": ["maps", "again"],
    "integrated_gradients": ["attributions", "again"],
}


class Caller:
    """Calls functions of a submission."""

    def __init__(self, submission, net, framework):
        self.submission = submission
        self.net = net
        self.framework = framework

    def __call__(self, name, *arguments, with_network=True):
        """What the function returns, and a copy of it as an array."""
        function = getattr(self.submission, name, None)
        if function is None:
            raise AttributeError(f"there is no function '{name}' in your submission")
        if with_network:
            self.net.train()
            self.seed()
            arguments = (self.net, *arguments)
        returned = function(*arguments)
        if returned is None:
            raise TypeError(f"{name} returned None: it has to return what its docstring says")
        return returned, as_array(returned)

    def tensors(self, *arrays):
        """New tensors of the submission's framework."""
        if self.framework == "torch":
            import torch

            return [torch.from_numpy(values.copy()) for values in arrays]
        import paddle

        return [paddle.to_tensor(values.copy()) for values in arrays]

    def seed(self):
        """Make dropout draw the same random numbers in every call."""
        if self.framework == "torch":
            import torch

            torch.manual_seed(0)
        else:
            import paddle

            paddle.seed(0)


def as_array(values):
    """A tensor, or anything that NumPy understands, as an array of its own."""
    if hasattr(values, "detach"):
        values = values.detach()
    if hasattr(values, "numpy"):
        values = values.numpy()
    return np.array(values)


def gradient_is_missing(error):
    """Whether an exception was raised because a gradient does not exist."""
    text = str(error)
    if any(words in text for words in MISSING):
        return True
    # Such as "'NoneType' object has no attribute 'abs'", on the way from a line of yours about a gradient.
    steps = traceback.extract_tb(error.__traceback__)
    yours = [step.line or "" for step in steps if step.filename.endswith("submission.py")]
    return "None" in text and any("grad" in line for line in yours)


MISSING = (
    "does not require grad",
    "doesn't require grad",
    "not have been used in the graph",
    "does not appear in the backward graph",
    "stop_gradient",
)
