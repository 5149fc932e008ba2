"""What is asked: weights, pictures, layers and channels."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, random_generator

LAYERS = ("conv1", "conv2", "conv3")
"""As in network.py: inputs name a layer by its place here."""

_CHANNELS = {"conv1": 8, "conv2": 12, "conv3": 16}
_SCALES = (0.2, 1.0, 3.0, 8.0)
_WEIGHTS, _PICTURES, _CHOICES = range(3)


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Canonical weights of the network."""
    rng = random_generator(seed, _WEIGHTS, public)
    found: dict[str, Array] = {}
    before = 3
    # What batch normalisation makes of a zero is positive, so that the ReLU shows whether it came before or after.
    for number, (layer, channels) in enumerate(_CHANNELS.items(), 1):
        found[f"{layer}.weight"] = rng.normal(0, np.sqrt(2 / (9 * before)), (channels, before, 3, 3))
        found[f"{layer}.bias"] = rng.normal(0, 0.2, channels)
        found[f"bn{number}.weight"] = rng.uniform(0.7, 1.3, channels)
        found[f"bn{number}.bias"] = rng.uniform(0.0, 0.5, channels)
        found[f"bn{number}.running_mean"] = -rng.uniform(0.1, 0.5, channels)
        found[f"bn{number}.running_var"] = rng.uniform(0.7, 2.0, channels)
        before = channels
    found["fc.weight"] = rng.normal(0, 0.5, (5, before))
    found["fc.bias"] = rng.normal(0, 0.2, 5)
    return {name: values.astype(np.float32) for name, values in found.items()}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Inputs of one run of the driver."""
    rng = random_generator(seed, _CHOICES, public)
    pictures = _pictures(seed, public)
    # Not the first layer: training mode does not show before the first batch normalisation.
    layer = int(rng.integers(1, 3))
    # Edited channels are numbers of pictures, too: one that takes the wrong axis gets an answer, and not an error.
    few = rng.permutation(len(pictures))
    inputs: dict[str, Array] = {"layer": np.array(layer)}
    match task:
        case "capture_features":
            # The last picture of the first call is the first one of the second, among others.
            return {"first": pictures[:3], "second": np.concatenate([pictures[2:], pictures[1:2]]), **inputs}
        case "edit_features":
            return {"pictures": pictures, "channels": few[few < 3][:2], **inputs}
        case "remove_hook":
            return {"pictures": pictures, "channels": few[:3], **inputs}
        case _:
            return {
                "pictures": pictures[1:],
                "channel": np.array(int(rng.integers(_CHANNELS[LAYERS[layer]] - 1))),
                "steps": np.array(int(rng.integers(4, 7))),
                "learning_rate": np.array(round(float(rng.uniform(0.02, 0.04)), 3)),
                **inputs,
            }


def _pictures(seed: int, public: bool) -> Array:
    """Four pictures of blocks and noise, of different scale, height unlike width."""
    rng = random_generator(seed, _PICTURES, public)
    height, width = (20, 28) if public else (24, 32)
    blocks = rng.normal(0.3, 0.7, (4, 3, height // 4, width // 4)).repeat(4, 2).repeat(4, 3)
    scales = rng.permutation(_SCALES)[:, None, None, None]
    pictures: Array = ((blocks + rng.normal(0, 0.2, blocks.shape)) * scales).astype(np.float32)
    return pictures
