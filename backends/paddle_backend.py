"""PaddlePaddle (2.6 to 3.3) behind the protocol."""

from __future__ import annotations

import copy
import inspect
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BackendError, DeviceError, NoGradientError
from .kinds import kind_of
from .paddle_gradients import right_gradients
from .paddle_import import import_paddle
from .paddle_names import RUNNING, torch_name
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

paddle = import_paddle()

# Hooks on layers of older versions (2.6 to 3.2, or so) are told nothing of keyword inputs.
_PRE_SHOWS_KEYWORDS, _POST_SHOWS_KEYWORDS = (
    "with_kwargs" in inspect.signature(register).parameters
    for register in (paddle.nn.Layer.register_forward_pre_hook, paddle.nn.Layer.register_forward_post_hook)
)

_RECURRENT = (paddle.nn.LSTM, paddle.nn.GRU, paddle.nn.SimpleRNN)

# Paddle reports an exception in a gradient hook as an OSError without text; the original waits here.
_HOOK_ERRORS: list[BaseException] = []

# ``paddle.grad`` keeps its state in one place for the whole process: two threads in it crash Python.
_ONE_AT_A_TIME = threading.RLock()


class PaddleBackend(Backend):
    """The protocol on ``paddle.Tensor`` and ``paddle.nn.Layer``."""

    name = "paddle"
    version = paddle.__version__

    # -- recognition -------------------------------------------------------------------------------------------

    def owns(self, thing: object) -> bool:
        return isinstance(thing, (paddle.Tensor, paddle.nn.Layer))

    def is_tensor(self, thing: object) -> bool:
        return isinstance(thing, paddle.Tensor)

    def check_mode(self) -> None:
        if not paddle.in_dynamic_mode():
            raise BackendError("Paddle is in static mode.", "Call paddle.disable_static() first.")

    # -- devices -----------------------------------------------------------------------------------------------

    def devices(self) -> list[str]:
        count = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
        return ["cpu", *(f"cuda:{index}" for index in range(count))]

    def device(self, net: Net) -> str:
        first = next(chain(self.parameters(net), (t for _, t in net.named_buffers())), None)
        return "cpu" if first is None else self.tensor_device(first)

    def tensor_device(self, t: Tensor) -> str:
        return f"cuda:{t.place.gpu_device_id()}" if t.place.is_gpu_place() else "cpu"

    def to(self, net: Net, device: str) -> Net:
        if device not in self.devices():
            raise DeviceError(f"Paddle has no device '{device}' here.", f"Choose one of: {', '.join(self.devices())}.")
        if self.devices() == ["cpu"]:
            return net  # nowhere else to be, and Paddle fails on the buffer without memory of a recurrent layer
        return net.to(device=device.replace("cuda", "gpu"))

    # -- tensors -----------------------------------------------------------------------------------------------

    def asarray(self, x: Any, dtype: str | None = None, device: str | None = None) -> Tensor:
        self.check_mode()
        if isinstance(x, paddle.Tensor):
            copied = x.detach().clone() if dtype is None else x.detach().clone().astype(dtype)
            return copied if device is None else copied._copy_to(_place(device), True)
        array = np.asarray(x, dtype=dtype)
        native = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
        return paddle.to_tensor(native, place=_place(device or "cpu"))

    def numpy(self, t: Tensor) -> Array:
        self.check_mode()
        t = t.detach()
        return np.array((t.astype("float32") if t.dtype == paddle.bfloat16 else t).numpy())

    def shape(self, t: Tensor) -> tuple[int, ...]:
        return tuple(t.shape)

    def dtype(self, t: Tensor) -> str:
        return str(t.dtype).removeprefix("paddle.")

    def detach(self, t: Tensor) -> Tensor:
        return t.detach()

    def leaf(self, t: Tensor, copied: bool = True) -> Tensor:
        detached = t.detach().clone() if copied else t.detach()
        detached.stop_gradient = False
        return detached

    def takes_gradient(self, t: Tensor) -> bool:
        return not t.stop_gradient

    def writes(self, t: Tensor) -> int:
        return int(t.inplace_version)

    def sum(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return paddle.sum(t, axis=axis, keepdim=keepdims)

    def mean(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return paddle.mean(t, axis=axis, keepdim=keepdims)

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        # Short rows: one long sum in single precision would lose digits.
        rows = math.prod(a.shape[:-2]) if a.ndim > 3 else a.shape[0]
        products = paddle.matmul(a.reshape((rows, 1, -1)), b.reshape((rows, -1, 1)))
        return products.reshape((a.shape[0], -1)).sum(axis=1)

    def amax(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        if t.size == 0:
            raise ValueError("amax of no elements")  # Paddle would return whatever the memory holds
        return paddle.amax(t, axis=axis, keepdim=keepdims)

    def clip(self, t: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
        # Paddle 2.6 stops the gradient of elements that equal a bound.
        for bound, beyond in ((low, paddle.less_than), (high, paddle.greater_than)):
            if bound is not None:
                limit = paddle.full_like(t, bound)
                t = paddle.where(beyond(t, limit), limit, t)
        return t

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return paddle.where(condition, a, b)

    def abs(self, t: Tensor) -> Tensor:
        return paddle.abs(t)

    def sign(self, t: Tensor) -> Tensor:
        return paddle.sign(t)

    def softmax(self, t: Tensor, axis: int) -> Tensor:
        powers = paddle.exp(t - _peak(t, axis))
        return powers / paddle.sum(powers, axis=axis, keepdim=True)

    def log_softmax(self, t: Tensor, axis: int) -> Tensor:
        shifted = t - _peak(t, axis)
        return shifted - paddle.log(paddle.sum(paddle.exp(shifted), axis=axis, keepdim=True))

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return paddle.matmul(a, b)

    def reshape(self, t: Tensor, shape: Sequence[int]) -> Tensor:
        return paddle.reshape(t, list(shape))

    def permute(self, t: Tensor, axes: Sequence[int]) -> Tensor:
        return paddle.transpose(t, list(axes))

    def concat(self, tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
        return paddle.concat(list(tensors), axis=axis)

    def pick(self, t: Tensor, columns: npt.ArrayLike) -> Tensor:
        index = np.asarray(columns, dtype=np.int64).reshape(-1, 1)
        if ((index < 0) | (index >= t.shape[1])).any():
            raise IndexError(f"columns count from 0 to {t.shape[1] - 1}")  # Paddle itself may read elsewhere
        return paddle.squeeze(paddle.take_along_axis(t, paddle.to_tensor(index, place=t.place), axis=1), axis=1)

    def resize(self, t: Tensor, size: tuple[int, int]) -> Tensor:
        # Towards a single row or column Paddle takes the first one; bilinear means the middle.
        for axis, length in zip((2, 3), size, strict=True):
            if length == 1:
                n = t.shape[axis]
                t = paddle.mean(paddle.slice(t, [axis], [(n - 1) // 2], [n // 2 + 1]), axis=axis, keepdim=True)
        return paddle.nn.functional.interpolate(t, size=list(size), mode="bilinear", align_corners=False)

    # -- networks ----------------------------------------------------------------------------------------------

    @property
    def nn(self) -> Any:
        from .paddle_layers import namespace

        return namespace

    @contextmanager
    def frozen(self, net: Net) -> Iterator[None]:
        modes = _modes(net)
        flags = [(t, t.stop_gradient) for t in _tensors(layer._parameters for layer, _ in modes)]
        try:
            if any(mode for _, mode in modes):
                net.eval()
            for parameter, stopped in flags:
                if not stopped:
                    parameter.stop_gradient = True
            with right_gradients():
                yield
        finally:
            _restore(modes, flags)

    @contextmanager
    def training(self, net: Net) -> Iterator[None]:
        modes = _modes(net)
        try:
            net.train()
            yield
        finally:
            _restore(modes, [])

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        states = paddle.get_rng_state()
        try:
            paddle.seed(seed)
            yield
        finally:
            paddle.set_rng_state(states)

    def optimizer(self, net: Net, learning_rate: float, weight_decay: float = 0.0) -> Optimizer:
        from .paddle_training import Adam

        return Adam(net, learning_rate, weight_decay)

    def modules(self, net: Net) -> dict[str, Net]:
        layers = dict(walk(net, "_sub_layers"))
        # The cells inside a recurrent layer never run, and torch has none.
        outer = tuple(f"{name}." if name else "" for name, layer in layers.items() if isinstance(layer, _RECURRENT))
        return {name: layer for name, layer in layers.items() if name in outer or not name.startswith(outer)}

    def kind(self, layer: Net) -> str:
        return kind_of(layer, "paddle")

    def state(self, net: Net) -> dict[str, Array]:
        return {
            name: np.ascontiguousarray(self.numpy(t).T) if transposed else self.numpy(t)
            for name, (t, transposed) in canonical_tensors(net).items()
        }

    def parameter_names(self, net: Net) -> set[str]:
        trained = {id(parameter) for parameter in net.parameters()}
        return {
            name
            for name, (t, _) in canonical_tensors(net).items()
            if id(t) in trained and name.rpartition(".")[2] not in RUNNING
        }

    def parameters(self, net: Net) -> Iterator[Tensor]:
        return walk_parameters(net, "_sub_layers")

    def weight_sums(self, net: Net) -> Array:
        self.check_mode()
        layers = [layer for _, layer in walk(net, "_sub_layers")]
        tensors = _tensors(holder for layer in layers for holder in (layer._parameters, layer._buffers))
        with paddle.no_grad():
            # Recurrent layers of Paddle 2.6 hold a buffer without memory, which has no sum.
            sums = [t.sum() for t in tensors if t._is_initialized() and t.is_floating_point()]
            # All at once: to copy each out by itself takes as long as to add up the weights of a ResNet-18.
            same = [t if t.dtype == paddle.float32 else t.astype("float32") for t in sums]
            return self.numpy(paddle.stack(same)) if same else np.zeros(0)

    def uses_batch_statistics(self, layer: Net) -> bool:
        if isinstance(layer, paddle.nn.BatchNorm):
            return layer._trainable_statistics and not layer._use_global_stats
        return isinstance(layer, paddle.nn.layer.norm._BatchNormBase) and layer._use_global_stats is False

    def has_channels_last(self, layer: Net) -> bool:
        layouts = [getattr(layer, name, None) for name in ("_data_format", "data_format", "_data_layout")]
        return any(layout in {"NLC", "NHWC", "NDHWC"} for layout in layouts)

    def load(self, net: Net, state: Mapping[str, npt.ArrayLike]) -> None:
        tensors = canonical_tensors(net)
        shapes = {
            name: tuple(t.shape)[::-1] if transposed else tuple(t.shape) for name, (t, transposed) in tensors.items()
        }
        arrays = check_state(shapes, state)
        check_shared({name: t for name, (t, _) in tensors.items()}, arrays)
        with paddle.no_grad():
            for name, (t, transposed) in tensors.items():
                array = arrays[name].T if transposed else arrays[name]
                t.set_value(np.array(array, dtype=self.dtype(t), order="C"))

    def converted(self, net: Net, dtype: str) -> Net:
        copied = copy.deepcopy(net)
        for layer in copied.sublayers(include_self=True):
            # Recurrent layers of Paddle 2.6 hold a buffer without memory, which cannot be converted.
            empty = {name: t for name, t in layer._buffers.items() if t is not None and not t._is_initialized()}
            for name in empty:
                del layer._buffers[name]
            # Layer.to would turn buffers of integers (positions, indices) into floats.
            layer._to_impl(dtype=dtype, floating_only=True, include_sublayers=False)
            layer._buffers.update(empty)
            if isinstance(layer, paddle.nn.RNNCellBase):
                layer.get_initial_states = partial(_converted_states, layer.get_initial_states, dtype)
            if dtype == "float64" and _averages_all(layer):
                # Paddle multiplies that gradient by 1/area in float32: 2e-8 off, too much for an arbiter.
                layer.forward = partial(paddle.mean, axis=[2, 3], keepdim=True)
        return copied

    def streamlined(self, net: Net, x: Tensor, evaluations: int) -> Net | None:
        # Folded batch norms and other layouts make Paddle slower.
        return None

    def rough(self, net: Net, x: Tensor, precision: str) -> Net:
        # Paddle's reduced precision does nothing on a processor.
        raise DeviceError(f"Paddle has no {precision} on this machine.", "Leave precision out, or use torch.")

    # -- autograd ----------------------------------------------------------------------------------------------

    def grad(
        self,
        outputs: Tensor,
        inputs: Sequence[Tensor],
        seeds: Tensor | None = None,
        create_graph: bool = False,
    ) -> tuple[Tensor, ...]:
        if outputs.stop_gradient or any(t.stop_gradient for t in inputs):
            raise NoGradientError(
                "The score has no gradient: the network cuts the graph between its input and its output.",
                "Look in forward or around this call for paddle.no_grad(), .detach(), .numpy(), argmax or recompute.",
            )
        check_seeds(self.shape(outputs), None if seeds is None else self.shape(seeds))
        # After an error in a part that is computed again, Paddle would leave gradients switched off.
        with _ONE_AT_A_TIME, paddle.set_grad_enabled(paddle.is_grad_enabled()):
            _HOOK_ERRORS.clear()
            try:
                gradients = paddle.grad(
                    outputs,
                    list(inputs),
                    grad_outputs=None if seeds is None else [seeds],
                    create_graph=create_graph,
                    allow_unused=True,
                )
            except RuntimeError as error:
                if (known := overwritten(error)) is None:
                    raise
                raise known from error
            except OSError as error:
                if _HOOK_ERRORS:
                    raise _HOOK_ERRORS.pop() from None
                if "recompute" not in str(error):
                    raise
                raise NoGradientError(
                    "The network computes parts of itself again on the way back (recompute), without what this method "
                    "changes in them.",
                    "Call these parts in its forward as they are: recompute only saves memory.",
                ) from error
        if any(gradient is None for gradient in gradients):
            raise NoGradientError(
                "No gradient arrives: the score does not depend on what it is differentiated by.",
                "Check that the layer lies on the way from the input to this output, outside of checkpoint() and "
                "recompute().",
            )
        return tuple(gradients)

    def no_grad(self) -> AbstractContextManager[None]:
        self.check_mode()
        return paddle.no_grad()

    def on_enter(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...]], Any]) -> Handle:
        if not _PRE_SHOWS_KEYWORDS:
            return layer.register_forward_pre_hook(fn)
        return layer.register_forward_pre_hook(entering(fn), with_kwargs=True)

    def on_exit(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...], Any], Any]) -> Handle:
        if not _POST_SHOWS_KEYWORDS:
            return layer.register_forward_post_hook(fn)
        return layer.register_forward_post_hook(leaving(fn), with_kwargs=True)

    def on_grad(self, t: Tensor, fn: Callable[[Tensor], Tensor | None]) -> Handle:
        if t.stop_gradient:
            raise NoGradientError("This tensor takes no gradient.", "Run the network through model.gradient.")
        return _TensorHook(t.register_hook(_remembering_errors(fn)))

    def with_vjp(
        self,
        value: Tensor,
        inputs: Sequence[Tensor],
        vjp: Callable[[Tensor], Sequence[Tensor | None]],
        own: bool = False,
    ) -> Tensor:
        shapes = [self.shape(t) for t in inputs]

        @_remembering_errors
        def checked(gradient: Tensor) -> list[Tensor | None]:
            gradients = list(vjp(gradient))
            found = [shape if g is None else self.shape(g) for g, shape in zip(gradients, shapes, strict=True)]
            if found != shapes:
                raise ValueError(f"the rule returns gradients of shapes {found} for inputs of shapes {shapes}")
            return gradients

        return _WithVJP.apply(value.detach(), checked, *inputs)

    def twice_differentiable(self) -> AbstractContextManager[None]:
        if paddle.__version__.startswith("2."):
            raise BackendError(
                f"Paddle {paddle.__version__} differentiates too few operations twice.",
                "Install Paddle 3, or explain the same network in PyTorch: twinlens.twin(model).",
            )
        from .paddle_second_derivatives import twice_differentiable

        return twice_differentiable()

    def intercept(self, rules: Rules) -> AbstractContextManager[None]:
        from .paddle_interception import intercept

        return intercept(rules)


class _TensorHook:
    """A hook on a tensor; Paddle itself warns when it is removed twice."""

    def __init__(self, helper: Any) -> None:
        self._helper = helper

    def remove(self) -> None:
        if self._helper is not None:
            self._helper.remove()
        self._helper = None


class _WithVJP(paddle.autograd.PyLayer):  # type: ignore[name-defined]
    """A value that carries a gradient rule of its own."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, vjp: Callable[[Tensor], Sequence[Tensor | None]], *inputs: Tensor) -> Tensor:
        ctx.vjp = vjp
        ctx.wanted = [not t.stop_gradient for t in inputs]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.vjp(gradient)
        # Paddle wants None for every tensor that takes no gradient, the value among them.
        return None, *(g if wanted else None for g, wanted in zip(gradients, ctx.wanted, strict=True))


def canonical_tensors(net: Net, prefix: str = "") -> dict[str, tuple[Tensor, bool]]:
    """Parameters and persistent buffers by torch's names, each with whether Paddle stores it transposed."""
    found: dict[str, tuple[Tensor, bool]] = {}
    kind = kind_of(net, "paddle")
    passing = net._non_persistable_buffer_names_set
    own = [*net._parameters.items(), *((k, t) for k, t in net._buffers.items() if k not in passing)]
    for name, t in own:
        if t is None:
            continue
        canonical, transposed = torch_name(kind, name)
        found[prefix + canonical] = (t, transposed)
    # A recurrent layer lists its cells' weights a second time under the cells.
    if not isinstance(net, _RECURRENT):
        for name, layer in net._sub_layers.items():
            if layer is not None:
                found.update(canonical_tensors(layer, f"{prefix}{name}."))
    return found


def _converted_states(states: Callable[..., Any], dtype: str, *args: Any, **kwargs: Any) -> Any:
    """The states that a cell begins with, which Paddle makes of its default type whatever the weights are of."""

    def convert(t: Tensor) -> Tensor:
        return t.astype(dtype) if t.is_floating_point() else t

    return paddle.utils.map_structure(convert, states(*args, **kwargs))


def _averages_all(layer: Net) -> bool:
    return isinstance(layer, paddle.nn.AdaptiveAvgPool2D) and list(np.ravel(layer._output_size)) in ([1], [1, 1])


def _remembering_errors(fn: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    def call(gradient: Tensor) -> Any:
        try:
            return fn(gradient)
        except BaseException as error:
            _HOOK_ERRORS.append(error)
            raise

    return call


def _peak(t: Tensor, axis: int) -> Tensor:
    # Paddle's own softmax and log_softmax take every score that is more than 64 below the highest to be 64 below.
    return paddle.amax(t.detach(), axis=axis, keepdim=True)


def _place(device: str) -> Any:
    return paddle.CPUPlace() if device == "cpu" else paddle.CUDAPlace(int(device.partition(":")[2] or 0))


def _modes(net: Net) -> list[tuple[Net, bool]]:
    return [(layer, layer.training) for _, layer in walk(net, "_sub_layers")]


def _tensors(holders: Iterable[Mapping[str, Tensor | None]]) -> list[Tensor]:
    # Paddle's own walks over a network build every tensor's name: milliseconds of a single gradient.
    return [t for holder in holders for t in holder.values() if t is not None]


def _restore(modes: list[tuple[Net, bool]], flags: list[tuple[Tensor, bool]]) -> None:
    for layer, mode in modes:
        if layer.training != mode:
            layer.training = mode
    for parameter, stopped in flags:
        if parameter.stop_gradient != stopped:
            parameter.stop_gradient = stopped
