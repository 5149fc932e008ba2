"""Torch's layers as Paddle's own, where Paddle has one that means exactly the same.

What is not here, or not with these settings, is rebuilt from the functions that torch's layer calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import paddle_function_pools, paddle_function_reductions, paddle_function_shapes
from .paddle_attention import MultiheadAttention
from .paddle_functions import dtype_name, paddle, single
from .paddle_function_layers import batch_norm, embedding, per_axis
from .paddle_layers import BatchNorm1D, BatchNorm2D, UnbiasedStatistics
