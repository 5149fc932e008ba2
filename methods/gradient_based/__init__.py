"""Methods that look at the gradient of a score with respect to the input."""

from . import (
    blur_integrated_gradients,
    expected_gradients,
    fullgrad,
    guided_integrated_gradients,
    input_x_gradient,
    integrated_gradients,
    noise_tunnel,
    saliency,
    smooth_taylor,
    smoothgrad,
    xrai,
)

__all__ = [
    "blur_integrated_gradients",
    "expected_gradients",
    "fullgrad",
    "guided_integrated_gradients",
    "input_x_gradient",
    "integrated_gradients",
    "noise_tunnel",
    "saliency",
    "smooth_taylor",
    "smoothgrad",
    "xrai",
]
