"""Winograd's transformations in compiled code: pixels into the points of tiles, and products of points into pixels.

torch has no operation for them, and as products of matrices they take as long as what they save. numba compiles them
when they are first used on a machine, in 3 seconds, and keeps what it made. The threads that run them are torch's own:
those of a second library would wait in turns for the processors on which torch's still look for work.

In ``Aᵀ m A`` and ``Bᵀ d B`` (see `torch_winograd`) each matrix works on the columns first and then on the rows; the
innermost loops run along the channels, which lie side by side in memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, from_dtype, njit, types
from numba.extending import intrinsic

TILE, REACH = 4, 6

JOB = np.dtype(
    [
        (name, np.int64)
        for name in (
            "taken",  # how many of the tiles some thread has begun
            "tiles",
            "first",  # the number of the first tile; they are counted picture by picture, row by row
            "rows",  # of tiles in a picture
            "columns",
            "pixels",  # address of (pictures, height, width, channels)
            "points",  # address of (tiles, 6, 6, channels)
            "bias",  # address of (channels,)
            "pictures",
            "height",
            "width",
            "channels",
        )
    ]
)
"""What the kernels are told."""

_F = np.float32
_SIGNATURE = types.void(types.CPointer(from_dtype(JOB)))
# Fused multiplications and additions are as fast as one of them, and round once.
_FASTMATH = {"contract"}


@intrinsic
def _floats(_context: Any, _address: Any) -> Any:
    """An address as a pointer to float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float32)(types.int64), build


@intrinsic
def _take(_context: Any, _address: Any) -> Any:
    """The number at an address, which is one more afterwards, whichever threads do that at once."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        number = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", number, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(types.int64), build


@njit(error_model="numpy", fastmath=_FASTMATH, inline="always")
def _transform(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, u: Any, v: Any, w: Any, x: Any, y: Any, z: Any) -> None:
    """``Bᵀ`` times six vectors. With one loop for each result the compiler sees that it may go in large steps."""
    for k in range(len(a)):
        u[k] = _F(4) * a[k] - _F(5) * c[k] + e[k]
    for k in range(len(a)):
        v[k] = (d[k] + e[k]) - _F(4) * (b[k] + c[k])
    for k in range(len(a)):
        w[k] = _F(4) * (b[k] - c[k]) + (e[k] - d[k])
    for k in range(len(a)):
        x[k] = _F(2) * (d[k] - b[k]) + (e[k] - c[k])
    for k in range(len(a)):
        y[k] = _F(2) * (b[k] - d[k]) + (e[k] - c[k])
    for k in range(len(a)):
        z[k] = _F(4) * b[k] - _F(5) * d[k] + f[k]


@njit(error_model="numpy", fastmath=_FASTMATH, inline="always")
def _transform_back(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, shift: Any, w: Any, x: Any, y: Any, z: Any) -> None:
    """``Aᵀ`` times six vectors, and a shift."""
    for k in range(len(a)):
        w[k] = (a[k] + (b[k] + c[k])) + ((d[k] + e[k]) + shift[k])
    for k in range(len(a)):
        x[k] = _F(2) * (d[k] - e[k]) + ((b[k] - c[k]) + shift[k])
    for k in range(len(a)):
        y[k] = _F(4) * (d[k] + e[k]) + ((b[k] + c[k]) + shift[k])
    for k in range(len(a)):
        z[k] = _F(8) * (d[k] - e[k]) + ((b[k] - c[k]) + (f[k] + shift[k]))


@cfunc(_SIGNATURE, error_model="numpy", fastmath=_FASTMATH, cache=True)
def _into_points(data: Any) -> None:
    jobs = carray(data, 1)
    job = jobs[0]
    height, width, channels = job.height, job.width, job.channels
    pixels = carray(_floats(job.pixels), (job.pictures, height, width, channels))
    points = carray(_floats(job.points), (job.tiles, REACH, REACH, channels))
    zeros, h = np.zeros(channels, _F), np.empty((REACH, REACH, channels), _F)
    while True:
        tile = _take(jobs.ctypes.data)
        if tile >= job.tiles:
            break
        picture, place = divmod(job.first + tile, job.rows * job.columns)
        row, column = divmod(place, job.columns)
        p = points[tile]
        for i in range(REACH):
            y, x = TILE * row - 1 + i, TILE * column - 1
            inside = 0 <= y < height
            a = pixels[picture, y, x] if inside and x >= 0 else zeros
            b = pixels[picture, y, x + 1] if inside else zeros
            c = pixels[picture, y, x + 2] if inside and x + 2 < width else zeros
            d = pixels[picture, y, x + 3] if inside and x + 3 < width else zeros
            e = pixels[picture, y, x + 4] if inside and x + 4 < width else zeros
            f = pixels[picture, y, x + 5] if inside and x + 5 < width else zeros
            _transform(a, b, c, d, e, f, h[i, 0], h[i, 1], h[i, 2], h[i, 3], h[i, 4], h[i, 5])
        for j in range(REACH):
            a, b, c, d, e, f = h[0, j], h[1, j], h[2, j], h[3, j], h[4, j], h[5, j]
            _transform(a, b, c, d, e, f, p[0, j], p[1, j], p[2, j], p[3, j], p[4, j], p[5, j])


@cfunc(_SIGNATURE, error_model="numpy", fastmath=_FASTMATH, cache=True)
def _into_pixels(data: Any) -> None:
    jobs = carray(data, 1)
    job = jobs[0]
    height, width, channels = job.height, job.width, job.channels
    pixels = carray(_floats(job.pixels), (job.pictures, height, width, channels))
    points = carray(_floats(job.points), (job.tiles, REACH, REACH, channels))
    bias = carray(_floats(job.bias), channels)
    zeros, unused = np.zeros(channels, _F), np.empty(channels, _F)
    h = np.empty((TILE, REACH, channels), _F)
    while True:
        tile = _take(jobs.ctypes.data)
        if tile >= job.tiles:
            break
        picture, place = divmod(job.first + tile, job.rows * job.columns)
        row, column = divmod(place, job.columns)
        p = points[tile]
        for j in range(REACH):
            a, b, c, d, e, f = p[0, j], p[1, j], p[2, j], p[3, j], p[4, j], p[5, j]
            _transform_back(a, b, c, d, e, f, zeros, h[0, j], h[1, j], h[2, j], h[3, j])
        for i in range(min(TILE, height - TILE * row)):
            line, x = pixels[picture, TILE * row + i], TILE * column
            second = line[x + 1] if x + 1 < width else unused
            third = line[x + 2] if x + 2 < width else unused
            fourth = line[x + 3] if x + 3 < width else unused
            a, b, c, d, e, f = h[i, 0], h[i, 1], h[i, 2], h[i, 3], h[i, 4], h[i, 5]
            _transform_back(a, b, c, d, e, f, bias, line[x], second, third, fourth)


def kernels(library: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """Pixels into points, and points into pixels: functions of a job (an array of one `JOB`) and a number of threads.

    Parameters
    ----------
    library : str
        Path of a library that starts its threads through GNU's OpenMP or one with the same calls.

    Raises
    ------
    AttributeError
        If it has no such threads.
    """
    start = ctypes.CDLL(library).GOMP_parallel
    start.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    start.restype = None

    def runner(address: int) -> Callable[..., None]:
        def run(job: np.ndarray, threads: int) -> None:
            job["taken"] = 0
            start(address, job.ctypes.data, threads, 0)

        return run

    return runner(_into_points.address), runner(_into_pixels.address)
