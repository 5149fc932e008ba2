"""What makes a network of one library compute as its namesake in the other: one small table entry each.

Every function takes the new network and the one that it is to equal, and changes the new one. Names of layers and
weights stay, so that weights can still be copied. What replaces an output sits at the top of the module, because
networks are copied and pickled with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends.protocol import Net

Change = Callable[[Net, Net], None]


@dataclass(frozen=True)
class Correction:
    """One difference between the libraries.

    Attributes
    ----------
    name : str
    description : str
        What differs.
    present : callable
        ``present(torch_net, paddle_net)``: whether the two networks differ in this.
    change : mapping of str to callable
        For the framework of the new network: ``change(new, old)``.
    """

    name: str
    description: str
    present: Callable[[Net, Net], bool]
    change: dict[str, Change]


# -- dropout ---------------------------------------------------------------------------------------------------------


def _torch_dropouts(net: Net) -> list[Any]:
    return [layer for layer in net.modules() if type(layer).__name__ == "Dropout"]


def _paddle_dropouts(net: Net) -> list[Any]:
    return [layer for layer in net.sublayers() if type(layer).__name__ == "Dropout"]


def _scaled(layer: Any, _inputs: Any, output: Any) -> Any:
    # In training torch has divided by this number, which Paddle's older dropout does not.
    return output * (1 - layer.p)


def _dropout_present(torch_net: Net, paddle_net: Net) -> bool:
    plain = any(_scaled not in layer._forward_hooks.values() for layer in _torch_dropouts(torch_net))
    return plain and any(layer.mode == "downscale_in_infer" for layer in _paddle_dropouts(paddle_net))


def _dropout_as_torch(new: Net, old: Net) -> None:
    for layer, model in zip(_paddle_dropouts(new), _torch_dropouts(old), strict=False):
        layer.p = model.p
        if _scaled not in model._forward_hooks.values():
            layer.mode = "upscale_in_train"


def _dropout_as_paddle(new: Net, old: Net) -> None:
    for layer, model in zip(_torch_dropouts(new), _paddle_dropouts(old), strict=False):
        layer.p = model.p
        if model.mode == "downscale_in_infer":
            layer.register_forward_hook(_scaled)


dropout = Correction(
    "dropout",
    "Paddle's dropout multiplies by 1 - p in evaluation (mode downscale_in_infer), torch's does nothing",
    _dropout_present,
    {"paddle": _dropout_as_torch, "torch": _dropout_as_paddle},
)

# -- pooling ---------------------------------------------------------------------------------------------------------


def _pools(net: Net) -> list[Any]:
    layers = net.modules() if hasattr(net, "modules") else net.sublayers()
    return [layer for layer in layers if type(layer).__name__ in ("MaxPool2d", "MaxPool2D")]


def _round_as(new: Net, old: Net) -> None:
    for layer in _pools(new):
        layer.ceil_mode = _pools(old)[0].ceil_mode


ceiling = Correction(
    "ceiling",
    "torch's max pooling rounds the size up (ceil_mode), Paddle's rounds it down",
    lambda torch_net, paddle_net: _pools(torch_net)[0].ceil_mode != _pools(paddle_net)[0].ceil_mode,
    {"paddle": _round_as, "torch": _round_as},
)


def _pooled_to_six(_layer: Any, _inputs: Any, output: Any) -> Any:
    from paddle.nn import functional

    return functional.adaptive_avg_pool2d(output, 6)


def _has_six(paddle_net: Net) -> bool:
    return _pooled_to_six in paddle_net._conv5._forward_post_hooks.values()


def _add_six(new: Net, _old: Net) -> None:
    new._conv5.register_forward_post_hook(_pooled_to_six)


six_by_six = Correction(
    "six_by_six",
    "torch averages to 6 x 6 before the linear layers, Paddle takes pictures of 224 x 224 only",
    lambda _torch_net, paddle_net: not _has_six(paddle_net),
    {"paddle": _add_six, "torch": lambda _new, _old: None},
)

# -- convolution and batch norm ----------------------------------------------------------------------------------------


def _stem_paddings(torch_net: Net, paddle_net: Net) -> tuple[int, int]:
    return int(torch_net.features[0].padding[0]), int(paddle_net._conv._updated_padding[0])


def _pad_paddle(new: Net, old: Net) -> None:
    new._conv._padding = new._conv._updated_padding = [_stem_paddings(old, new)[0]] * 2


def _pad_torch(new: Net, old: Net) -> None:
    new.features[0].padding = (_stem_paddings(new, old)[1],) * 2


stem_padding = Correction(
    "stem_padding",
    "Paddle pads the first convolution by 1, torch does not",
    lambda torch_net, paddle_net: len(set(_stem_paddings(torch_net, paddle_net))) > 1,
    {"paddle": _pad_paddle, "torch": _pad_torch},
)


def _epsilons(torch_net: Net, paddle_net: Net) -> tuple[float, float]:
    mine = next(layer.eps for layer in torch_net.modules() if hasattr(layer, "eps"))
    theirs = next(layer._epsilon for layer in paddle_net.sublayers() if hasattr(layer, "_epsilon"))
    return mine, theirs


def _epsilon_as_torch(new: Net, old: Net) -> None:
    value, _ = _epsilons(old, new)
    for layer in new.sublayers():
        if hasattr(layer, "_epsilon"):
            layer._epsilon = value


def _epsilon_as_paddle(new: Net, old: Net) -> None:
    _, value = _epsilons(new, old)
    for layer in new.modules():
        if hasattr(layer, "eps"):
            layer.eps = value


epsilon = Correction(
    "epsilon",
    "torch's batch norms add 0.001 to the variance, Paddle's add 0.00001",
    lambda torch_net, paddle_net: len(set(_epsilons(torch_net, paddle_net))) > 1,
    {"paddle": _epsilon_as_torch, "torch": _epsilon_as_paddle},
)

# -- input -----------------------------------------------------------------------------------------------------------


def _normalised(_layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    import paddle

    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scale, shift = (
        paddle.to_tensor(row.reshape(1, 3, 1, 1), dtype=inputs[0].dtype)
        for row in (deviation / 0.5, (mean - 0.5) / 0.5)
    )
    return (inputs[0] * scale + shift,)


def _normalises(paddle_net: Net) -> bool:
    return _normalised in paddle_net._forward_pre_hooks.values()


def _normalise_paddle(new: Net, old: Net) -> None:
    if old.transform_input:
        new.register_forward_pre_hook(_normalised)


def _normalise_torch(new: Net, old: Net) -> None:
    new.transform_input = _normalises(old)


input_transform = Correction(
    "input_transform",
    "torch's network brings ImageNet's normalisation of the input into another one first",
    lambda torch_net, paddle_net: bool(torch_net.transform_input) != _normalises(paddle_net),
    {"paddle": _normalise_paddle, "torch": _normalise_torch},
)
