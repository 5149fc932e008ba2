"""Networks as students write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from ...frameworks import BOTH, torch

for framework in BOTH:
    pytest.importorskip(framework)

nn, F = torch.nn, torch.nn.functional

SHAPE = (3, 8, 8)


class Functional(nn.Module):
    """Functional activations, shape arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc1 = nn.Linear(8 * 3 * 3, 10)
        self.fc2 = nn.Linear(10, 5)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2, ceil_mode=True)
        x = F.pad(torch.relu_(self.conv2(x)), (0, 1, 0, 1))
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x), inplace=True)
        return F.log_softmax(self.fc2(x), dim=1)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.act = nn.ReLU(inplace=True)
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Any) -> Any:
        out = self.norm(self.conv(x))
        out += self.short(x)
        return self.act(out)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(3, 4), Block(4, 4), Block(4, 6, 2)])
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(6, 5))

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Branches(nn.Module):
    """Branches that are joined, a loop over sizes, a scale, a buffer, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(3, 4, 1), nn.LeakyReLU(0.2))
        self.right = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
        self.scale = nn.Parameter(torch.full((1, 8, 1, 1), 0.5))
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
        self.register_buffer("passing", torch.ones(1), persistent=False)
        self.out = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        batch, channels, _, _ = x.shape
        x = (x - self.mean) * self.passing / math.sqrt(channels)
        joined = torch.cat([self.left(x), self.right(x)], dim=1) * self.scale
        joined = joined + torch.tensor([0.5, -0.5]).repeat(4).view(1, -1, 1, 1)
        return self.out(joined.mean(dim=(2, 3)).reshape(batch, -1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, 2, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.join = Join()

    def forward(self, x: Any) -> Any:
        low = torch.relu(self.down(x))
        out = self.join(self.up(low), skip=x)
        low = F.interpolate(low, size=x.shape[2:], mode="bilinear", align_corners=False)
        return (out + low).amax((2, 3))


class Join(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(7, 4, 1)

    def forward(self, x: Any, skip: Any = None, factor: float = 1.0) -> Any:
        if skip is not None:
            x = torch.cat([x, skip], 1)
        return self.conv(x) * factor


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({f"layer{i}": DenseLayer(3 + 2 * i) for i in range(3)})
        self.out = nn.Linear(9, 5)

    def forward(self, x: Any) -> Any:
        found = [x]
        for layer in self.layers.values():
            found.append(layer(found))
        return self.out(torch.cat(found, 1).mean([2, 3]))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2, 3, padding=1)

    def forward(self, found: Any) -> Any:
        return torch.relu(self.conv(torch.cat(found, 1)))


class SharedWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(192, 192)
        self.second = nn.Linear(192, 192, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        x = torch.tanh(self.first(x.flatten(1)))
        return (self.second(x) @ self.first.weight.t())[:, :5]


class TiedEmbedding(nn.Module):
    """One weight that a linear layer and an embedding share."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 192)
        self.out = nn.Linear(192, 6, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, x: Any) -> Any:
        x = x.flatten(1)
        return self.out(x + self.embedding((x[:, 0] > 0).long()))


class ReusedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ELU())
        self.again = self.body

    def forward(self, x: Any) -> Any:
        return self.again(self.body(x) + self.body(x * 2)).flatten(1)


class InPlace(nn.Module):
    """A layer changes what is read again afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        z = self.act(y)
        w = self.conv(x)
        w[:, 0] = w[:, 1] * 2
        w[:, 2].mul_(3)
        return (y + z * y).mean((2, 3)) + w.amax((2, 3))


class Linear(nn.Module):
    """Named like a layer of the framework's, and square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(192, 192) / 10)

    def forward(self, x: Any) -> Any:
        return F.linear(x.flatten(1), self.weight)[:, :5]


class ScaledConv(nn.Conv2d):
    """A layer of the framework's with another forward."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


class FunctionalDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(192, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(F.dropout(x.flatten(1), 0.5, self.training))


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(192, 5)
        self.aux = nn.Linear(192, 2)

    def forward(self, x: Any) -> Any:
        x = torch.flatten(x, 1)
        return self.fc(x), {"aux": self.aux(x)}


class DecidesByShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        if x.dim() != 4:
            raise ValueError("pictures only")
        assert x.shape[1] == 3
        y = self.conv(x)
        if y.shape[-1] > 4:
            y = F.max_pool2d(y, 2)
        total = 0
        for row in range(y.shape[2]):
            total = total + y[:, :, row]
        return total.mean(-1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(24, 6, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        out, (hidden, _) = self.lstm(x.permute(0, 2, 1, 3).flatten(2))
        return self.fc(out[:, -1]) + hidden.sum()


class Attention(nn.Module):
    """Self-attention by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(3, 24)
        self.position = nn.Parameter(torch.randn(1, 64, 24) / 10)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        samples = x.shape[0]
        tokens = self.qkv(x.flatten(2).transpose(1, 2)) + self.position
        q, k, v = tokens.reshape(samples, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-2, -1) * k.size(-1) ** -0.5, dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(samples, -1, 8)
        return self.out(self.norm(mixed).mean(1))


def _sequential() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        ScaledConv(4, 4, 3, stride=2),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(4 * 7 * 7, 5),
    )


class MadeOnTheSpot(nn.Module):
    """Layers made or cut out in the forward, layers and parameters in lists, options, unused layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Tanh())
        self.scales = nn.ParameterList([nn.Parameter(torch.rand(4, 1, 1)) for _ in range(2)])
        self.shifts = nn.ParameterDict({"one": nn.Parameter(torch.rand(()))})
        self.joins = nn.ModuleList([Join(), Join()])
        self.unused = nn.Sequential(nn.Linear(2, 2), nn.LPPool1d(2, 2))
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x: Any) -> Any:
        y = nn.ReLU()(self.features[:2](x))
        for scale in self.scales:
            y = y * scale + self.shifts["one"]
        for join in self.joins[:1]:
            y = join(torch.cat([y, x[:, :, :6, :6]], 1), None, factor=0.5)
        return nn.Flatten()(self.features[2:](y))


NETS: dict[str, Callable[[], Any]] = {
    "functional": Functional,
    "residual": Residual,
    "branches": Branches,
    "u-net": UNet,
    "dense": Dense,
    "shared weight": SharedWeight,
    "tied embedding": TiedEmbedding,
    "reused layer": ReusedLayer,
    "in place": InPlace,
    "named like a layer": Linear,
    "sequential": _sequential,
    "functional dropout": FunctionalDropout,
    "two outputs": lambda: nn.Sequential(TwoOutputs(), First()),
    "decides by shape": DecidesByShape,
    "recurrent": Recurrent,
    "made on the spot": MadeOnTheSpot,
    "transformer encoder": lambda: nn.Sequential(
        nn.Flatten(2), nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 2, 16, batch_first=True), 1), nn.Flatten()
    ),
    "attention": Attention,
}


class First(nn.Module):
    def forward(self, found: Any) -> Any:
        return found[0]
