"""How many zeros TensorFlow's ``SAME`` padding adds."""

from __future__ import annotations


def same_padding(size: tuple[int, int], kernel_size: int, stride: int) -> list[int]:
    """Count the zeros on each side so that the output has ``ceil(size / stride)`` rows and columns.

    Parameters
    ----------
    size : tuple of int
        Height and width before padding.
    kernel_size, stride : int
        Those of the convolution or pooling that follows.

    Returns
    -------
    list of int
        Left, right, top, bottom, as both frameworks' ``pad`` takes them.
    """
    sides: list[int] = []
    for length in reversed(size):
        outputs = -(-length // stride)
        total = max((outputs - 1) * stride + kernel_size - length, 0)
        sides += [total // 2, total - total // 2]
    return sides
