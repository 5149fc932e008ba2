"""Layer-wise relevance propagation: rules, which rule is for which layer, and how relevance is carried."""

from . import lrp

__all__ = ["lrp"]
