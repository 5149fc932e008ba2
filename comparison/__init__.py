"""Two networks, or two explanations, held against each other."""

from .agreement import Agreement, agreement
from .checkpoints import CheckpointReport, convert_checkpoint
from .comparison import Comparison, compare
from .conversion.convert import convert
from .differences import Difference, diff
from .matching import LayerPair, Matching, match_layers
from .parity import Parity, in_double, judged, parity
from .transfer import TransferReport, transfer
from .twin import Twin, make_twin, twin

__all__ = [
    "Agreement",
    "CheckpointReport",
    "Comparison",
    "Difference",
    "LayerPair",
    "Matching",
    "Parity",
    "TransferReport",
    "Twin",
    "agreement",
    "compare",
    "convert",
    "convert_checkpoint",
    "diff",
    "in_double",
    "judged",
    "make_twin",
    "match_layers",
    "parity",
    "transfer",
    "twin",
]
