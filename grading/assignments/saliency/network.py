"""The network of this assignment, in plain PyTorch and in plain Paddle.

It takes pictures (batch, 3, 24, 32) and returns the scores (logits) of 7 classes, (batch, 7).
"""


def build(framework):
    """Build the network in "torch" or "paddle"; its weights are random until `load` was called."""
    return _torch_network() if framework == "torch" else _paddle_network()


def load(net, arrays):
    """Copy weights into the network. Names and shapes are PyTorch's, also for a network in Paddle."""
    if type(net).__module__.startswith("torch"):
        _load_torch(net, arrays)
    else:
        _load_paddle(net, arrays)


def _torch_network():
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 6, 3, stride=2, padding=1),
            bn1=nn.BatchNorm2d(6),
            act1=nn.SiLU(),
            conv2=nn.Conv2d(6, 12, 3, padding=1),
            bn2=nn.BatchNorm2d(12),
            act2=nn.Tanh(),
            pool=nn.AvgPool2d(4),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.3),
            linear=nn.Linear(12 * 3 * 4, 7),
        )
    )


def _paddle_network():
    from paddle import nn

    return nn.Sequential(
        ("conv1", nn.Conv2D(3, 6, 3, stride=2, padding=1)),
        ("bn1", nn.BatchNorm2D(6)),
        ("act1", nn.Silu()),
        ("conv2", nn.Conv2D(6, 12, 3, padding=1)),
        ("bn2", nn.BatchNorm2D(12)),
        ("act2", nn.Tanh()),
        ("pool", nn.AvgPool2D(4)),
        ("flatten", nn.Flatten()),
        ("dropout", nn.Dropout(0.3)),
        ("linear", nn.Linear(12 * 3 * 4, 7)),
    )


def _load_torch(net, arrays):
    import torch

    state = {name: torch.from_numpy(values) for name, values in arrays.items()}
    counters = {name: values for name, values in net.state_dict().items() if name.endswith("num_batches_tracked")}
    net.load_state_dict(state | counters)


def _load_paddle(net, arrays):
    state = {}
    for name, values in arrays.items():
        layer, part = name.rsplit(".", 1)
        part = {"running_mean": "_mean", "running_var": "_variance"}.get(part, part)
        # Paddle keeps the weight of a linear layer as (inputs, outputs).
        state[f"{layer}.{part}"] = values.T if values.ndim == 2 else values
    missing, unexpected = net.set_state_dict(state)
    if missing or unexpected:
        raise ValueError(f"these weights do not fit: {[*missing, *unexpected]}")
