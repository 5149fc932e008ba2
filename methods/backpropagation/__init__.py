"""Methods that send the score back through the network by other rules than the gradient's."""

from . import beta_smooth, deconvnet, deeplift, deepshap, guided_backprop, lrp

__all__ = ["beta_smooth", "deconvnet", "deeplift", "deepshap", "guided_backprop", "lrp"]
