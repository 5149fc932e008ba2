"""The network of the course's Food-11 homework."""

from __future__ import annotations

from typing import Any

_STAGES = ((128, 3), (128, 3), (256, 3), (512, 1), (512, 1))


def _classify(self: Any, x: Any) -> Any:
    return self.fc(self.cnn(x).flatten(1))


def food11_cnn(nn: Any, classes: int = 11) -> Any:
    """Build the course's network for pictures of 128 x 128 pixels.

    Five stages of 3 x 3 convolutions with batch norm and ReLU, each closed by 2 x 2 max pooling, and two fully
    connected layers. The names are those that the homework asks for: ``cnn.6`` and ``cnn.23`` are convolutions.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.
    classes : int
        Number of outputs.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, 3, 128, 128), returns (N, classes) logits.
    """
    layers: list[Any] = []
    channels = 3
    for width, convolutions in _STAGES:
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    # 128 halved five times leaves 4 x 4 positions.
    head = (nn.Linear(channels * 4 * 4, 1024), nn.ReLU(), nn.Dropout(0.3), nn.Linear(1024, classes))
    return nn.Module(_classify, cnn=nn.Sequential(*layers), fc=nn.Sequential(*head))
