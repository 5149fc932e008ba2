"""A copy of a torch network that computes the same in less time: batch norms folded away, channels last, Winograd.

In evaluation mode a batch norm is a factor and a shift per channel. Where it, and nothing else, receives exactly what a
convolution returned, both go into the convolution's weights. The network's own ``forward`` stays as it is, whatever it
does between its layers: which layers follow one another is seen in a run, and not read from a traced graph.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..errors import DeviceError
from .protocol import Net, Tensor
from .torch_winograd import WinogradConvolution, suits

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Transforming the filters takes as long as the faster convolutions save in 20 to 50 runs, and loading what is compiled,
# once per process, as in 100.
_WORTH_TRANSFORMING = 150


def streamlined(net: Net, x: Tensor, evaluations: int) -> Net | None:
    """A faster copy of a network in evaluation mode, for inputs like `x`; None when there is nothing to gain.

    The caller has to make sure that both give the same scores: a network may look into its layers, and what its forward
    would do with other inputs than `x` is not seen.
    """
    if not isinstance(net, nn.Module) or any(is_watched(module) for module in net.modules()):
        return None
    if torch.is_inference_mode_enabled() or any(t.is_inference() for t in net.parameters()):
        return None
    convolutions = [module for module in net.modules() if type(module) in _CONVOLUTIONS]
    if not convolutions:
        return None
    pairs = list(_neighbours(net, x))
    names = {module: name for name, module in net.named_modules()}
    try:
        quick = copy.deepcopy(net)
    except Exception:  # what a user's network keeps in its attributes may refuse to be copied in any way it likes
        return None
    for convolution, norm in pairs:
        _fold(quick.get_submodule(names[convolution]), norm)
        _replace(quick, names[norm], nn.Identity())
    if next(quick.parameters()).device.type == "cpu" and not any(type(each) is nn.Conv3d for each in convolutions):
        quick.to(memory_format=torch.channels_last)
    if evaluations >= _WORTH_TRANSFORMING:
        for name, module in dict(quick.named_modules()).items():
            if suits(module):
                _replace(quick, name, WinogradConvolution(module))
    return quick.eval().requires_grad_(False)


def is_watched(module: nn.Module) -> bool:
    """Whether somebody has hooks on the layer, which the copy would not call, or computes its weights anew."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or hasattr(module, "parametrizations")
    )


def _neighbours(net: nn.Module, x: Tensor) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Convolutions and the batch norms that alone receive their unchanged output, each used once in a run."""
    outputs: list[tuple[nn.Module, Tensor, int, Any]] = []
    inputs: list[tuple[nn.Module, Tensor, int]] = []

    def leaves(module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs.append((module, output, output._version, output.grad_fn))

    def enters(module: nn.Module, arguments: Any, keywords: Any) -> None:
        tensor = arguments[0] if arguments else keywords["input"]
        inputs.append((module, tensor, tensor._version))

    handles = []
    try:
        for module in net.modules():
            if type(module) in _CONVOLUTIONS:
                handles.append(module.register_forward_hook(leaves))
            elif type(module) in _NORMS and module.running_mean is not None and module.running_var is not None:
                handles.append(module.register_forward_pre_hook(enters, with_kwargs=True))
        with torch.enable_grad():
            readers = _readers(net(x.detach().clone().requires_grad_() * 1))
    finally:
        for handle in handles:
            handle.remove()
    for norm, tensor, version in inputs:
        # The version counts the operations in place: an activation may stand between, in the same tensor.
        sources = [
            module
            for module, output, seen, node in outputs
            if output is tensor and seen == version and readers[node] == 1
        ]
        once = [module for module, *_ in outputs].count(sources[0]) if sources else 0
        if once == 1 and [module for module, *_ in inputs].count(norm) == 1:
            yield sources[0], norm


def _readers(scores: Any) -> Counter[Any]:
    """How many operations on the way to the scores, and scores, are made of what each node of the graph computes."""
    waiting = [t.grad_fn for t in _tensors(scores) if t.grad_fn is not None]
    readers: Counter[Any] = Counter(waiting)
    seen = set(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is None:
                continue
            readers[node] += 1
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return readers


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from _tensors(value)


def _replace(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module)


def _fold(convolution: Any, norm: Any) -> None:
    """Multiply and shift the convolution's filters as the batch norm does, in double precision."""
    weight = convolution.weight
    deviation = (norm.running_var.double() + norm.eps).sqrt()
    scale = (torch.ones_like(deviation) if norm.weight is None else norm.weight.double()) / deviation
    bias = 0.0 if convolution.bias is None else convolution.bias.double()
    shift = (bias - norm.running_mean.double()) * scale + (0.0 if norm.bias is None else norm.bias.double())
    filters = weight.double() * scale.reshape(-1, *[1] * (weight.dim() - 1))
    convolution.weight = nn.Parameter(filters.to(weight.dtype).detach(), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(weight.dtype).detach(), requires_grad=False)


def rough(net: nn.Module, device: str, precision: str) -> nn.Module:
    """The network with its convolutions and products in bfloat16; scores and gradients come out in float32.

    Raises
    ------
    DeviceError
        If the processor has no such arithmetic, so that it would be slower and not faster.
    """
    if device == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        raise DeviceError(f"This processor has no {precision} arithmetic.", "Leave precision out.")
    return _Rough(net, torch.device(device).type)


class _Rough(nn.Module):
    def __init__(self, net: nn.Module, device: str) -> None:
        super().__init__()
        self.net, self.device = net, device

    def forward(self, x: Tensor) -> Any:
        with torch.autocast(self.device, torch.bfloat16):
            return _as_float(self.net(x))


def _as_float(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return output.float()
    if isinstance(output, dict):
        return {name: _as_float(value) for name, value in output.items()}
    if isinstance(output, (tuple, list)):
        return tuple(_as_float(value) for value in output)
    return output
