"""A small network that two processor cores train in about a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ModelError


def small_cnn(nn: Any, classes: int = 11, size: int = 64, widths: Sequence[int] = (16, 32, 64, 128)) -> Any:
    """Build a plain convolutional network whose last feature map is averaged, so that CAM fits it exactly.

    Every stage is a 3 x 3 convolution, batch norm and ReLU; all but the last end in 2 x 2 max pooling. Layers are named
    by their stage, such as ``stage3.conv``.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.
    classes : int
        Number of outputs.
    size : int
        Height and width of the pictures in pixels.
    widths : sequence of int
        Channels of each stage.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, 3, size, size), returns (N, classes) logits.

    Raises
    ------
    ModelError
        If the pictures are too small for the number of stages.
    """
    smallest = 2 ** (len(widths) - 1)
    if size < smallest:
        raise ModelError(
            f"Pictures of {size} x {size} pixels cannot be halved {len(widths) - 1} times.",
            f"Use a size of at least {smallest}, or fewer widths.",
        )
    stages: dict[str, Any] = {}
    channels = 3
    for number, width in enumerate(widths, 1):
        layers = {
            "conv": nn.Conv2d(channels, width, 3, padding=1, bias=False),
            "norm": nn.BatchNorm2d(width),
            "relu": nn.ReLU(),
        }
        if number < len(widths):
            layers["pool"] = nn.MaxPool2d(2)
        stages[f"stage{number}"] = nn.Sequential(layers)
        channels = width
    head = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(channels, classes)}
    return nn.Sequential({**stages, "head": nn.Sequential(head)})
