"""The network of this assignment, in plain PyTorch and in plain Paddle.

It takes pictures (batch, 3, 24, 32) and returns the scores (logits) of 7 classes, (batch, 7).
"""


def build(framework):
    """Build the network in "torch" or "paddle"; its weights are random until some are loaded."""
    return _torch_network() if framework == "torch" else _paddle_network()


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
