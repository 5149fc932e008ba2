"""Networks that cannot be found, built or run."""

from __future__ import annotations

from typing import Any

from ..frameworks import BOTH
from .case import BASE, CNN, ONE, UNTRAINED, Case

TORCH_ONLY = b"import torch\ndef net():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 5))\n"
USER = {
    "net.py": b"def nothing():\n    return None\n"
    b"def raises():\n    raise RuntimeError('first line\\nsecond line')\n"
    b"def array():\n    import numpy\n    return numpy.zeros(3)\n"
    b"def flat(nn, classes=2):\n    return nn.Sequential({'flatten': nn.Flatten()})\n"
    b"def maps(nn):\n    return nn.Sequential({'conv': nn.Conv2d(3, 4, 3)})\n"
    b"def fails():\n    import torch\n"
    b"    class Net(torch.nn.Module):\n"
    b"        def forward(self, x):\n            raise KeyError('my own\\nmistake')\n"
    b"    return Net()\n",
    "leaves.py": b"import sys\nsys.exit(3)\n",
    "torch_only.py": TORCH_ONLY,
    "broken.py": b"def net(:\n",
}


def user(function: str, **keys: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": {"name": function}, "data": ONE | {"size": 32}} | keys


def zoo(name: str, **keys: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": {"name": name} | keys}


def weights(**changes: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": CNN | changes}


CASES = [
    Case("unknown network", "no model 'smal_cnn'", "Did you mean 'small_cnn'?", zoo("smal_cnn")),
    Case("unknown option", "'small_cnn' has no option 'depth'", "size", zoo("small_cnn", options={"depth": 3})),
    Case(
        "option of the wrong kind",
        "'small_cnn' cannot be built",
        "Check its options",
        zoo("small_cnn", options={"widths": 5}),
    ),
    Case("size as text", "'small_cnn' cannot be built", "Check its options", zoo("small_cnn", options={"size": "big"})),
    Case(
        "pictures too small",
        "Pictures of 4 x 4 pixels cannot be halved 3 times",
        "at least 8",
        zoo("small_cnn", options={"size": 4}),
    ),
    Case(
        "data too small for the network",
        "input of shape (1, 3, 16, 16)",
        "Check the shape",
        zoo("small_cnn", options={"widths": [2] * 6}) | {"data": ONE | {"size": 16}},
        needs=["torch"],  # Paddle halves a map of one pixel to one pixel
    ),
    Case("pictures smaller than any", "size=8", "16 or more", BASE | {"data": ONE | {"size": 8}}),
    Case(
        "printed kernels",
        "The printed kernels do not fit 256 x 256 pixels",
        "divisor",
        zoo("lenet", options={"divisor": 1}),
    ),
    Case("one class", "classes=1 cross entropy is constant", "Use one output a class", zoo("lenet", classes=1)),
    Case("one class of the small one", "one output", 'of="logit"', zoo("small_cnn", classes=1, options=CNN["options"])),
    Case("a network for tables", "'mlp' does not take pictures", "Choose another network", zoo("mlp")),
    Case("unknown library", "'keras' in 'keras:resnet18'", "file.py:function", zoo("keras:resnet18")),
    Case(
        "unknown torchvision network",
        "torchvision.models has no 'resnet19'",
        "Did you mean 'resnet1",
        zoo("torchvision:resnet19"),
        needs=["torch"],
    ),
    Case(
        "unknown Paddle network",
        "paddle.vision.models has no 'resnet19'",
        "Did you mean 'resnet1",
        zoo("paddle:resnet19") | {"backend": "paddle"},
        needs=["paddle"],
    ),
    Case(
        "a Paddle network on torch",
        "needs the framework 'paddle'",
        "Use --backend paddle or both",
        zoo("paddle:resnet18"),
        needs=["torch"],
    ),
    Case(
        "a library network without an equal",
        "'googlenet' is not one network in the two libraries",
        "Use --backend torch",
        zoo("torchvision:googlenet", options={"init_weights": False}) | {"backend": "both", "data": ONE | {"size": 32}},
        needs=BOTH,
    ),
    Case("no pretrained weights", "no pretrained weights for 'small_cnn'", "Train it", weights(weights="pretrained")),
    Case(
        "classes beside pretrained weights",
        "have 1000 outputs, not 5",
        "Leave classes out",
        zoo("efficientnet_lite0", weights="pretrained", classes=5),
    ),
    Case(
        "a file without a function", "does not say which function", "Write file.py:function", user("net.py"), files=USER
    ),
    Case("a missing file", "no file 'nett.py'", "Check the path", user("nett.py:net"), files=USER),
    Case(
        "a missing function",
        "'net.py' has no function 'nothin'",
        "Did you mean 'nothing'?",
        user("net.py:nothin"),
        files=USER,
    ),
    Case(
        "a file that does not run",
        "'broken.py' does not run: SyntaxError",
        "Run it with Python",
        user("broken.py:net"),
        files=USER,
    ),
    Case(
        "a function that raises",
        "'net.py:raises' raised RuntimeError: first line",
        "Call it in Python",
        user("net.py:raises"),
        files=USER,
    ),
    Case("a file that exits", "'leaves.py' does not run: SystemExit", "Run it with", user("leaves.py:net"), files=USER),
    Case(
        "a network that fails",
        "'net.py:fails' fails on a picture of shape (3, 32, 32): KeyError: 'my own",
        "Run it in Python alone",
        user("net.py:fails"),
        files=USER,
        needs=["torch"],
    ),
    Case("a network without class scores", "(1, 4, 30, 30)", "output", user("net.py:maps"), files=USER),
    Case(
        "no last layer to fit",
        "'net.py:flat' does not end in a linear layer",
        "Train all its layers",
        user("net.py:flat", model={"name": "net.py:flat", "training": {"layers": "head", "pictures": 44}}),
        files=USER,
    ),
    Case(
        "a function without a result",
        "returned a NoneType",
        "Return a torch.nn.Module",
        user("net.py:nothing"),
        files=USER,
    ),
    Case(
        "a function with another result",
        "returned a ndarray",
        "Return a torch.nn.Module",
        user("net.py:array"),
        files=USER,
    ),
    Case(
        "a file without a picture size",
        "picture size that 'torch_only.py:net' wants",
        "data.size",
        user("torch_only.py:net", data=ONE),
        files=USER,
        needs=["torch"],
    ),
    Case(
        "a torch file for Paddle",
        "network of torch, not of paddle",
        "Use --backend torch",
        user("torch_only.py:net", backend="paddle"),
        files=USER,
        needs=BOTH,
    ),
    Case(
        "no convolution",
        "has no convolution",
        "feature_maps.layers",
        {"backend": "torch", "model": {"name": "torch_only.py:net"}, "data": ONE | {"size": 32}, "feature_maps": {}},
        files=USER,
        needs=["torch"],
    ),
]
