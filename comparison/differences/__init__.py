"""Two networks held against each other layer by layer."""

from .diff import diff
from .result import Arbiter, Cause, Difference, Place, Row

__all__ = ["Arbiter", "Cause", "Difference", "Place", "Row", "diff"]
