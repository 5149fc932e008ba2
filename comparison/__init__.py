"""Two networks, or two explanations, held against each other."""

from .agreement import Agreement, agreement
from .parity import Parity, in_double, judged, parity
from .transfer import TransferReport, transfer

__all__ = ["Agreement", "Parity", "TransferReport", "agreement", "in_double", "judged", "parity", "transfer"]
