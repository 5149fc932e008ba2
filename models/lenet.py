"""The source document's LeNet of six convolutions, with kernels that fit the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ModelError, NoGradientError

PRINTED_KERNELS = (128, 128, 64, 32, 16, 8)
"""The document's kernel sizes, made for no picture that it uses."""

_CHANNELS = (3, 32, 64, 128, 256, 512, 1024)
_POOL, _POOL_STRIDE = 4, 2
_DIVISORS = (1, 2, 4, 8, 16, 32, 64, 128)


def lenet(nn: Any, classes: int = 11, size: int = 256, divisor: int | None = None) -> Any:
    """Build six convolutions with max pooling and two fully connected layers, sigmoids where the document has them.

    The document prints kernels of 128, 128, 64, 32, 16 and 8 pixels, which no picture of 512 x 512 pixels
    survives. Here all six are divided by one number, so that exactly one position is left for the first fully
    connected layer, which has 1024 inputs.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.
    classes : int
        Number of outputs, 2 or more.
    size : int
        Height and width of the pictures in pixels.
    divisor : int, optional
        What the printed kernel sizes are divided by; the smallest power of two that fits when not given. 1 asks for
        the printed ones.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, 3, size, size), returns (N, classes) logits.

    Raises
    ------
    ModelError
        If the kernels do not fit the pictures; the message says where they stop and which sizes fit.
    NoGradientError
        If a single class is asked for.
    """
    if classes < 2:
        raise NoGradientError(
            f"With classes={classes} cross entropy is constant (the softmax of one number is 1), so every gradient is "
            "exactly zero.",
            "Use one output a class: 11 for Food-11, 2 for yes or no.",
        )
    kernels = kernels_for(size, divisor)
    layers: dict[str, Any] = {}
    for number, kernel in enumerate(kernels, 1):
        layers[f"conv{number}"] = nn.Conv2d(_CHANNELS[number - 1], _CHANNELS[number], kernel)
        if number == 1:
            layers["sigmoid_conv1"] = nn.Sigmoid()
        layers[f"max_pool{number}"] = nn.MaxPool2d(_POOL, _POOL_STRIDE)
        if number == 1:
            layers["sigmoid_pool1"] = nn.Sigmoid()
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(_CHANNELS[-1], 64)
    layers["sigmoid_fc1"] = nn.Sigmoid()
    layers["fc2"] = nn.Linear(64, classes)
    return nn.Sequential(layers)


def kernels_for(size: int, divisor: int | None = None) -> tuple[int, ...]:
    """Divide the printed kernel sizes so that a picture ends as a single position.

    Parameters
    ----------
    size : int
        Height and width of the pictures in pixels.
    divisor : int, optional
        What to divide by; the smallest power of two that fits when not given.

    Returns
    -------
    tuple of int
        Six kernel sizes.

    Raises
    ------
    ModelError
        If nothing fits, naming the place and sizes that do fit.
    """
    if divisor is None:
        for candidate in _DIVISORS:
            kernels = _divided(candidate)
            if _obstacle(size, kernels) is None:
                return kernels
        raise ModelError(
            f"No division of the document's kernels reduces {size} x {size} pixels to one position.",
            f"Resize the pictures to {_nearest(size, _DIVISORS)} pixels.",
        )
    if divisor < 1:
        raise ModelError(f"divisor={divisor} is less than 1.", "Leave it out to have it chosen.")
    kernels = _divided(divisor)
    obstacle = _obstacle(size, kernels)
    if obstacle is None:
        return kernels
    others = [str(d) for d in _DIVISORS if _obstacle(size, _divided(d)) is None]
    fitting = _nearest(size, (divisor,))
    cures = [f"use divisor={' or '.join(others)}"] if others else []
    cures += [f"resize the pictures to {fitting} pixels"] if fitting else []
    raise ModelError(
        f"{'The printed kernels' if divisor == 1 else f'The printed kernels divided by {divisor}'} do not fit "
        f"{size} x {size} pixels: {obstacle}.",
        f"{' or '.join(cures) or f'leave divisor out and resize to {_nearest(size, _DIVISORS)} pixels'}.".capitalize(),
    )


def _divided(divisor: int) -> tuple[int, ...]:
    return tuple(max(1, kernel // divisor) for kernel in PRINTED_KERNELS)


def map_sizes(size: int, kernels: Sequence[int]) -> list[int]:
    """Width of the map after each convolution and pooling, as far as it stays positive.

    Parameters
    ----------
    size : int
        Width of the picture in pixels.
    kernels : sequence of int
        Kernel size of each convolution.

    Returns
    -------
    list of int
        Two widths a stage; fewer when a kernel is wider than the map it meets.
    """
    sizes: list[int] = []
    for kernel in kernels:
        size = size - kernel + 1
        if size < 1:
            break
        sizes.append(size)
        if size < _POOL:
            break
        size = (size - _POOL) // _POOL_STRIDE + 1
        sizes.append(size)
    return sizes


def _obstacle(size: int, kernels: Sequence[int]) -> str | None:
    """Say where the network fails on a picture, or return None where it does not."""
    sizes = map_sizes(size, kernels)
    stage, pooling = divmod(len(sizes), 2)
    if stage == len(kernels):
        return None if sizes[-1] == 1 else f"fc1 takes 1x1 positions and meets {sizes[-1]}x{sizes[-1]}"
    left = sizes[-1] if sizes else size
    if pooling:
        return f"max_pool{stage + 1} has kernel {_POOL} and meets a {left}x{left} map"
    return f"conv{stage + 1} has kernel {kernels[stage]} and meets a {left}x{left} map"


def _nearest(size: int, divisors: Sequence[int]) -> int:
    """Return the size nearest to `size` that one of the divisors fits, 0 where none does."""
    # Beyond 2000 pixels even the printed kernels leave more than one position.
    every = [_divided(divisor) for divisor in divisors]
    fitting = [n for n in range(1, 2000) if any(_obstacle(n, kernels) is None for kernels in every)]
    return min(fitting, key=lambda n: abs(n - size), default=0)
