"""A network of 25 layers and some functions, built natively on either framework, with a place for every fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinlens.backends import Backend, Model, wrap

from ...frameworks import paddle, torch
from ...nets import randomise

SHAPE = (3, 15, 15)


class Kit:
    """The layers and functions that the network needs, in one spelling."""

    def __init__(self, backend: Backend) -> None:
        self.torch = backend.name == "torch"
        self.nn: Any = torch.nn if self.torch else paddle.nn
        self.f: Any = self.nn.functional
        self.base: Any = torch.nn.Module if self.torch else paddle.nn.Layer

    def conv(self, inputs: int, outputs: int, kernel: int, **options: Any) -> Any:
        return (self.nn.Conv2d if self.torch else self.nn.Conv2D)(inputs, outputs, kernel, **options)

    def norm(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
        if self.torch:
            return self.nn.BatchNorm2d(channels, eps=eps, momentum=momentum)
        return self.nn.BatchNorm2D(channels, epsilon=eps, momentum=1 - momentum)

    def max_pool(self, kernel: int, stride: int, padding: int = 0, ceil_mode: bool = False) -> Any:
        pool = self.nn.MaxPool2d if self.torch else self.nn.MaxPool2D
        return pool(kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)

    def avg_pool(self, kernel: int, stride: int, padding: int, include: bool) -> Any:
        if self.torch:
            return self.nn.AvgPool2d(kernel, stride=stride, padding=padding, count_include_pad=include)
        return self.nn.AvgPool2D(kernel, stride=stride, padding=padding, exclusive=not include)

    def gelu(self, approximate: bool) -> Any:
        return self.nn.GELU(approximate="tanh" if approximate else "none") if self.torch else self.nn.GELU(approximate)

    def silu(self) -> Any:
        return self.nn.SiLU() if self.torch else self.nn.Silu()

    def upsample(self, align_corners: bool, mode: str = "bilinear") -> Any:
        options = {"align_corners": align_corners} if mode == "bilinear" else {}
        return self.nn.Upsample(scale_factor=2, mode=mode, **options)

    def pad(self, amount: int, mode: str) -> Any:
        if not self.torch:
            return self.nn.Pad2D(amount, mode=mode)
        return {"reflect": self.nn.ReflectionPad2d, "replicate": self.nn.ReplicationPad2d}[mode](amount)

    def adaptive(self, size: int) -> Any:
        return (self.nn.AdaptiveAvgPool2d if self.torch else self.nn.AdaptiveAvgPool2D)(size)

    def group_norm(self, groups: int, channels: int, eps: float = 1e-5) -> Any:
        options = {"eps": eps} if self.torch else {"epsilon": eps}
        return self.nn.GroupNorm(groups, channels, **options)

    def dropout(self, p: float, **options: Any) -> Any:
        return self.nn.Dropout(p, **options)

    def joined(self, parts: list[Any]) -> Any:
        return torch.cat(parts, 1) if self.torch else paddle.concat(parts, 1)

    def resize(self, x: Any, size: int, align_corners: bool) -> Any:
        return self.f.interpolate(x, size=[size, size], mode="bilinear", align_corners=align_corners)

    def flat(self, x: Any) -> Any:
        return x.flatten(1)

    def permuted(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.permute(*axes) if self.torch else x.transpose(list(axes))

    def cast(self, x: Any, dtype: str) -> Any:
        before = x.dtype
        return x.to(getattr(torch, dtype)).to(before) if self.torch else x.astype(dtype).astype(before)

    def batch_statistics(self, channels: int) -> Any:
        """A batch norm that never leaves training mode."""
        kit, base = self, self.nn.BatchNorm2d if self.torch else self.nn.BatchNorm2D

        class Forgetful(base):  # type: ignore[misc, valid-type]
            def forward(self, x: Any) -> Any:
                return kit.batch_norm(x, self)

        return Forgetful(channels)

    def batch_norm(self, x: Any, layer: Any) -> Any:
        """With the batch's own statistics, whatever the mode."""
        if self.torch:
            return self.f.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
        mean, variance = layer._mean.clone(), layer._variance.clone()
        return self.f.batch_norm(x, mean, variance, layer.weight, layer.bias, training=True)


# What the faults change; each test changes one or a few.
SOUND: dict[str, Any] = {
    "eps": 1e-5,
    "momentum": 0.1,
    "ceil_mode": False,
    "count_include_pad": True,
    "gelu_tanh": False,
    "align_corners": False,
    "interpolation": "bilinear",
    "padding": 1,
    "padding_mode": "reflect",
    "pad_layer": "reflect",
    "stride": 1,
    "dilation": 1,
    "slope": 0.01,
    "activation": "silu",
    "group_norm_eps": 1e-5,
    "bias": True,
    "rate": 0.5,
    "dropout_mode": None,
    "input": lambda kit, x: x,
    "functional": lambda kit, x: kit.f.relu(x),
    "flatten": lambda kit, x: kit.flat(x),
    "skip": lambda kit, x, y: kit.f.relu(x + y),
    "resize": lambda kit, x: kit.resize(x, 12, False),
    "dropped": lambda kit, x: x,
    "batch_statistics": False,
    "norm3": lambda kit, layer, x: layer(x),
    "end": lambda kit, x: x,
}


def network(backend: Backend, **faults: Any) -> Any:
    """The sound network, or one with some of `SOUND` replaced."""
    kit = Kit(backend)
    options = SOUND | faults
    assert options.keys() == SOUND.keys()
    nn = kit.nn
    dropout_options = {} if options["dropout_mode"] is None else {"mode": options["dropout_mode"]}
    bias = {} if options["bias"] else ({"bias": False} if kit.torch else {"bias_attr": False})

    class Block(kit.base):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv4 = kit.conv(12, 12, 3, padding=options["padding"], padding_mode=options["padding_mode"])
            self.norm4 = kit.norm(12)
            self.act4 = {"silu": kit.silu, "gelu": lambda: kit.gelu(False), "relu": nn.ReLU}[options["activation"]]()
            self.conv5 = kit.conv(12, 12, 3, padding=options["dilation"], dilation=options["dilation"])
            self.norm5 = kit.norm(12)

        def forward(self, x: Any) -> Any:
            y = self.act4(self.norm4(self.conv4(x)))
            return options["skip"](kit, self.norm5(self.conv5(y)), x)

    class Net(kit.base):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = kit.conv(3, 8, 3, padding=1)
            self.norm1 = kit.norm(8)
            self.relu1 = nn.ReLU()
            self.conv2 = kit.conv(8, 8, 3, padding=1)
            self.norm2 = kit.norm(8, options["eps"], options["momentum"])
            self.gelu2 = kit.gelu(options["gelu_tanh"])
            self.pool2 = kit.max_pool(2, 2, ceil_mode=options["ceil_mode"])
            self.conv3 = kit.conv(8, 12, 3, padding=1, stride=options["stride"], **bias)
            self.norm3 = kit.batch_statistics(12) if options["batch_statistics"] else kit.norm(12)
            self.leaky3 = nn.LeakyReLU(options["slope"])
            self.pool3 = kit.avg_pool(3, 2, 1, options["count_include_pad"])
            self.block = Block()
            self.up = kit.upsample(options["align_corners"], options["interpolation"])
            self.conv6 = kit.conv(12, 8, 3)
            self.pad = kit.pad(2, options["pad_layer"])
            self.conv7 = kit.conv(8, 4, 1)
            self.pool7 = kit.adaptive(2)
            self.fc1 = nn.Linear(16, 16)
            self.norm8 = kit.group_norm(4, 16, options["group_norm_eps"])
            self.tanh8 = nn.Tanh()
            self.dropout = kit.dropout(options["rate"], **dropout_options)
            self.fc2 = nn.Linear(16, 16)
            self.relu9 = nn.ReLU()
            self.fc3 = nn.Linear(16, 5)

        def forward(self, x: Any) -> Any:
            x = options["input"](kit, x)
            x = self.relu1(self.norm1(self.conv1(x)))
            x = self.pool2(self.gelu2(self.norm2(self.conv2(x))))
            x = self.leaky3(options["norm3"](kit, self.norm3, self.conv3(x)))
            x = self.up(self.block(self.pool3(x)))
            x = options["resize"](kit, self.pad(options["functional"](kit, self.conv6(x))))
            x = options["flatten"](kit, self.pool7(self.conv7(x)))
            x = self.dropout(self.tanh8(self.norm8(options["dropped"](kit, self.fc1(x)))))
            return options["end"](kit, self.fc3(self.relu9(self.fc2(x))))

    return Net()


def pair(a: Backend, b: Backend, **faults: Any) -> tuple[Model, Model]:
    """The sound network on one framework, the faulty one on the other, with the same random weights."""
    first = randomise(wrap(network(a), input_shape=SHAPE))
    second = wrap(network(b, **faults), input_shape=SHAPE)
    state = first.state()
    second.load_state({name: state[name] for name in second.state()})
    return first, second


def picture(samples: int = 2, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).random((samples, *SHAPE)).astype("float32")
