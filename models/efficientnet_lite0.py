"""EfficientNet-Lite0, with the names of its ImageNet checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STEM = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_HEAD = 1280
_EPS, _MOMENTUM = 1e-3, 0.01
_DROPOUT = 0.2


def _separable(self: Any, x: Any) -> Any:
    """Convolve each channel alone, then mix the channels."""
    x = self._relu1(self._bn1(self._depthwise_conv(self._depthwise_pad(x))))
    return self._bn2(self._project_conv(x))


def _expanded(self: Any, x: Any) -> Any:
    return _separable(self, self._relu0(self._bn0(self._expand_conv(x))))


def _residual(self: Any, x: Any) -> Any:
    return _expanded(self, x) + x


def _network(self: Any, x: Any) -> Any:
    x = self._stem_relu(self._bn0(self._conv_stem(self._stem_pad(x))))
    x = self._blocks(x)
    x = self._head_relu(self._bn1(self._conv_head(x)))
    return self._fc(self._dropout(self._avg_pooling(x).flatten(1)))


def efficientnet_lite0(nn: Any, classes: int = 1000) -> Any:
    """Build EfficientNet-Lite0: mobile bottlenecks with ReLU6, without squeeze and excitation.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.
    classes : int
        Number of outputs.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, 3, H, W) with values of -1 to 1 (224 x 224 in the checkpoint's training), returns (N, classes)
        logits.

    References
    ----------
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
    """
    return nn.Module(
        _network,
        _stem_pad=nn.SamePad2d(3, 2),
        _conv_stem=nn.Conv2d(3, _STEM, 3, stride=2, bias=False),
        _bn0=nn.BatchNorm2d(_STEM, eps=_EPS, momentum=_MOMENTUM),
        _stem_relu=nn.ReLU6(),
        _blocks=nn.Sequential(*_bottlenecks(nn)),
        _conv_head=nn.Conv2d(_STAGES[-1].channels, _HEAD, 1, bias=False),
        _bn1=nn.BatchNorm2d(_HEAD, eps=_EPS, momentum=_MOMENTUM),
        _head_relu=nn.ReLU6(),
        _avg_pooling=nn.AdaptiveAvgPool2d(1),
        _dropout=nn.Dropout(_DROPOUT),
        _fc=nn.Linear(_HEAD, classes),
    )


def _bottlenecks(nn: Any) -> Iterator[Any]:
    channels = _STEM
    for stage in _STAGES:
        for number in range(stage.blocks):
            stride = stage.stride if number == 0 else 1
            yield _bottleneck(nn, channels, stage, stride)
            channels = stage.channels


def _bottleneck(nn: Any, channels: int, stage: _Stage, stride: int) -> Any:
    wide = channels * stage.expansion
    layers: dict[str, Any] = {}

    def norm(width: int) -> Any:
        return nn.BatchNorm2d(width, eps=_EPS, momentum=_MOMENTUM)

    if stage.expansion > 1:
        layers["_expand_conv"] = nn.Conv2d(channels, wide, 1, bias=False)
        layers["_bn0"] = norm(wide)
        layers["_relu0"] = nn.ReLU6()
    layers["_depthwise_pad"] = nn.SamePad2d(stage.kernel, stride)
    layers["_depthwise_conv"] = nn.Conv2d(wide, wide, stage.kernel, stride=stride, groups=wide, bias=False)
    layers["_bn1"] = norm(wide)
    layers["_relu1"] = nn.ReLU6()
    layers["_project_conv"] = nn.Conv2d(wide, stage.channels, 1, bias=False)
    layers["_bn2"] = norm(stage.channels)
    if stage.expansion == 1:
        return nn.Module(_separable, **layers)
    keeps_shape = stride == 1 and channels == stage.channels
    return nn.Module(_residual if keeps_shape else _expanded, **layers)
