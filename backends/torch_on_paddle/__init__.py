"""Torch's functions and layers on Paddle: torch's names, arguments and meaning.

One table serves functions, methods and operators, which torch names alike: ``torch.add``, ``x.add`` and ``x + y`` are
``add``, and ``add_`` is ``add`` in place. Functions here never work in place. Where Paddle's function of that name
means something else, another one is composed; what no composition gives is not in the table, or named in `LIMITS`.
"""

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
