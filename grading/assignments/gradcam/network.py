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
            conv1=nn.Conv2d(3, 8, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(8),
            act1=nn.SiLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(8, 12, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(12),
            act2=nn.Tanh(),
            pool2=nn.AvgPool2d(2),
            conv3=nn.Conv2d(12, 16, 3, padding=1, bias=False),
            bn3=nn.BatchNorm2d(16),
            act3=nn.SiLU(),
            pool3=nn.AvgPool2d(2),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.3),
            linear=nn.Linear(16 * 3 * 4, 7),
        )
    )


def _paddle_network():
    from paddle import nn

    return nn.Sequential(
        ("conv1", nn.Conv2D(3, 8, 3, padding=1, bias_attr=False)),
        ("bn1", nn.BatchNorm2D(8)),
        ("act1", nn.Silu()),
        ("pool1", nn.AvgPool2D(2)),
        ("conv2", nn.Conv2D(8, 12, 3, padding=1, bias_attr=False)),
        ("bn2", nn.BatchNorm2D(12)),
        ("act2", nn.Tanh()),
        ("pool2", nn.AvgPool2D(2)),
        ("conv3", nn.Conv2D(12, 16, 3, padding=1, bias_attr=False)),
        ("bn3", nn.BatchNorm2D(16)),
        ("act3", nn.Silu()),
        ("pool3", nn.AvgPool2D(2)),
        ("flatten", nn.Flatten()),
        ("dropout", nn.Dropout(0.3)),
        ("linear", nn.Linear(16 * 3 * 4, 7)),
    )
