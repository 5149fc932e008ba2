"""Methods that look at the gradient of a score with respect to the input."""

from . import expected_gradients, integrated_gradients, saliency, smoothgrad

__all__ = ["expected_gradients", "integrated_gradients", "saliency", "smoothgrad"]
