"""Methods that send the score back through the network by other rules than the gradient's."""

from . import deconvnet, deeplift, deepshap, guided_backprop, lrp

__all__ = ["deconvnet", "deeplift", "deepshap", "guided_backprop", "lrp"]
