"""Small torch networks, each around one function or one layer, with several settings each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ...frameworks import BOTH, torch

for framework in BOTH:
    pytest.importorskip(framework)

F = torch.nn.functional
nn = torch.nn

Shape = tuple[int, ...]


class Computes(nn.Module):
    """``formula(x, self)``, with parameters and buffers of given shapes as attributes."""

    def __init__(self, formula: Callable[[Any, Any], Any], **shapes: Shape) -> None:
        super().__init__()
        self.formula = formula
        rng = np.random.default_rng(0)
        for name, shape in shapes.items():
            values = torch.tensor(rng.normal(size=shape))
            if name.startswith("positive"):
                values = values.abs() + 0.5
            setattr(self, name, nn.Parameter(values))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False]))

    def forward(self, x: Any) -> Any:
        return self.formula(x, self)


def _of(*formulas: Callable[[Any], Any], shape: Shape = (2, 4, 6, 5)) -> list[tuple[Any, Shape]]:
    return [(Computes(lambda x, net, formula=formula: formula(x)), shape) for formula in formulas]


def _with(formula: Callable[[Any, Any], Any], shape: Shape = (2, 4, 6, 5), **shapes: Shape) -> tuple[Any, Shape]:
    return Computes(formula, **shapes), shape


ARITHMETIC = {
    "add": _of(lambda x: x + 1, lambda x: 0.1 + x, lambda x: torch.add(x, x, alpha=0.3), lambda x: x.add(2).add_(0.5)),
    "sub": _of(lambda x: x - 0.1, lambda x: 0.1 - x, lambda x: torch.sub(x, x * x, alpha=2), lambda x: x.subtract(1)),
    "rsub": _of(lambda x: torch.rsub(x, 1.3)),
    "mul": _of(lambda x: x * 0.1, lambda x: x.mul(x), lambda x: torch.multiply(x, 3), lambda x: (x > 0) * x),
    "div": _of(
        lambda x: x / 0.3,
        lambda x: 1 / (x + 9),
        lambda x: torch.true_divide(x, 3),
        lambda x: x.divide(7),
        lambda x: x + torch.div(x, 0.3, rounding_mode="floor") + torch.div(x, 0.3, rounding_mode="trunc"),
        lambda x: x * (x.long() / 2),
    ),
    "floor_divide": _of(
        lambda x: x * (x.detach() // 0.3) + torch.floor_divide(x.detach(), 0.7),
        lambda x: x.reshape(2, x.shape[1] // 2, -1) * 2,
    ),
    "remainder": _of(
        lambda x: x % 0.3, lambda x: torch.remainder(x, 2), lambda x: x.view(x.shape[0], -1) * (x.size(1) % 3)
    ),
    "pow": _of(
        lambda x: x**2,
        lambda x: (x.abs() + 0.1) ** 0.3,
        lambda x: torch.pow(x, 3),
        lambda x: 1.7**x,
        lambda x: x.abs().pow(x),
        lambda x: x.square(),
        lambda x: (x.abs() + 1) ** -0.5,
    ),
    "matmul": [
        _with(lambda x, net: x @ net.w, w=(5, 3)),
        _with(lambda x, net: torch.matmul(x, net.w), w=(5, 3)),
        _with(lambda x, net: torch.mm(x, net.w), (3, 5), w=(5, 3)),
        _with(lambda x, net: x.bmm(net.w), (2, 4, 5), w=(2, 5, 3)),
        _with(lambda x, net: torch.mv(x, net.w), (3, 5), w=(5,)),
        _with(lambda x, net: x[0].dot(net.w) * x, (3, 5), w=(5,)),
    ],
    "addmm": [_with(lambda x, net: torch.addmm(net.b, x, net.w, beta=0.5, alpha=2), (3, 5), w=(5, 4), b=(4,))],
    "baddbmm": [_with(lambda x, net: torch.baddbmm(net.b, x, net.w), (2, 3, 5), w=(2, 5, 4), b=(2, 3, 4))],
    "addcmul": _of(lambda x: torch.addcmul(x, x, x, value=0.3)),
    "addcdiv": _of(lambda x: torch.addcdiv(x, x, x.abs() + 1, value=0.3)),
    "lerp": _of(lambda x: torch.lerp(x, x * x, 0.3)),
    "einsum": [
        _with(lambda x, net: torch.einsum("nchw,wk->nchk", x, net.w), w=(5, 3)),
        _with(lambda x, net: torch.einsum("nchw,wk->nkc", [x, net.w]), w=(5, 3)),
    ],
    "clamp": _of(
        lambda x: x.clamp(-0.1, 0.3),
        lambda x: torch.clamp(x, min=0.1),
        lambda x: x.clip(max=0.7),
        lambda x: x.clamp_min(-0.3),
        lambda x: torch.clamp_max(x, 0.3),
        lambda x: torch.clamp(x, min=-x.abs() / 2, max=x * 0 + 0.5),
    ),
    "maximum": _of(lambda x: torch.maximum(x, x * x), lambda x: torch.minimum(x, x.abs() * 0.5 + 0.1)),
    "where": _of(
        lambda x: torch.where(x > 0.1, x * x, -x),
        lambda x: torch.where(x > 0.1, x, 0.5),
        lambda x: x.where(x < 0.1, x * 3),
    ),
    "masked_fill": [
        _with(lambda x, net: x.masked_fill(net.mask, -2.0)),
        _with(lambda x, net: torch.masked_fill(x, x > 0, 0.3) * x),
    ],
    "comparisons": _of(
        lambda x: x * (x >= 0.1) + x * (x < -0.3) * 2 + 3 * x * (x <= -1),
        lambda x: x * x.gt(0) + x * torch.eq(x, x) + x * (x != x),
        lambda x: x * ((x > 0) & (x < 1)) + x * ((x > 1) | ~(x > -1)) + x * ((x > 0) ^ (x > 1)),
        lambda x: x * torch.logical_and(x > 0, x < 1) + x * torch.logical_or(x > 1, x < -1),
        lambda x: x * torch.logical_xor(x > 0, x < 1) + x * torch.logical_not(x > 1),
        lambda x: x * torch.bitwise_and(x > 0, x < 1) + x * torch.bitwise_or(x > 1, x < -1) * torch.bitwise_not(x > 0),
        lambda x: torch.where(torch.isnan(x) | torch.isinf(x), x, x * torch.isfinite(x)),
    ),
    "elementwise": _of(
        lambda x: torch.exp(x) + x.exp().log1p() + torch.expm1(x),
        lambda x: (x.abs() + 1).log() + torch.log2(x.abs() + 1) + torch.log10(x.abs() + 1),
        lambda x: torch.sin(x) + x.cos() + torch.tan(x * 0.3) + torch.tanh(x),
        lambda x: torch.asin(x.tanh() * 0.9) + torch.acos(x.tanh() * 0.9) + torch.atan(x) + x.arctan(),
        lambda x: torch.sinh(x) + torch.cosh(x) + torch.erf(x) + torch.special.erf(x) + torch.reciprocal(x.abs() + 1),
        lambda x: torch.sqrt(x.abs() + 1) + torch.rsqrt(x.abs() + 1) + math.sqrt(4) * x,
        lambda x: x / math.sqrt(x.shape[-1]),
        lambda x: abs(x) + x.absolute() + torch.neg(x) + -x + torch.negative(x) + +x + torch.abs(x),
        lambda x: x * torch.sign(x) + x * torch.floor(x) + x * x.ceil() + x * torch.trunc(x),
        lambda x: x * torch.round(x * 4) + x * torch.round(x, decimals=1),
        lambda x: torch.atan2(x, x.abs() + 1),
        lambda x: x * math.floor(x.shape[1] / 3) + x * math.ceil(x.shape[1] / 3),
    ),
}

SHAPES = {
    "reshape": _of(
        lambda x: x.view(x.size(0), -1) * 2,
        lambda x: x.view(-1, 4, 30) * 2,
        lambda x: x.reshape((x.shape[0], 4, -1)) * x.shape[2],
        lambda x: torch.reshape(x, (2, -1)) * 1.5,
        lambda x: x.view(2, -1).view_as(x) + x.view(2, -1).reshape_as(x),
        lambda x: x.view(*x.shape[:2], -1) + 1,
    ),
    "flatten": _of(
        lambda x: torch.flatten(x, 1) * 2,
        lambda x: x.flatten() * 2,
        lambda x: x.flatten(start_dim=1, end_dim=2) + x.flatten(1, 2),
        lambda x: x.flatten(1).unflatten(1, (4, -1)) * torch.unflatten(x, 1, (2, 2)).sum(),
    ),
    "permute": _of(
        lambda x: x.permute(0, 2, 3, 1) * 2,
        lambda x: torch.permute(x, (0, -1, 1, 2)) * 2,
        lambda x: x.transpose(1, 2) * 2 + torch.swapaxes(x, 1, -2),
        lambda x: x.movedim(1, -1) + torch.moveaxis(x, (1,), (3,)),
        lambda x: x.view(2, -1).t() + x.view(2, -1).T,
        lambda x: x.mT * 2,
    ),
    "squeeze": _of(
        lambda x: x.mean(1, keepdim=True).squeeze(1) * x.unsqueeze(1).squeeze().sum(),
        lambda x: torch.unsqueeze(x, -1).squeeze(-1),
        lambda x: x[:, :1].squeeze((1,)) + x[:, 0],
    ),
    "expand": _of(
        lambda x: x[:, :1].expand(-1, 3, -1, -1) * 2,
        lambda x: x[:, :1].expand((2, 3, 6, 5)) + x[:, :1].expand_as(x[:, :3]),
        lambda x: torch.broadcast_to(x[:, :1], (2, 3, 6, 5)) * 3,
        lambda x: x.repeat(1, 2, 1, 1) + x.tile(1, 2, 1, 1),
        lambda x: x.repeat(3, 1, 1, 1, 1) * 0.5,
        lambda x: x.repeat_interleave(2, dim=1) + torch.repeat_interleave(x, 2, 1),
        lambda x: x.repeat_interleave(3),
    ),
    "cat": _of(
        lambda x: torch.cat([x, x * 2], 1),
        lambda x: torch.cat((x, x.sin()), dim=-1),
        lambda x: torch.concat([x, (x > 0)], axis=1),
        lambda x: torch.stack([x, x * x], dim=1) + torch.stack((x, x), 1),
        lambda x: torch.hstack([x, x * 2]),
    ),
    "split": _of(
        lambda x: torch.cat([part * i for i, part in enumerate(torch.split(x, 2, dim=1))], 1),
        lambda x: x.split([1, 3], dim=1)[1] * 2,
        lambda x: x.split(4, 2)[1] + x.split(4, 2)[0][:, :, :2],
        lambda x: torch.mul(*x.chunk(2, dim=1)),
        lambda x: torch.chunk(x, 4, dim=2)[2] * 2,
        lambda x: x.unbind(1)[2] * torch.unbind(x, dim=1)[0],
        lambda x: x.narrow(1, 1, 2) * x.select(1, -1).unsqueeze(1),
    ),
    "getitem": _of(
        lambda x: x[:, 1:3] * 2,
        lambda x: x[..., ::2] * x[:, None, 0, :, ::2],
        lambda x: x[:, [0, 2]] * x[:, -1:],
        lambda x: x[:, torch.tensor([1, 0])] * 2,
        lambda x: x[1] * x[0, ...],
        lambda x: x[: x.shape[0], : x.shape[1] // 2] * 1,
        lambda x: x.index_select(1, torch.tensor([2, 0, 2])) * 1,
        lambda x: torch.gather(x, 3, x.argsort(dim=3)) * 2,
        lambda x: x.gather(1, x[:, :2].argmax(1, keepdim=True)) * 2,
    ),
    "flip": _of(
        lambda x: x.flip(-1) + torch.flip(x, (1, 2)) * 2,
        lambda x: torch.roll(x, (1, 2), (2, 3)) + x.roll(1, 1) * 2,
        lambda x: torch.tril(x) + 2 * x.triu(1),
    ),
    "sizes": _of(
        lambda x: x * x.dim() + x * x.numel() + x * len(x.shape) + x * x.ndim,
        lambda x: x.view(x.size()[0], -1) * x.size(dim=1),
        lambda x: x.to(x.dtype) + x.type_as(x) + x.to(x) + x.contiguous() + x.clone() + x.detach() * 2 + x.cpu(),
        lambda x: x * (x > 0).double() + x * x.long().to(torch.float64) + x * x.int().type(torch.float64),
        lambda x: x * (x > 0).to(x.device, x.dtype) + x * x.bool() + x.data * 1 + x.to("cpu"),
        lambda x: x * float(x.shape[1]) + x * x.is_floating_point() + x * (x > 0).float(),
    ),
    "meshgrid": _of(
        lambda x: x + sum(torch.meshgrid(torch.arange(6), torch.arange(5), indexing="ij")),
        lambda x: x + sum(torch.meshgrid([torch.arange(x.shape[3]), torch.arange(x.shape[2])], indexing="xy")),
    ),
    "constructors": _of(
        lambda x: x + torch.zeros_like(x) + torch.ones_like(x) + torch.full_like(x, 0.3),
        lambda x: x + torch.zeros(x.shape[0], 1, 1, 1) + torch.ones((x.size(0), 1, 1, 1)) + x.new_zeros(x.shape),
        lambda x: x + x.new_ones(x.shape[0], 1, 1, 1) + x.new_full((x.shape[0], 1, 1, 1), 0.25),
        lambda x: (
            x + torch.full((x.shape[0], 1, 1, 1), 0.5) + torch.full((x.shape[3],), 2) + torch.full((x.shape[3],), True)
        ),
        lambda x: (
            x
            + torch.arange(x.shape[-1])
            + torch.arange(0, x.shape[-1] * 2, 2)
            + torch.arange(x.shape[-1], dtype=x.dtype)
        ),
        lambda x: x + torch.linspace(-1, 1, x.shape[-1], dtype=torch.float64) + torch.eye(x.shape[2], x.shape[3]),
        lambda x: x + torch.arange(5).double() * torch.tensor([1.0, 2, 3, 4, 5]),
    ),
    "in place": _of(
        lambda x: x.clone().add_(1).mul_(2).clamp_(-1, 1),
        lambda x: _assigned(x * 1),
        lambda x: _filled(x * 1),
        lambda x: _view_changed(x * 2),
        lambda x: _zeroed(x * 2),
        lambda x: torch.relu_(x * 1) + F.relu(x + 1, inplace=True) + (x * 1).copy_(x[:1]),
        lambda x: (x * 1).fill_(2) + x + (x * 1).zero_(),
    ),
}


def _assigned(y: Any) -> Any:
    y[:, 1] = y[:, 0] * 3
    y[:, 2, 1:3] = 0.5
    return y


def _filled(y: Any) -> Any:
    F.relu_(y)
    return y


def _view_changed(y: Any) -> Any:
    z = y.view(2, -1)
    z.mul_(3)
    return z + 1


def _zeroed(y: Any) -> Any:
    y[:, 1:2].zero_()
    y[0].add_(2)
    return y * 2


REDUCTIONS = {
    "sum": _of(
        lambda x: x.sum(1) * 2,
        lambda x: torch.sum(x, dim=(2, 3), keepdim=True) + (x > 0).sum(),
        lambda x: x.sum() + x,
        lambda x: x.sum(axis=(-1, -2), keepdims=True) * x,
        lambda x: x * (x > 0).sum(1, keepdim=True),
    ),
    "mean": _of(lambda x: x.mean((2, 3)), lambda x: torch.mean(x, dim=-1, keepdim=True) * x, lambda x: x - x.mean()),
    "prod": _of(lambda x: torch.prod(x, 1), lambda x: x.prod(dim=2, keepdim=True) * x),
    "extremes": _of(
        lambda x: x.amax((2, 3)) + torch.amin(x, dim=(2, 3)),
        lambda x: x.max(1)[0] + torch.max(x, dim=1).values,
        lambda x: x.min(dim=1, keepdim=True)[0] * x + torch.min(x, 1, True)[1],
        lambda x: x.max() + x - torch.min(x),
        lambda x: torch.max(x, x * x) + torch.min(x, -x),
        lambda x: x * x.argmax(1, keepdim=True) + x * torch.argmin(x, dim=1, keepdim=True) + x.argmax(),
        lambda x: x.topk(3, dim=1)[0] + torch.topk(x, 3, 1, largest=False).values,
        lambda x: torch.sort(x, dim=1)[0] + x.sort(1, descending=True).values * 2 + x * torch.argsort(x, 1),
    ),
    "spread": _of(
        lambda x: x.var(dim=(2, 3)) + torch.var(x, (2, 3), unbiased=False),
        lambda x: x.std(1) + torch.std(x, dim=1, correction=0) + x.std(),
        lambda x: x / x.norm(dim=1, keepdim=True) + torch.norm(x, p=1, dim=1, keepdim=True),
        lambda x: x / torch.linalg.norm(x) + torch.linalg.vector_norm(x, dim=1, keepdim=True),
        lambda x: x + x.norm(p=float("inf")),
        lambda x: torch.logsumexp(x, 1) + x.logsumexp(dim=(1,)),
        lambda x: torch.cumsum(x, 1) + x.cumsum(dim=2),
    ),
    "truth": _of(
        lambda x: x * (x > 1).any(1, keepdim=True) + x * torch.all(x > -1, 1, True),
        lambda x: x * (x > 9).any() + x,
    ),
}

ACTIVATIONS = {
    "activations": _of(
        lambda x: torch.relu(x) + F.relu(x - 1) + x.relu() + F.relu6(x * 4),
        lambda x: F.leaky_relu(x) + F.leaky_relu(x, 0.3),
        lambda x: F.elu(x) + torch.celu(x) + F.celu(x) + F.selu(x) + torch.selu(x),
        lambda x: F.gelu(x) + F.gelu(x, approximate="tanh") + F.silu(x) + F.mish(x) + F.hardswish(x * 3),
        lambda x: torch.sigmoid(x) + x.sigmoid() + F.sigmoid(x) + F.tanh(x) + F.logsigmoid(x) + F.softsign(x),
        lambda x: F.softplus(x) + F.softplus(x, beta=1.3, threshold=2.1) + F.tanhshrink(x),
        lambda x: F.hardtanh(x) + F.hardtanh(x, -0.3, 0.7) + F.hardshrink(x, 0.7),
        lambda x: F.softshrink(x, 0.3) + F.threshold(x, 0.1, 20),
        lambda x: F.rrelu(x, 0.1, 0.4) + F.glu(x, dim=1).sum() + F.glu(x[..., :4]).mean(),
        lambda x: F.softmax(x, dim=1) + x.softmax(-1) + torch.softmax(x * 100, 2) + F.softmin(x, dim=1),
        lambda x: F.log_softmax(x, dim=1) + x.log_softmax(-1) + torch.log_softmax(x * 100, dim=2),
        lambda x: torch.softmax(x, 1, dtype=torch.float64) + F.log_softmax(x, 1, dtype=torch.float64),
    ),
    "hardsigmoid": _of(lambda x: F.hardsigmoid(x * 3)),
    "elu with alpha": _of(lambda x: F.elu(x, 0.7) + F.celu(x, 0.7)),
    "prelu": [_with(lambda x, net: F.prelu(x, net.w) + torch.prelu(x, net.v), w=(4,), v=(1,))],
}

WEIGHTED = {
    "linear": [
        _with(lambda x, net: F.linear(x, net.w, net.b), w=(3, 5), b=(3,)),
        _with(lambda x, net: F.linear(x, net.w), w=(5, 5)),
    ],
    "bilinear": [_with(lambda x, net: F.bilinear(x, x * 2, net.w, net.b), (3, 5), w=(4, 5, 5), b=(4,))],
    "conv1d": [
        _with(
            lambda x, net: F.conv1d(x, net.w, net.b, stride=2, padding=1, dilation=2), (2, 4, 9), w=(6, 4, 3), b=(6,)
        ),
        _with(lambda x, net: F.conv1d(x, net.w, padding="same", groups=2), (2, 4, 9), w=(6, 2, 4)),
    ],
    "conv2d": [
        _with(lambda x, net: F.conv2d(x, net.w, net.b, 2, 1, 1, 2), w=(6, 2, 3, 3), b=(6,)),
        _with(lambda x, net: torch.conv2d(x, net.w, padding=(2, 1), dilation=(2, 1)), w=(6, 4, 3, 3)),
        _with(lambda x, net: F.conv2d(x, net.w, padding="same", dilation=2), w=(6, 4, 3, 2)),
        _with(lambda x, net: F.conv2d(x, net.w, padding="valid"), w=(6, 4, 3, 2)),
    ],
    "conv3d": [_with(lambda x, net: F.conv3d(x, net.w, None, (1, 2, 1), 1), (1, 2, 4, 5, 5), w=(3, 2, 3, 3, 3))],
    "conv_transpose": [
        _with(lambda x, net: F.conv_transpose1d(x, net.w, net.b, 2, 1, 1), (2, 4, 7), w=(4, 3, 3), b=(3,)),
        _with(lambda x, net: F.conv_transpose2d(x, net.w, None, (2, 1), (1, 0), (1, 0), 2), w=(4, 3, 3, 3)),
        _with(lambda x, net: F.conv_transpose2d(x, net.w, padding=1, dilation=2), w=(4, 3, 3, 3)),
        _with(lambda x, net: F.conv_transpose3d(x, net.w, None, 2), (1, 2, 3, 3, 3), w=(2, 2, 2, 2, 2)),
    ],
    "embedding": [
        _with(lambda x, net: F.embedding(x.long().clamp(0, 5), net.w) * x.unsqueeze(-1), (2, 7), w=(6, 3)),
        _with(lambda x, net: F.embedding(x.long().clamp(0, 5), net.w, padding_idx=0) * x[..., None], (2, 7), w=(6, 3)),
        _with(lambda x, net: F.one_hot(x.long().clamp(0, 5), 6) * x[..., None], (2, 7)),
    ],
    "norms": [
        _with(lambda x, net: F.layer_norm(x, (5,), net.w, net.b, 1e-3), w=(5,), b=(5,)),
        _with(lambda x, net: F.layer_norm(x, x.shape[2:]) + F.layer_norm(x, [6, 5], eps=0.1)),
        _with(lambda x, net: F.group_norm(x, 2, net.w, net.b, 1e-3) + F.group_norm(x, 4), w=(4,), b=(4,)),
        _with(
            lambda x, net: F.instance_norm(x, weight=net.w, bias=net.b, eps=1e-3) + F.instance_norm(x), w=(4,), b=(4,)
        ),
        _with(
            lambda x, net: F.batch_norm(x, net.m.detach(), net.positive.detach(), net.w, eps=1e-3),
            m=(4,),
            positive=(4,),
            w=(4,),
        ),
        _with(lambda x, net: F.batch_norm(x, None, None, training=True)),
        _with(lambda x, net: F.rms_norm(x, (5,), net.w, 1e-3) + F.rms_norm(x, (5,)), w=(5,)),
        _with(lambda x, net: F.local_response_norm(x, 3, 0.01, 0.7, 1.3) + F.local_response_norm(x, 2)),
        _with(lambda x, net: F.normalize(x) + F.normalize(x, p=1, dim=2)),
        _with(lambda x, net: F.cosine_similarity(x, x * x, dim=1) + F.pairwise_distance(x, x * x).sum()),
    ],
    "dropout": _of(
        lambda x: F.dropout(x, 0.5, training=False) + F.dropout2d(x, 0.3, False) + torch.dropout(x, 0.5, False),
        lambda x: F.alpha_dropout(x, 0.3) + F.dropout(x, training=False) + F.dropout1d(x[0], training=False).sum(),
        lambda x: (
            F.feature_dropout(x, 0.4, False) if hasattr(F, "feature_dropout") else F.dropout3d(x[None], 0.4, False)
        ),
    ),
    "attention": [
        _with(lambda x, net: F.scaled_dot_product_attention(x, x * 2, x + net.b, is_causal=True), b=(5,)),
        _with(lambda x, net: F.scaled_dot_product_attention(x, x, x, attn_mask=net.m, scale=0.3), m=(6, 6)),
        _with(lambda x, net: F.scaled_dot_product_attention(x, x, x, torch.ones(6, 6, dtype=torch.bool).tril())),
    ],
}

_POOLINGS = [(2, None, 0, False), (3, 2, 1, False), (3, 2, 1, True), (2, 2, 1, True), (2, 3, 0, True), (3, 1, 1, False)]

SPATIAL = {
    "max_pool": [
        *(
            case
            for k, s, p, c in _POOLINGS
            for case in _of(lambda x, a=(k, s, p, 1, c): F.max_pool2d(x, *a), shape=(2, 3, 7, 8))
        ),
        *(
            case
            for k, s, p, c in _POOLINGS
            for case in _of(lambda x, a=(k, s, p, 1, c): F.max_pool1d(x, *a), shape=(2, 3, 7))
        ),
        *_of(
            lambda x: F.max_pool3d(x, 2, 2, 1, ceil_mode=True),
            lambda x: F.max_pool3d(x, (1, 2, 2)),
            shape=(1, 2, 4, 5, 6),
        ),
        *_of(lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0)), lambda x: torch.max_pool2d(x, [2, 2])),
    ],
    "avg_pool": [
        *(
            case
            for k, s, p, c in _POOLINGS
            for padded in (True, False)
            for case in (
                *_of(lambda x, a=(k, s, p, c, padded): F.avg_pool2d(x, *a), shape=(2, 3, 7, 8)),
                *_of(lambda x, a=(k, s, p, c, padded): F.avg_pool1d(x, *a), shape=(2, 3, 7)),
            )
        ),
        *_of(lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=5), lambda x: F.avg_pool2d(x, (3, 2), stride=2)),
        *_of(lambda x: F.avg_pool3d(x, 2, 2, 1, True, False), shape=(1, 2, 4, 5, 6)),
    ],
    "adaptive": [
        *_of(
            lambda x: F.adaptive_avg_pool2d(x, 1),
            lambda x: F.adaptive_avg_pool2d(x, (4, None)),
            lambda x: F.adaptive_max_pool2d(x, (4, 3)),
            lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] // 2, 5)),
        ),
        *_of(lambda x: F.adaptive_avg_pool1d(x, 3), lambda x: F.adaptive_max_pool1d(x, 3), shape=(2, 3, 7)),
        *_of(
            lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), lambda x: F.adaptive_max_pool3d(x, 2), shape=(1, 2, 4, 5, 6)
        ),
    ],
    "pad": [
        *_of(
            lambda x: F.pad(x, (1, 2, 3, 0)),
            lambda x: F.pad(x, (1, -1, -2, 1), value=0.5),
            lambda x: F.pad(x, (1, 2, 3, 2), mode="reflect"),
            lambda x: F.pad(x, (1, 2, 3, 2), mode="replicate"),
            lambda x: F.pad(x, (1, 2, 3, 2), mode="circular"),
            lambda x: F.pad(x, (0, 0, 0, 0, 1, 1), "constant", 0),
        ),
        *_of(lambda x: F.pad(x, (2, 3), "reflect"), shape=(2, 3, 7)),
    ],
    "interpolate": [
        *_of(
            lambda x: F.interpolate(x, scale_factor=2),
            lambda x: F.interpolate(x, size=(9, 4), mode="nearest") + F.interpolate(x, (9, 4), mode="nearest-exact"),
            lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
            lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear", recompute_scale_factor=True),
            lambda x: F.interpolate(x, size=(9, 4), mode="bilinear", align_corners=True),
            lambda x: (
                F.interpolate(x, size=(1, 12), mode="bicubic")
                + F.interpolate(x, (1, 12), mode="bicubic", align_corners=True)
            ),
            lambda x: F.interpolate(x, (4, 3), mode="area") + F.interpolate(x[:, :1], (4, 3), mode="area"),
            lambda x: F.interpolate(x, size=(x.shape[2] * 2, x.shape[3] * 2), mode="bilinear", align_corners=False),
            lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        ),
        *_of(lambda x: F.interpolate(x, 11, mode="linear"), shape=(2, 3, 7)),
        *_of(lambda x: F.interpolate(x, scale_factor=2, mode="trilinear"), shape=(1, 2, 3, 4, 3)),
    ],
    "sampling": [
        _with(lambda x, net: F.grid_sample(x, net.g.tanh(), align_corners=False), g=(2, 3, 3, 2)),
        _with(lambda x, net: F.grid_sample(x, net.g, "bilinear", "border", True), g=(2, 3, 3, 2)),
        _with(lambda x, net: F.grid_sample(x, F.affine_grid(net.t, x.size(), align_corners=False)), t=(2, 2, 3)),
    ],
    "shuffles": [
        *_of(
            lambda x: F.pixel_shuffle(x, 2),
            lambda x: F.pixel_unshuffle(x[..., :4], 2),
            lambda x: F.channel_shuffle(x, 2),
        ),
        *_of(lambda x: F.unfold(x, (3, 2), padding=1, stride=2, dilation=1), lambda x: x.unfold(2, 3, 2) * 2),
        *_of(lambda x: F.fold(x, (6, 5), (2, 2)), shape=(2, 12, 20)),
    ],
}

FUNCTIONS = ARITHMETIC | SHAPES | REDUCTIONS | ACTIVATIONS | WEIGHTED | SPATIAL
