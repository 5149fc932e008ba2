"""The filled tables: importing this module imports Paddle and enters every function and layer."""

from . import (  # noqa: F401 - each enters its functions in the table
    activations,
    arithmetic,
    attention,
    chance,
    constructors,
    elementwise,
    normalisation,
    parts,
    pools,
    reductions,
    resizing,
    shapes,
    types,
    weighted,
)
from .layers import MODULES, Recorded
from .table import FUNCTIONS, LIMITS
from .types import ATTRIBUTES

__all__ = ["ATTRIBUTES", "FUNCTIONS", "LIMITS", "MODULES", "Recorded"]
