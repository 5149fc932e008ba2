"""Networks, each written once for both frameworks; loading, training and evaluation.

Importing this package loads no framework.
"""

from .evaluation import Evaluation, evaluate
from .history import History
from .initialise import initialise
from .labels import imagenet_labels
from .loading import load_model
from .registry import Architecture, architecture, models
from .training import fit

__all__ = [
    "Architecture",
    "Evaluation",
    "History",
    "architecture",
    "evaluate",
    "fit",
    "imagenet_labels",
    "initialise",
    "load_model",
    "models",
]
