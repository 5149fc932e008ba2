"""What is asked: weights, pictures, labels, noise and baselines."""

from __future__ import annotations

import numpy as np

from twinlens.grading.drawing import (
    average_pooled,
    batch_norm_shapes,
    batch_normed,
    convolution_shapes,
    convolved,
    draw_pictures,
    draw_weights,
    labels_beside,
    linear,
    linear_shapes,
)
from twinlens.grading.protocol import Array, Arrays, random_generator
from twinlens.grading.ways import laid_out

HEIGHT, WIDTH, CLASSES = 24, 32, 7
COPIES, STEPS = 3, 4

SHAPES = {
    **convolution_shapes("conv1", 3, 6),
    **batch_norm_shapes("bn1", 6),
    **convolution_shapes("conv2", 6, 12),
    **batch_norm_shapes("bn2", 12),
    **linear_shapes("linear", 12 * 3 * 4, CLASSES),
}
TASKS = ("compute_saliency_maps", "smooth_grad", "integrated_gradients")


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Draw the weights of the network."""
    return {**draw_weights(random_generator(seed, int(public), 0), SHAPES)}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Draw what the driver is given."""
    generator = random_generator(seed, int(public), 1 + TASKS.index(task))
    pictures = draw_pictures(generator, HEIGHT, WIDTH)
    labels = labels_beside(generator, _scores(laid_out(pictures), weights(seed, public)))
    inputs: dict[str, Array] = {"pictures": pictures, "labels": labels}
    if task == "compute_saliency_maps":
        inputs["alone"] = np.array(int(generator.integers(len(pictures))))
    if task == "smooth_grad":
        inputs["noise"] = generator.normal(0, 0.5, (COPIES, *pictures.shape)).astype(np.float32)
    if task == "integrated_gradients":
        inputs["baseline"] = generator.uniform(0, 0.5, pictures.shape).astype(np.float32)
        inputs["steps"] = np.array(STEPS)
    return inputs


def _scores(x: Array, arrays: Arrays) -> Array:
    """What the network returns, computed without a framework."""
    x = batch_normed(convolved(x, arrays, "conv1", stride=2), arrays, "bn1")
    x = np.tanh(batch_normed(convolved(x / (1 + np.exp(-x)), arrays, "conv2"), arrays, "bn2"))
    return linear(average_pooled(x, 4), arrays, "linear")
