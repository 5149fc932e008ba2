"""What is asked: weights of both networks, pictures, superpixels, masks and rows."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, random_generator

_CLASSES = 5
COLUMNS = 6
_SEGMENTS = 6
_UNITS = np.array([0.3, 1.0, 10.0, 50.0, 2.0, 5.0])
"""How far the columns of the table spread: each has its own unit."""

_WEIGHTS, _CASES = range(2)


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Canonical weights of both networks. The one for the table does not use one of its columns."""
    rng = random_generator(seed, _WEIGHTS, public)
    first, second = rng.normal(0, 0.5, (8, 3, 3, 3)), rng.normal(0, 0.25, (16, 8, 3, 3))
    classes = rng.normal(0, 1.5, (_CLASSES, 16))
    hidden = rng.normal(0, 0.9, (16, COLUMNS)) / _UNITS
    hidden[:, rng.integers(COLUMNS)] = 0
    found: dict[str, Array] = {
        "pictures.conv1.weight": first,
        "pictures.conv1.bias": rng.normal(0, 0.1, 8),
        "pictures.bn1.running_mean": 0.45 * first.sum((1, 2, 3)) + rng.normal(0, 0.2, 8),
        "pictures.bn1.running_var": rng.uniform(0.4, 1.2, 8),
        "pictures.conv2.weight": second,
        "pictures.conv2.bias": rng.normal(0, 0.1, 16),
        "pictures.bn2.running_mean": 0.7 * second.sum((1, 2, 3)) + rng.normal(0, 0.2, 16),
        "pictures.bn2.running_var": rng.uniform(1.0, 3.0, 16),
        # No class is ahead from the outset: where one is nearly sure, LIME finds nothing for the others.
        "pictures.fc.weight": classes,
        "pictures.fc.bias": -0.45 * classes.sum(1) + rng.normal(0, 0.2, _CLASSES),
        "table.hidden1.weight": hidden,
        "table.hidden1.bias": rng.normal(0, 0.3, 16),
        "table.bn.running_mean": rng.normal(0, 0.5, 16),
        "table.bn.running_var": rng.uniform(1.0, 4.0, 16),
        "table.hidden2.weight": rng.normal(0, 0.5, (8, 16)),
        "table.hidden2.bias": rng.normal(0, 0.2, 8),
        "table.output.weight": rng.normal(0, 1.0, (3, 8)),
        "table.output.bias": rng.normal(0, 0.2, 3),
    }
    for name, size in [("pictures.bn1", 8), ("pictures.bn2", 16), ("table.bn", 16)]:
        found[f"{name}.weight"] = rng.uniform(0.8, 1.2, size)
        found[f"{name}.bias"] = rng.normal(0.1, 0.2, size)
    return {name: values.astype(np.float32) for name, values in found.items()}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Inputs of one run of the driver."""
    rng = random_generator(seed, _CASES, public)
    size = (20, 28) if public else (24, 32)
    match task:
        case "classifier_function":
            return {
                "bytes": np.rint(255 * _pictures(rng, 4, *size)).astype(np.uint8),
                "floats": _pictures(rng, 4, *size),
            }
        case "lime_weights":
            pictures = _pictures(rng, 3, *size)
            # One picture with two labels: at least one of them is not what the network predicts.
            pictures[2] = pictures[0]
            labels = rng.permutation(_CLASSES - 1)[:3]
            return {
                "pictures": pictures,
                "segments": np.stack([_segments(rng, *size) for _ in pictures]),
                "masks": np.stack([_masks(rng) for _ in pictures]),
                "labels": labels,
                "fill": rng.uniform(0.2, 0.8, 3).astype(np.float32).astype(np.float64),
                "kernel_width": np.array(round(float(rng.uniform(0.2, 0.35)), 2)),
                "penalty": np.array(round(float(rng.uniform(0.5, 2.0)), 1)),
            }
        case _:
            centre = rng.normal(0, 2, COLUMNS) * _UNITS
            rows = centre + rng.normal(0, 1.5, (6, COLUMNS)) * _UNITS
            rows[1] = rows[0]
            labels = rng.integers(0, 2, 6)
            labels[:2] = rng.permutation(2)
            return {
                "rows": rows.astype(np.float32),
                "background": (centre + rng.normal(0, 1.0, (16, COLUMNS)) * _UNITS).astype(np.float32),
                "labels": labels,
            }


def _pictures(rng: np.random.Generator, count: int, height: int, width: int) -> Array:
    """Pictures (N, H, W, 3) of 0 to 1 as float64, in blocks with noise; each of another brightness."""
    blocks = rng.random((count, height // 4, width // 4, 3)).repeat(4, 1).repeat(4, 2)
    noisy = (blocks + rng.normal(0, 0.1, blocks.shape)).clip(0, 1)
    brightness = rng.permutation(np.linspace(0.35, 0.95, count))[:, None, None, None]
    pictures: Array = (noisy * brightness).astype(np.float32).astype(np.float64)
    return pictures


def _segments(rng: np.random.Generator, height: int, width: int) -> Array:
    """Two rows of three superpixels with crooked borders, numbered in any order."""
    down = int(rng.integers(height // 3, height - height // 3)) + rng.integers(-2, 3, width)
    right = [(part * width) // 3 + rng.integers(-2, 3, height) for part in (1, 2)]
    row, column = np.indices((height, width))
    numbers = 3 * (row >= down[None, :]) + sum((column >= border[:, None]).astype(int) for border in right)
    found: Array = rng.permutation(_SEGMENTS)[numbers]
    return found


def _masks(rng: np.random.Generator) -> Array:
    """The whole picture and 19 neighbours, all different, none of which is wholly hidden."""
    numbers = np.concatenate([[2**_SEGMENTS - 1], 1 + rng.permutation(2**_SEGMENTS - 2)[:19]])
    masks: Array = (numbers[:, None] >> np.arange(_SEGMENTS)) & 1
    return masks
