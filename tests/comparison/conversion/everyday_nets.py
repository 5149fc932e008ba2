"""Paddle networks as students write them, with layers, functions, operators and shapes side by side."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F  # noqa: N812
from paddle import nn


class Residual(nn.Layer):
    """Two convolutions and a shortcut, with the activation as a function."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(inputs, outputs, 3, padding=1)
        self.norm1 = nn.BatchNorm2D(outputs)
        self.conv2 = nn.Conv2D(outputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm2D(outputs)
        self.shortcut = nn.Conv2D(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x if self.shortcut is None else self.shortcut(x)
        return F.relu(y)


class Branches(nn.Layer):
    """Parallel convolutions, concatenated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.LayerList([nn.Conv2D(channels, 3, size, padding=size // 2) for size in (1, 3, 5)])

    def forward(self, x: Any) -> Any:
        return paddle.concat([branch(x) for branch in self.branches], axis=1)


class Everyday(nn.Layer):
    """Residual blocks, branches, a layer used three times, shape arithmetic, and a head that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Residual(3, 6), Residual(6, 6))
        self.branches = Branches(6)
        self.again = nn.Conv2D(9, 9, 3, padding=1)
        self.act = F.relu
        self.pool = nn.MaxPool2D(2)
        self.fc = nn.Linear(9 * 16, 5)
        self.auxiliary = nn.Linear(7, 2)

    def forward(self, x: Any) -> Any:
        x = self.branches(self.blocks(x))
        for _ in range(3):
            x = F.relu_(self.again(x))
        x = self.pool(self.act(x))
        batch, channels, height, width = x.shape
        x = F.dropout(x, 0.5, training=self.training)
        return self.fc(x.reshape([batch, channels * height * width]))


class Tied(nn.Layer):
    """Tokens in, scores for tokens out, by one table of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.mix = nn.Linear(8, 8)
        self.bias = self.create_parameter([11], is_bias=True)

    def forward(self, ids: Any) -> Any:
        x = self.embed(ids)
        x = x + F.tanh(self.mix(x)) @ self.mix.weight
        return paddle.matmul(x.mean(axis=1), self.embed.weight, transpose_y=True) + self.bias


class Shared(nn.Layer):
    """One layer under two names, one parameter in two layers, constants, and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = self.first
        self.third = nn.Linear(6, 6)
        self.third.weight = self.first.weight
        self.offset = paddle.to_tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        self.register_buffer("factor", paddle.to_tensor([2.0]))
        self.scale = self.create_parameter([6])

    def forward(self, x: Any) -> Any:
        x = (x - self.offset) * self.factor
        x = self.third(F.relu(self.second(F.relu(self.first(x)))))
        return x * F.sigmoid(self.scale) + paddle.sum(x, axis=-1, keepdim=True)


class Inner(nn.Layer):
    """Uses what its caller gives it by keyword, in a list, and as a size."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Any, others: Any = (), *, width: int = 1, double: bool = False) -> Any:
        y = self.fc(x) + sum(others)
        return {"out": y * width, "parts": [y[:, :3], y[:, 3:]]} if double else y


class Outer(nn.Layer):
    """Passes lists and keywords to a layer inside, and takes a dictionary from it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.last = Inner()

    def forward(self, x: Any) -> Any:
        y = self.inner(x, others=[x, x * 2], width=x.shape[0], double=True)
        return self.last(y["out"]), y["parts"][1]
