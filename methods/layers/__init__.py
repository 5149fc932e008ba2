"""Methods for layers and neurons inside the network."""

from . import filter_visualisation

__all__ = ["filter_visualisation"]
