"""Paddle's layers of normalisation with torch's statistics, and without rounding epsilon in float64."""

from __future__ import annotations

from typing import Any

from .normalisation import batch_norm, instance_norm, layer_norm
from .table import paddle

nn = paddle.nn


class _TorchStatistics:
    """Batch norm with torch's unbiased running variance and, in float64, its unrounded epsilon."""

    training: bool
    weight: Any
    bias: Any
    _mean: Any
    _variance: Any
    _momentum: float
    _epsilon: float

    def forward(self, x: Any) -> Any:
        """Normalise over all axes but the second."""
        if not self.training and x.dtype != paddle.float64:
            return super().forward(x)  # type: ignore[misc]
        statistics = self._mean, self._variance
        return batch_norm(x, *statistics, self.weight, self.bias, self.training, 1 - self._momentum, self._epsilon)


class BatchNorm1D(_TorchStatistics, nn.BatchNorm1D):  # type: ignore[name-defined]
    """Over (samples, channels) or (samples, channels, length)."""


class BatchNorm2D(_TorchStatistics, nn.BatchNorm2D):  # type: ignore[name-defined]
    """Over (samples, channels, height, width)."""


class BatchNorm3D(_TorchStatistics, nn.BatchNorm3D):  # type: ignore[name-defined]
    """Over (samples, channels, depth, height, width)."""


class LayerNorm(nn.LayerNorm):  # type: ignore[name-defined]
    """``paddle.nn.LayerNorm`` with the right gradient, and without rounding its epsilon."""

    def forward(self, x: Any) -> Any:
        """Normalise over the last axes."""
        return layer_norm(x, self._normalized_shape, self.weight, self.bias, self._epsilon)


class _InstanceNorm:
    """Instance norm that does not round its epsilon in float64."""

    scale: Any
    bias: Any
    _epsilon: float

    def forward(self, x: Any) -> Any:
        """Normalise over all axes but the first two."""
        if x.dtype != paddle.float64:
            return super().forward(x)  # type: ignore[misc]
        return instance_norm(x, None, None, self.scale, self.bias, eps=self._epsilon)


class InstanceNorm1D(_InstanceNorm, nn.InstanceNorm1D):  # type: ignore[name-defined]
    """Over (samples, channels, length)."""


class InstanceNorm2D(_InstanceNorm, nn.InstanceNorm2D):  # type: ignore[name-defined]
    """Over (samples, channels, height, width)."""


class InstanceNorm3D(_InstanceNorm, nn.InstanceNorm3D):  # type: ignore[name-defined]
    """Over (samples, channels, depth, height, width)."""
