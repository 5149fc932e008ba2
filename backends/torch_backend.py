"""PyTorch behind the protocol."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import DeviceError, LayerError, MissingPackageError, ModelError, NoGradientError
from .kinds import kind_of
from .protocol import (
    Array,
    Axis,
    Backend,
    Handle,
    Net,
    Optimizer,
    Rules,
    Tensor,
    check_seeds,
    entering,
    leaving,
    overwritten,
)
from .states import check_shared, check_state
from .walk import walk, walk_parameters

_KEPT_OPERATORS: list[Any] = []


class TorchBackend(Backend):
    """The protocol on ``torch.Tensor`` and ``torch.nn.Module``."""

    name = "torch"
    version = str(torch.__version__)

    # -- recognition -------------------------------------------------------------------------------------------

    def owns(self, thing: object) -> bool:
        return isinstance(thing, (torch.Tensor, torch.nn.Module))

    def is_tensor(self, thing: object) -> bool:
        return isinstance(thing, torch.Tensor)

    def check_mode(self) -> None:
        pass  # it always computes

    # -- devices -----------------------------------------------------------------------------------------------

    def devices(self) -> list[str]:
        return ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]

    def device(self, net: Net) -> str:
        first = next(chain(self.parameters(net), net.buffers()), None)
        return "cpu" if first is None else self.tensor_device(first)

    def tensor_device(self, t: Tensor) -> str:
        return "cpu" if t.device.type == "cpu" else f"{t.device.type}:{t.device.index or 0}"

    def to(self, net: Net, device: str) -> Net:
        if device not in self.devices():
            raise DeviceError(f"PyTorch has no device '{device}' here.", f"Choose one of: {', '.join(self.devices())}.")
        return net.to(device)

    # -- tensors -----------------------------------------------------------------------------------------------

    def asarray(self, x: Any, dtype: str | None = None, device: str | None = None) -> Tensor:
        if isinstance(x, torch.Tensor):
            return x.detach().to(device=device, dtype=getattr(torch, dtype) if dtype else None, copy=True)
        array = np.asarray(x, dtype=dtype)
        # torch reads neither foreign byte orders nor negative strides.
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C")).to(device)

    def numpy(self, t: Tensor) -> Array:
        t = t.detach()
        return (t.float() if t.dtype == torch.bfloat16 else t).cpu().numpy().copy()

    def shape(self, t: Tensor) -> tuple[int, ...]:
        return tuple(t.shape)

    def dtype(self, t: Tensor) -> str:
        return str(t.dtype).removeprefix("torch.")

    def detach(self, t: Tensor) -> Tensor:
        return t.detach()

    def leaf(self, t: Tensor, copied: bool = True) -> Tensor:
        detached = t.detach()
        # What was made in inference mode takes no gradient itself.
        return (detached.clone() if copied or t.is_inference() else detached).requires_grad_(True)

    def takes_gradient(self, t: Tensor) -> bool:
        return bool(t.requires_grad)

    def writes(self, t: Tensor) -> int | None:
        return None if t.is_inference() else t._version

    def sum(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return torch.sum(t, dim=_all_axes(t, axis), keepdim=keepdims)

    def mean(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return torch.mean(t, dim=_all_axes(t, axis), keepdim=keepdims)

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        # Rows as they lie in memory, which are not copied.
        if a.dim() == 4 and a.is_contiguous(memory_format=torch.channels_last):
            a, b = (t.permute(0, 2, 3, 1) for t in (a, b))
        rows = zip(a.reshape(len(a), -1), b.reshape(len(b), -1), strict=True)
        return torch.stack([torch.dot(one, other) for one, other in rows])

    def amax(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return torch.amax(t, dim=_all_axes(t, axis), keepdim=keepdims)

    def clip(self, t: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
        return torch.clamp(t, low, high)

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition, a, b)

    def abs(self, t: Tensor) -> Tensor:
        return torch.abs(t)

    def sign(self, t: Tensor) -> Tensor:
        return torch.sign(t)

    def softmax(self, t: Tensor, axis: int) -> Tensor:
        return torch.softmax(t, dim=axis)

    def log_softmax(self, t: Tensor, axis: int) -> Tensor:
        return torch.log_softmax(t, dim=axis)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)

    def reshape(self, t: Tensor, shape: Sequence[int]) -> Tensor:
        return torch.reshape(t, tuple(shape))

    def permute(self, t: Tensor, axes: Sequence[int]) -> Tensor:
        return torch.permute(t, tuple(axes))

    def concat(self, tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
        return torch.cat(list(tensors), dim=axis)

    def pick(self, t: Tensor, columns: npt.ArrayLike) -> Tensor:
        index = torch.from_numpy(np.array(columns, dtype=np.int64)).to(t.device)
        return t.gather(1, index[:, None]).squeeze(1)

    def resize(self, t: Tensor, size: tuple[int, int]) -> Tensor:
        return functional.interpolate(t, size=tuple(size), mode="bilinear", align_corners=False)

    # -- networks ----------------------------------------------------------------------------------------------

    @property
    def nn(self) -> Any:
        from .torch_layers import namespace

        return namespace

    @contextmanager
    def frozen(self, net: Net) -> Iterator[None]:
        modules = _layers(net)
        modes = [(module, module.training) for module in modules]
        flags = [(parameter, parameter.requires_grad) for parameter in _parameters(modules)]
        try:
            if any(mode for _, mode in modes):
                _evaluate(net)
            for parameter, trainable in flags:
                if trainable:
                    parameter.requires_grad_(False)
            yield
        finally:
            _restore(modes, flags)

    @contextmanager
    def training(self, net: Net) -> Iterator[None]:
        modes = [(module, module.training) for module in _layers(net)]
        try:
            net.train()
            yield
        finally:
            _restore(modes, [])

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        generators = [torch.default_generator, *(torch.cuda.default_generators if torch.cuda.is_initialized() else ())]
        states = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)

    def optimizer(self, net: Net, learning_rate: float, weight_decay: float = 0.0) -> Optimizer:
        from .torch_training import Adam

        return Adam(net, learning_rate, weight_decay)

    def modules(self, net: Net) -> dict[str, Net]:
        return dict(walk(net, "_modules"))

    def kind(self, layer: Net) -> str:
        return kind_of(layer, "torch")

    def state(self, net: Net) -> dict[str, Array]:
        return {name: self.numpy(t) for name, t in _state_tensors(net).items()}

    def parameter_names(self, net: Net) -> set[str]:
        return {name for name, _ in net.named_parameters(remove_duplicate=False)}

    def parameters(self, net: Net) -> Iterator[Tensor]:
        return walk_parameters(net, "_modules")

    def weight_sums(self, net: Net) -> Array:
        modules = _layers(net)
        tensors = [t.detach() for t in (*_parameters(modules), *_buffers(modules)) if t.is_floating_point()]
        return np.array([float(t.sum()) for t in tensors])

    def network_version(self, net: Net) -> tuple[int, ...] | None:
        modules = _layers(net)
        tensors = [*_parameters(modules), *_buffers(modules)]
        try:
            return (
                *map(id, modules),
                *map(id, tensors),
                *[t.data_ptr() for t in tensors],
                *[t._version for t in tensors],
            )
        except RuntimeError:  # of tensors made in inference mode, whose changes nobody counts
            return None

    def uses_batch_statistics(self, layer: Net) -> bool:
        return isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.running_mean is None

    def has_channels_last(self, layer: Net) -> bool:
        # torch's own layers never have; `comparison.conversion` marks what it rebuilds from Paddle's.
        return "_channels_last" in layer._buffers

    def load(self, net: Net, state: Mapping[str, npt.ArrayLike]) -> None:
        tensors = _state_tensors(net)
        arrays = check_state({name: tuple(t.shape) for name, t in tensors.items()}, state)
        check_shared(tensors, arrays)
        with torch.no_grad():
            for name, t in tensors.items():
                t.copy_(torch.from_numpy(arrays[name]))

    def converted(self, net: Net, dtype: str) -> Net:
        return copy.deepcopy(net).to(getattr(torch, dtype))

    def streamlined(self, net: Net, x: Tensor, evaluations: int) -> Net | None:
        from .torch_folding import streamlined

        return streamlined(net, x, evaluations)

    def arrangement(self, net: Net, x: Tensor) -> Callable[[Tensor], Tensor] | None:
        from .torch_folding import is_watched

        if x.dim() != 4 or x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_inference_mode_enabled():
            return None
        modules = _layers(net)
        if any(is_watched(module) for module in modules):
            return None
        if not any(isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)) for module in modules):
            return None
        return partial(torch.clone, memory_format=torch.channels_last)

    def rough(self, net: Net, x: Tensor, precision: str) -> Net:
        from .torch_folding import rough

        return rough(net, self.tensor_device(x), precision)

    # -- autograd ----------------------------------------------------------------------------------------------

    def grad(
        self,
        outputs: Tensor,
        inputs: Sequence[Tensor],
        seeds: Tensor | None = None,
        create_graph: bool = False,
    ) -> tuple[Tensor, ...]:
        if not outputs.requires_grad or not all(t.requires_grad for t in inputs):
            raise NoGradientError(
                "The score has no gradient: the network cuts the graph between its input and its output.",
                "Look in forward or around this call for no_grad(), .detach(), .data, .numpy(), argmax or checkpoint.",
            )
        check_seeds(self.shape(outputs), None if seeds is None else self.shape(seeds))
        try:
            gradients = torch.autograd.grad(
                outputs, list(inputs), grad_outputs=seeds, create_graph=create_graph, allow_unused=True
            )
        except RuntimeError as error:
            if (known := overwritten(error)) is not None:
                raise known from error
            if "checkpoint" not in str(error):
                raise
            raise NoGradientError(
                "The network computes parts of itself again on the way back (torch.utils.checkpoint), without what "
                "this method changes in them.",
                "Switch it off: memory_efficient=False, gradient_checkpointing_disable(), or a plain call in forward.",
            ) from error
        if any(gradient is None for gradient in gradients):
            raise NoGradientError(
                "No gradient arrives: the score does not depend on what it is differentiated by.",
                "Check that the layer lies on the way from the input to this output, outside of checkpoint() and "
                "recompute().",
            )
        return tuple(gradients)

    def no_grad(self) -> AbstractContextManager[None]:
        return torch.no_grad()

    def on_enter(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...]], Any]) -> Handle:
        with _hookable(layer):
            return layer.register_forward_pre_hook(entering(fn), with_kwargs=True)

    def on_exit(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...], Any], Any]) -> Handle:
        with _hookable(layer):
            return layer.register_forward_hook(leaving(fn), with_kwargs=True)

    def on_grad(self, t: Tensor, fn: Callable[[Tensor], Tensor | None]) -> Handle:
        if not t.requires_grad:
            raise NoGradientError("This tensor takes no gradient.", "Run the network through model.gradient.")
        return t.register_hook(fn)

    def with_vjp(
        self,
        value: Tensor,
        inputs: Sequence[Tensor],
        vjp: Callable[[Tensor], Sequence[Tensor | None]],
        own: bool = False,
    ) -> Tensor:
        return _WithVJP.apply(value.detach() if own else value.detach().clone(), vjp, *inputs)

    @contextmanager
    def twice_differentiable(self) -> Iterator[None]:
        # Torch 2.13 lacks the second derivatives of hardsigmoid and of its kernels of a whole attention.
        def hardsigmoid(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
            return functional.relu6(inputs[0] + 3) / 6

        with self.intercept({"hardsigmoid": hardsigmoid}), sdpa_kernel(SDPBackend.MATH):
            yield

    def intercept(self, rules: Rules) -> AbstractContextManager[None]:
        from .torch_interception import intercept

        return intercept(rules)


class _WithVJP(torch.autograd.Function):
    """A value that carries a gradient rule of its own."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, vjp: Callable[[Tensor], Sequence[Tensor | None]], *inputs: Tensor) -> Tensor:
        ctx.vjp = vjp
        # An input that comes out again would be a view, which in-place operations refuse.
        return value.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.vjp(gradient)


def _all_axes(t: Tensor, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(t.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _layers(net: Net) -> list[Net]:
    return [layer for _, layer in walk(net, "_modules")]


# PyTorch's own walks over a network build every tensor's name: milliseconds of a single gradient.
def _parameters(modules: Sequence[Net]) -> list[Tensor]:
    return [t for module in modules for t in module._parameters.values() if t is not None]


def _buffers(modules: Sequence[Net]) -> list[Tensor]:
    return [t for module in modules for t in module._buffers.values() if t is not None]


@contextmanager
def _hookable(layer: Net) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of TorchScript
        raise LayerError(
            f"A {type(layer).__name__} is a compiled program, which calls no hooks.",
            "Wrap the network that it was made from.",
        ) from error


def _evaluate(net: Net) -> None:
    try:
        net.eval()
    except NotImplementedError as error:  # of torch.export
        raise ModelError(
            "This exported program cannot be set to evaluation mode.",
            "Wrap the network that it was made from, or export that in evaluation mode and set "
            "training = False on every module of the program.",
        ) from error


def _restore(modes: list[tuple[Net, bool]], flags: list[tuple[Tensor, bool]]) -> None:
    for module, mode in modes:
        if module.training != mode:
            module.training = mode
    for parameter, trainable in flags:
        if parameter.requires_grad != trainable:
            parameter.requires_grad_(trainable)


def _state_tensors(net: Net) -> dict[str, Tensor]:
    # Paddle's batch norm does not count batches, and no method reads the count.
    return {
        name: t
        for name, t in net.state_dict(keep_vars=True).items()
        if isinstance(t, torch.Tensor) and not name.endswith("num_batches_tracked")
    }


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its wheel was built for CUDA and PyTorch for the CPU.

    Such a torchvision fails on import because its compiled operators (``nms`` and others) are not registered.
    Declaring them is enough for everything that does not call them: models, transforms, data sets.

    Raises
    ------
    MissingPackageError
        If torchvision is not installed.
    """
    for _ in range(8):
        try:
            return importlib.import_module("torchvision")
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "The package 'torchvision' is not installed.", "Install it with: pip install torchvision."
            ) from error
        except RuntimeError as error:
            operator = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if operator is None:
                raise
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{operator[1]}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _KEPT_OPERATORS.append(library)  # the definition lives only as long as this object
    raise MissingPackageError(
        "torchvision and torch do not fit together.", "Install the two versions that belong together (see README)."
    )
