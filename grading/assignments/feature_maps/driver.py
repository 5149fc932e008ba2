"""How your functions are called. It runs on your machine as it does in the grader, so read it, and try things out."""

import traceback

import numpy as np

LAYERS = ("conv1", "conv2", "conv3")


def run(task, submission, net, inputs, framework):
    """Call the function of one task, some of them several times, and collect their arrays."""
    tasks = {
        "capture_features": capture_features,
        "edit_features": edit_features,
        "remove_hook": remove_hook,
        "filter_visualisation": filter_visualisation,
    }
    return tasks[task](Caller(submission, net, framework), inputs)


def capture_features(call, inputs):
    """Two calls with one list: a hook that the first call left behind adds to it in the second one, too."""
    layer, store = LAYERS[int(inputs["layer"])], []
    call("capture_features", inputs["first"], layer, store, returns=False)
    before = len(store)
    call("capture_features", inputs["second"], layer, store, returns=False)
    if before == 0 or len(store) == before:
        raise ValueError("capture_features put nothing into the list: does the hook append to it, and does net run?")
    return {"first": as_array(store[0]), "second": as_array(store[before]), "captures": np.array(len(store) - before)}


def edit_features(call, inputs):
    """Three calls on one network: the last is the first again, on three of the pictures."""
    layer, pictures = LAYERS[int(inputs["layer"])], inputs["pictures"]
    one, other = (int(channel) for channel in inputs["channels"])
    return {
        "scores": as_array(call("edit_features", pictures, layer, one)),
        "other": as_array(call("edit_features", pictures, layer, other)),
        "again": as_array(call("edit_features", pictures[:3], layer, one)),
    }


def remove_hook(call, inputs):
    """One call; then the network runs once more."""
    layer, channels = LAYERS[int(inputs["layer"])], [int(channel) for channel in inputs["channels"]]
    scores = call("remove_hook", inputs["pictures"], layer, channels)
    call.net.eval()
    afterwards = call.net(call.tensor(inputs["pictures"]))
    return {"scores": np.stack([as_array(each) for each in scores]), "afterwards": as_array(afterwards)}


def filter_visualisation(call, inputs):
    """All pictures together, and the first one alone."""
    asked = (
        LAYERS[int(inputs["layer"])],
        int(inputs["channel"]),
        int(inputs["steps"]),
        float(inputs["learning_rate"]),
    )
    calls = {"together": inputs["pictures"], "alone": inputs["pictures"][:1]}
    try:
        return {name: as_array(call("filter_visualisation", pictures, *asked)) for name, pictures in calls.items()}
    except Exception as error:
        if not gradient_is_missing(error):
            raise
        traceback.print_exc()
        # No gradient arrived: one 0 instead of each answer tells the grader so.
        return {name: np.zeros(1) for name in calls}


class Caller:
    """Calls functions of a submission."""

    def __init__(self, submission, net, framework):
        self.submission = submission
        self.net = net
        self.framework = framework

    def __call__(self, name, pictures, *arguments, returns=True):
        """Put the network into training mode, as it is after training, and call a function with it."""
        function = getattr(self.submission, name, None)
        if function is None:
            raise AttributeError(f"there is no function '{name}' in your submission")
        self.net.train()
        self.seed()
        returned = function(self.net, self.tensor(pictures), *arguments)
        if returned is None and returns:
            raise TypeError(f"{name} returned None: it has to return what its docstring says")
        return returned

    def tensor(self, values):
        """A new tensor of the submission's framework."""
        if self.framework == "torch":
            import torch

            return torch.tensor(values)
        import paddle

        return paddle.to_tensor(values)

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


def gradient_is_missing(error):
    """Whether an exception was raised because a gradient does not exist."""
    if any(words in str(error) for words in MISSING):
        return True
    # Such as "unsupported operand type(s) for *: 'float' and 'NoneType'" in a line about a gradient.
    lines = [step.line or "" for step in traceback.extract_tb(error.__traceback__)]
    return "None" in str(error) and bool(lines) and "grad" in lines[-1]


MISSING = (
    "does not require grad",
    "doesn't require grad",
    "not have been used in the graph",
    "does not appear in the backward graph",
    "stop_gradient",
)
