"""What a framework must offer so that every explanation method is written once.

All tensors are the framework's own: a method calls these operations and Python's operators, and never learns
which framework it runs on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from ..errors import LayerError, ModelError

Tensor: TypeAlias = Any
"""A ``torch.Tensor`` or a ``paddle.Tensor``."""

Net: TypeAlias = Any
"""A ``torch.nn.Module`` or a ``paddle.nn.Layer``: a whole network or one layer of it."""

Array: TypeAlias = npt.NDArray[Any]
Axis: TypeAlias = int | tuple[int, ...] | None
"""One axis or several; None and the empty tuple mean all."""


class Handle(Protocol):
    """What a hook leaves behind: a way to take it off again. Removing twice is allowed."""

    def remove(self) -> None: ...


class Optimizer(Protocol):
    """Adam on all trainable parameters of one network.

    Attributes
    ----------
    learning_rate : float
        May be changed between steps.
    """

    learning_rate: float

    def step(self, loss: Tensor) -> None:
        """Differentiate the scalar loss, update the parameters, forget the gradients."""

    def state(self) -> dict[str, Array]:
        """Moments and step count under canonical parameter names, enough to resume exactly."""

    def load_state(self, state: Mapping[str, Array]) -> None: ...


class OperationRule(Protocol):
    """A replacement for one operation wherever the network calls it, see `Backend.intercept`."""

    def __call__(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Return the operation's output; ``call(*inputs)`` computes the original one, with its own gradient."""


@dataclass(frozen=True)
class SameOutput:
    """A rule that returns the very output of ``call(*inputs)``, with its gradient changed by `Backend.on_grad` at most.

    Where a network computes in place, ``call`` may then do so too, which spares copies.

    Attributes
    ----------
    rule : OperationRule
    """

    rule: OperationRule


Rules: TypeAlias = Mapping[str, OperationRule | SameOutput]


class Backend(ABC):
    """One framework behind the calls that the methods use.

    Attributes
    ----------
    name : str
        ``"torch"`` or ``"paddle"``.
    version : str
        The framework's version.
    """

    name: str
    version: str

    # -- recognition -------------------------------------------------------------------------------------------

    @abstractmethod
    def check_mode(self) -> None:
        """Raise `BackendError` if the framework is in a mode in which it computes nothing."""

    @abstractmethod
    def owns(self, thing: object) -> bool:
        """Whether `thing` is a tensor or a network of this framework."""

    @abstractmethod
    def is_tensor(self, thing: object) -> bool:
        """Whether `thing` is a tensor of this framework."""

    # -- devices -----------------------------------------------------------------------------------------------

    @abstractmethod
    def devices(self) -> list[str]:
        """Devices that work on this machine: ``"cpu"`` first, then ``"cuda:0"`` and so on."""

    @abstractmethod
    def device(self, net: Net) -> str:
        """Where the network's first parameter (or buffer) lives; ``"cpu"`` when it has none."""

    @abstractmethod
    def tensor_device(self, t: Tensor) -> str:
        """Where a tensor lives, ``"cpu"`` or ``"cuda:0"``."""

    @abstractmethod
    def to(self, net: Net, device: str) -> Net:
        """Move the network to a device, in place, and return it."""

    # -- tensors -----------------------------------------------------------------------------------------------

    @abstractmethod
    def asarray(self, x: Any, dtype: str | None = None, device: str | None = None) -> Tensor:
        """Copy a NumPy array or a native tensor into a new tensor without gradient."""

    @abstractmethod
    def numpy(self, t: Tensor) -> Array:
        """Copy a tensor's values to NumPy."""

    @abstractmethod
    def shape(self, t: Tensor) -> tuple[int, ...]: ...

    @abstractmethod
    def dtype(self, t: Tensor) -> str:
        """The tensor's element type as NumPy spells it, such as ``"float32"``."""

    @abstractmethod
    def detach(self, t: Tensor) -> Tensor: ...

    @abstractmethod
    def leaf(self, t: Tensor, copied: bool = True) -> Tensor:
        """A detached copy that gradients can be taken for; with ``copied=False`` it shares its memory with `t`."""

    @abstractmethod
    def takes_gradient(self, t: Tensor) -> bool:
        """Whether gradients can be taken for a tensor: it is a leaf, or depends on one."""

    @abstractmethod
    def writes(self, t: Tensor) -> int | None:
        """How often something has been computed in the tensor's place; None where the framework does not count."""

    @abstractmethod
    def sum(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...

    @abstractmethod
    def mean(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor: ...

    @abstractmethod
    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner product of two tensors (N, ...) per sample, shape (N,), without making their product."""

    @abstractmethod
    def amax(self, t: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Maximum; equal maxima share the gradient in equal parts on both frameworks."""

    @abstractmethod
    def clip(self, t: Tensor, low: float | None = None, high: float | None = None) -> Tensor: ...

    @abstractmethod
    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor: ...

    @abstractmethod
    def abs(self, t: Tensor) -> Tensor: ...

    @abstractmethod
    def sign(self, t: Tensor) -> Tensor: ...

    @abstractmethod
    def softmax(self, t: Tensor, axis: int) -> Tensor: ...

    @abstractmethod
    def log_softmax(self, t: Tensor, axis: int) -> Tensor: ...

    @abstractmethod
    def matmul(self, a: Tensor, b: Tensor) -> Tensor: ...

    @abstractmethod
    def reshape(self, t: Tensor, shape: Sequence[int]) -> Tensor: ...

    @abstractmethod
    def permute(self, t: Tensor, axes: Sequence[int]) -> Tensor: ...

    @abstractmethod
    def concat(self, tensors: Sequence[Tensor], axis: int = 0) -> Tensor: ...

    @abstractmethod
    def pick(self, t: Tensor, columns: npt.ArrayLike) -> Tensor:
        """Take one column (0 to C - 1) per row of an (N, C) tensor; returns shape (N,)."""

    @abstractmethod
    def resize(self, t: Tensor, size: tuple[int, int]) -> Tensor:
        """Bilinear resize of an (N, C, H, W) tensor, corners not aligned."""

    # -- networks ----------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def nn(self) -> Any:
        """The layer namespace that architectures written once are built from."""

    @abstractmethod
    def frozen(self, net: Net) -> AbstractContextManager[None]:
        """Evaluation mode, parameters without gradient; every flag comes back as it was, also after an exception."""

    @abstractmethod
    def training(self, net: Net) -> AbstractContextManager[None]:
        """Training mode; every mode flag comes back as it was."""

    @abstractmethod
    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """The framework's own random numbers (dropout) drawn from `seed`; the global state comes back."""

    @abstractmethod
    def optimizer(self, net: Net, learning_rate: float, weight_decay: float = 0.0) -> Optimizer: ...

    @abstractmethod
    def modules(self, net: Net) -> dict[str, Net]:
        """Every layer by its dotted name, in definition order; the network itself under ``""``."""

    @abstractmethod
    def kind(self, layer: Net) -> str:
        """What a layer is, in one vocabulary for both frameworks: ``"conv2d"``, ``"relu"``, ``"linear"``, ..."""

    @abstractmethod
    def state(self, net: Net) -> dict[str, Array]:
        """Parameters and buffers under torch's names and in torch's layout, as NumPy copies."""

    @abstractmethod
    def parameter_names(self, net: Net) -> set[str]:
        """Which entries of `state` are trained (running statistics and other buffers are not)."""

    @abstractmethod
    def parameters(self, net: Net) -> Iterator[Tensor]:
        """The network's parameters; no more of the network is looked at than is asked for."""

    @abstractmethod
    def weight_sums(self, net: Net) -> Array:
        """The sum of each floating-point parameter and buffer: it shows NaN and infinity without a copy of them."""

    def network_version(self, net: Net) -> tuple[int, ...] | None:
        """Something that is equal for as long as the network has the same layers and the framework has not changed a
        weight or buffer; None where it does not count.

        Changes behind the framework's back (``weight.data``, memory shared with NumPy) are not seen.
        """
        return None

    @abstractmethod
    def uses_batch_statistics(self, layer: Net) -> bool:
        """Whether a layer's result for one sample depends on the others beside it, in evaluation mode too."""

    def has_channels_last(self, layer: Net) -> bool:
        """Whether a layer of pictures is built to have their channels on the last axis (NHWC)."""
        return False

    @abstractmethod
    def load(self, net: Net, state: Mapping[str, npt.ArrayLike]) -> None:
        """Copy a canonical state into the network: all names and shapes must match, or nothing is changed."""

    @abstractmethod
    def converted(self, net: Net, dtype: str) -> Net:
        """A deep copy of the network in another floating-point type; the original is not touched."""

    @abstractmethod
    def streamlined(self, net: Net, x: Tensor, evaluations: int) -> Net | None:
        """A copy of a network in evaluation mode that computes the same in less time, for so many inputs like `x`.

        None where the framework knows no faster way. The caller compares the scores of both.
        """

    def arrangement(self, net: Net, x: Tensor) -> Callable[[Tensor], Tensor] | None:
        """Copies a batch like `x` into the order in memory in which the network computes it in less time.

        None where the framework knows no better one. The caller compares the scores of both.
        """
        return None

    @abstractmethod
    def rough(self, net: Net, x: Tensor, precision: str) -> Net:
        """The network itself, computing in ``"bfloat16"``; `DeviceError` where that is not to be had."""

    # -- autograd ----------------------------------------------------------------------------------------------

    @abstractmethod
    def grad(
        self,
        outputs: Tensor,
        inputs: Sequence[Tensor],
        seeds: Tensor | None = None,
        create_graph: bool = False,
    ) -> tuple[Tensor, ...]:
        """Gradients of ``sum(outputs * seeds)``; no ``.grad`` field is touched.

        `outputs` is a scalar unless `seeds`, of the same shape, are given. Raises `NoGradientError` when an input is
        not reached.
        """

    def twice_differentiable(self) -> AbstractContextManager[None]:
        """Run the network, and both gradients, where ``grad(..., create_graph=True)`` is differentiated again.

        What the framework itself cannot differentiate twice is made of other operations inside, as far as the backend
        knows how. The rest refuse.
        """
        return nullcontext()

    @abstractmethod
    def no_grad(self) -> AbstractContextManager[None]: ...

    @abstractmethod
    def on_enter(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...]], Any]) -> Handle:
        """Call ``fn(layer, inputs)`` before the layer runs; what it returns, unless None, replaces the inputs.

        Inputs that all come by keyword, as in ``norm(input=x)``, are handed over in the order in which they are
        written. Paddle below 3.3 may not show them: there they are an empty tuple.
        """

    @abstractmethod
    def on_exit(self, layer: Net, fn: Callable[[Net, tuple[Tensor, ...], Any], Any]) -> Handle:
        """Call ``fn(layer, inputs, output)`` after the layer ran; what it returns, unless None, replaces the output.

        The inputs are those of `on_enter`.
        """

    @abstractmethod
    def on_grad(self, t: Tensor, fn: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call ``fn(gradient)`` when the gradient of a non-leaf tensor is ready; a returned tensor replaces it.

        Raises `NoGradientError` when the tensor takes no gradient.
        """

    @abstractmethod
    def with_vjp(
        self,
        value: Tensor,
        inputs: Sequence[Tensor],
        vjp: Callable[[Tensor], Sequence[Tensor | None]],
        own: bool = False,
    ) -> Tensor:
        """`value`, with ``vjp(gradient of value)`` as the gradients of `inputs`.

        The rule is a closed form: taking gradients inside it is not allowed (it crashes Paddle). With `own`, nobody
        else reads or keeps `value`, and it need not be copied; otherwise the network may write over the copy.
        """

    @abstractmethod
    def intercept(self, rules: Rules) -> AbstractContextManager[None]:
        """Run networks with other rules for the operations named, wherever they are called in the context.

        Keys: ``"relu"``, ``"relu6"``, ``"leaky_relu"``, ``"elu"``, ``"gelu"``, ``"silu"``, ``"sigmoid"``,
        ``"tanh"``, ``"hardswish"``, ``"hardsigmoid"``, ``"softplus"``, ``"softmax"``, ``"max_pool2d"``,
        ``"avg_pool2d"``, ``"adaptive_avg_pool2d"``, ``"linear"``, ``"conv2d"``. A rule sees the operation whether
        it is called as a layer, as a function, in place, or by a reused layer.
        """


def entering(fn: Callable[[Net, tuple[Any, ...]], Any]) -> Callable[..., Any]:
    """A function for `Backend.on_enter` in the form of a hook that sees keywords, the same on both frameworks."""

    def hook(layer: Net, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        replaced = fn(layer, inputs or tuple(keywords.values()))
        if replaced is None:
            return None
        replaced = replaced if isinstance(replaced, tuple) else (replaced,)
        if inputs or not keywords:
            return replaced, keywords
        if len(replaced) != len(keywords):
            raise LayerError(
                f"A hook returns {len(replaced)} inputs for a layer that is called by the keywords "
                f"{', '.join(keywords)}.",
                "Return as many as the hook receives.",
            )
        return (), dict(zip(keywords, replaced, strict=True))

    return hook


def leaving(fn: Callable[[Net, tuple[Any, ...], Any], Any]) -> Callable[..., Any]:
    """The same for `Backend.on_exit`."""
    return lambda layer, inputs, keywords, output: fn(layer, inputs or tuple(keywords.values()), output)


def overwritten(error: RuntimeError) -> ModelError | None:
    """What a framework's complaint about a gradient means, if it is that an operation in place destroyed a value."""
    if "modified by an inplace operation" not in str(error):
        return None
    return ModelError(
        "The network overwrites, by an operation in place, numbers that its gradient needs.",
        "Write it out of place: x * 2 for x.mul_(2) or x.scale_(2), x + y for x += y, inplace=False.",
    )


def check_seeds(shape: tuple[int, ...], seeds: tuple[int, ...] | None) -> None:
    """Make sure that what is differentiated is a scalar, or that there is one seed per element.

    Raises
    ------
    ValueError
        Otherwise: Paddle would silently read past the end of seeds that are too few.
    """
    if seeds is None and math.prod(shape) != 1:
        raise ValueError(f"outputs of shape {shape} are not a scalar: give seeds")
    if seeds is not None and seeds != shape:
        raise ValueError(f"seeds of shape {seeds} do not fit outputs of shape {shape}")
