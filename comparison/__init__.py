"""Two networks, or two explanations, held against each other."""

from .agreement import Agreement, agreement
from .parity import Parity, parity
from .transfer import TransferReport, transfer

__all__ = ["Agreement", "Parity", "TransferReport", "agreement", "parity", "transfer"]
