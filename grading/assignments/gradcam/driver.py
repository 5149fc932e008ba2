"""How your functions are called: by `twinlens check` on your machine, and in the same way when you are graded.

You need not change anything here, and a changed driver is not handed in: this one is used.
"""

import traceback

import numpy as np


def run(task, submission, net, inputs, framework):
    """Call the function of one task and return arrays by name.

    Your functions get tensors of your framework, and one convolution of the network. The network comes in training
    mode, as a network does after training, and each function is called twice with the same tensors.
    """
    call = Caller(submission, net, framework)
    layer = getattr(net, f"conv{int(inputs['layer'])}")
    try:
        return TASKS[task](call, inputs, layer)
    except Exception as error:
        if not gradient_is_missing(error):
            raise
        traceback.print_exc()
        # No gradient arrived: one 0 instead of each answer tells the grader so.
        return {name: np.zeros(1) for name in OUTPUTS[task]}


def capture_layer(call, inputs, layer):
    """Two calls that append to the same lists: each list then holds two entries, one for each run of the network."""
    activations, gradients = [], []
    for _ in range(2):
        pictures, labels = call.tensors(inputs["pictures"], inputs["labels"])
        call("capture_layer", pictures, labels, layer, activations, gradients, returns=False)
    if any(values is None for values in gradients):
        raise NoGradientError
    return {
        "activations": np.array([as_array(values) for values in activations]),
        "gradients": np.array([as_array(values) for values in gradients]),
    }


def grad_cam(call, inputs, layer):
    """Maps of the whole batch, twice; of one picture without the others; and the maps as `normalise` makes them."""
    pictures, labels = call.tensors(inputs["pictures"], inputs["labels"])
    returned, maps = call("grad_cam", pictures, labels, layer)
    _, normalised = call("normalise", returned, with_network=False)
    _, again = call("grad_cam", pictures, labels, layer)
    one = int(inputs["alone"])
    pictures, labels = call.tensors(inputs["pictures"][one : one + 1], inputs["labels"][one : one + 1])
    _, alone = call("grad_cam", pictures, labels, layer)
    return {"maps": maps, "again": again, "alone": alone, "normalised": normalised}


TASKS = {"capture_layer": capture_layer, "grad_cam": grad_cam}
OUTPUTS = {"capture_layer": ["activations", "gradients"], "grad_cam": ["maps", "again", "alone", "normalised"]}


class NoGradientError(Exception):
    """None was handed over where a gradient should be."""


class Caller:
    """Calls functions of a submission."""

    def __init__(self, submission, net, framework):
        self.submission = submission
        self.net = net
        self.framework = framework

    def __call__(self, name, *arguments, with_network=True, returns=True):
        """What the function returns, and a copy of it as an array."""
        function = getattr(self.submission, name, None)
        if function is None:
            raise AttributeError(f"there is no function '{name}' in your submission")
        if with_network:
            self.net.train()
            self.seed()
            arguments = (self.net, *arguments)
        returned = function(*arguments)
        if returned is None and returns:
            raise TypeError(f"{name} returned None: it has to return what its docstring says")
        return returned, as_array(returned) if returns else None

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
    if isinstance(error, NoGradientError) or any(words in text for words in MISSING):
        return True
    # Such as "'NoneType' object has no attribute 'abs'", on the way from a line of yours about a gradient.
    steps = traceback.extract_tb(error.__traceback__)
    yours = [step.line or "" for step in steps if step.filename.endswith("submission.py")]
    return "None" in text and any("grad" in line for line in yours)


MISSING = (
    "does not require grad",
    "doesn't require grad",
    "does not appear in the backward graph",
    "stop_gradient",
)
