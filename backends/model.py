"""A network together with its backend: what methods and users hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import (
    BackendError,
    InputError,
    LayerError,
    ModelError,
    NoGradientError,
    NonFiniteError,
    TargetError,
    suggest,
)
from .capture import Capture
from .chunks import BatchSize, SampleBytes, chunk_size, chunks, joined
from .copies import converted
from .failures import in_one_line, raised_by
from .finite import all_finite
from .inputs import checked_input
from .layer_outputs import check_apart, check_real, no_tensor
from .layer_table import LayerInfo, layer_table
from .objective import Of, Target, check_of, class_targets, objective, whole_numbers
from .protocol import Array, Backend, Handle, Net, Tensor
from .quick import arranged, as_it_lies, rough, streamlined, usual_order
from .registry import get_backend


class HookHandle:
    """Takes a hook off again: call ``remove()``, or use it as a context manager."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def remove(self) -> None:
        """Take the hook off; doing it twice is allowed."""
        self._handle.remove()

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Model:
    """A network of either framework behind calls that are the same for both.

    Made by `wrap`. Arrays come in and go out as NumPy; native tensors are accepted too. Every call runs in evaluation
    mode and leaves modes, flags, hooks and ``.grad`` fields as they were, also after an exception.

    Attributes
    ----------
    net : torch.nn.Module or paddle.nn.Layer
        The user's network itself.
    backend : Backend
    labels : list of str or None
        Names of the outputs.
    input_shape : tuple of int or None
        Shape of one sample, where it is known.
    origin : dict
        The arguments that `load_model` built the network with, so that it can be built again; empty for others.
    """

    def __init__(
        self,
        net: Net,
        backend: Backend,
        preprocess: Callable[[Tensor], Tensor] | None = None,
        labels: Sequence[str] | None = None,
        output: Callable[[Any], Tensor] | None = None,
        input_shape: tuple[int, ...] | None = None,
        name: str | None = None,
    ) -> None:
        self.net = net
        self.backend = backend
        self.preprocess = preprocess
        self.labels = None if labels is None else list(labels)
        self.output = output
        self.input_shape = input_shape
        self.name = name or type(net).__name__
        self.origin: dict[str, Any] = {}
        self.sample_bytes: dict[tuple[int, ...], SampleBytes] = {}
        self.sound_version: tuple[int, ...] | None = None
        self.measuring = False
        self.arrange: Callable[[Tensor], Tensor] = as_it_lies
        self.arrangements: dict[tuple[Any, ...], bool] = {}
        self.unmixed: set[tuple[Any, ...]] = set()
        self.unmixed_version: tuple[Any, ...] | None = None
        self.apart: set[tuple[Any, ...]] = set()
        self.sample_first: set[tuple[Any, ...]] = set()

    def __repr__(self) -> str:
        return f"Model({self.name}, backend={self.backend.name!r}, dtype={self.dtype!r}, device={self.device!r})"

    @property
    def dtype(self) -> str:
        """Floating-point type of the first parameter, which inputs are converted to; ``"float32"`` without any."""
        self.backend.check_mode()
        for t in self.backend.parameters(self.net):
            if "float" in self.backend.dtype(t):
                return self.backend.dtype(t)
        return "float32"

    @property
    def device(self) -> str:
        """Where the network lives: ``"cpu"`` or ``"cuda:0"``."""
        return self.backend.device(self.net)

    # -- scores and gradients ----------------------------------------------------------------------------------

    def forward(self, x: Any, batch_size: BatchSize = "auto") -> Array:
        """Scores as the network returns them (usually logits), without gradient, in evaluation mode.

        Parameters
        ----------
        x : array or native tensor (N, ...)
        batch_size : int or "auto"
            How many samples run at once.

        Returns
        -------
        ndarray (N, classes)
        """
        x = self.check_input(x)
        size = chunk_size(self, x.shape[1:], len(x), batch_size, held=1)
        with self.backend.frozen(self.net), self.backend.no_grad():
            scores = [self.backend.numpy(self.scores(self.tensor(x[part]))) for part in chunks(len(x), size)]
        return joined(scores)

    def probabilities(self, x: Any, batch_size: BatchSize = "auto") -> Array:
        """Softmax of the scores: rows sum to 1."""
        scores = self._class_scores(x, batch_size)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def predict(self, x: Any, batch_size: BatchSize = "auto") -> npt.NDArray[np.int64]:
        """Number of the class with the highest score, per sample."""
        return np.argmax(self._class_scores(x, batch_size), axis=1)

    def _class_scores(self, x: Any, batch_size: BatchSize) -> Array:
        scores = self.forward(x, batch_size)
        if scores.ndim != 2:
            raise ModelError(f"Scores of shape {scores.shape} are not class scores.", "Pass output= to wrap.")
        _check_finite(scores, "scores")
        return scores

    def gradient(self, x: Any, target: Target = None, of: Of = "logit", batch_size: BatchSize = "auto") -> Array:
        """Gradient of each sample's score with respect to that sample.

        Parameters
        ----------
        x : array or native tensor (N, ...)
        target : int, list of int, None or callable
            Class per sample; None for the predicted class; a callable gets the native scores (N, classes) and
            returns one native number per sample, shape (N,); `of` does not apply to it.
        of : {"logit", "probability", "log_probability", "loss"}
            What is differentiated; ``"loss"`` is each sample's own cross entropy.
        batch_size : int or "auto"

        Returns
        -------
        ndarray, same shape as `x`
        """
        x = self.check_input(x)
        targets = per_sample(target, len(x))
        size = chunk_size(self, x.shape[1:], len(x), batch_size)
        parts = []
        with self.backend.frozen(self.net):
            for part in chunks(len(x), size):
                _, _, gradient = self.score_gradient(self.tensor(x[part]), targets(part), of)
                parts.append(self.backend.numpy(gradient))
        gradients = joined(parts)
        _check_finite(gradients, "gradients")
        return gradients

    def score_gradient(self, x: Tensor, target: Target = None, of: Of = "logit") -> tuple[Tensor, Tensor, Tensor]:
        """Scores (N, classes), the explained number per sample (N,), and its gradient, all native.

        The building block of every gradient method. Call it inside ``model.backend.frozen(model.net)``, with a native
        input that fits in memory.
        """
        # The network gets a copy of it, see `arrange`.
        leaf = self.backend.leaf(x, copied=False)
        scores = self.scores(leaf)
        values = self.explained(scores, target, of)
        (gradient,) = self.backend.grad(self.backend.sum(values), [leaf])
        return scores, values, gradient

    def scores(self, x: Tensor) -> Tensor:
        """Run the network on a native input and check what it returns: native scores (N, ...)."""
        raw = self._run(x)
        scores = raw if self.output is None else self.output(raw)
        if not self.backend.is_tensor(scores):
            raise ModelError(
                f"The network returns a {type(scores).__name__}, not one tensor of scores.",
                "Say which part to use, such as twinlens.wrap(net, output=lambda out: out[0]).",
            )
        if "complex" in self.backend.dtype(scores):
            raise ModelError(
                f"The network returns {self.backend.dtype(scores)} numbers, which have no order.",
                "Make real scores of them, such as twinlens.wrap(net, output=lambda out: out.abs()).",
            )
        shape, samples = self.backend.shape(scores), self.backend.shape(x)[0]
        if not shape or shape[0] != samples:
            raise ModelError(
                f"The network returns scores of shape {shape} for {samples} samples.",
                "The first axis of the scores must be the samples.",
            )
        return self.backend.reshape(scores, (samples, 1)) if len(shape) == 1 else scores

    def _run(self, x: Tensor) -> Any:
        try:
            arranged = self.arrange(x)
            return self.net(arranged if self.preprocess is None else self.preprocess(arranged))
        except Exception as error:
            if not raised_by(error, self.backend.name):
                raise
            raise ModelError(
                f"The network fails on an input of shape {self.backend.shape(x)}: {in_one_line(error)}.",
                "Check the shape: pictures are (samples, channels, height, width).",
            ) from error

    def activation(self, x: Tensor, layer: str | Net) -> Tensor:
        """Run the network on a native input and return what one layer computes, native and with its gradient graph."""
        return self.activations(x, [layer])[1][0]

    def activations(self, x: Tensor, layers: Sequence[str | Net]) -> tuple[Tensor, list[Tensor]]:
        """Run the network once on a native input: its scores, and what the layers compute, native and with their graph.

        The scores depend on the activations: ``backend.grad(backend.sum(explained), activations)`` works when `x` is a
        leaf (``backend.leaf``).

        Raises
        ------
        LayerError
            If a layer does not exist, is not reached, is used more than once, or returns more than one tensor. For a
            leaf also if its output is not of real numbers, or shares its memory with what is overwritten later.
        """
        found: list[list[Any]] = [[] for _ in layers]
        differentiated = self.backend.takes_gradient(x)
        if differentiated:
            for layer in layers:
                check_apart(self, x, layer)

        def keeper(layer: str | Net, place: list[Any]) -> Callable[[Net, Any, Any], Any]:
            def keep(_layer: Net, _inputs: Any, output: Any) -> Any:
                if not self.backend.is_tensor(output):
                    place.append(output)
                    return None
                if not differentiated and not self.backend.takes_gradient(output):
                    # An operation in place may overwrite what the network goes on with, and what shares its memory.
                    place.append(self.backend.asarray(output))
                    return None
                check_real(self.backend.dtype(output), layer)
                # Behind an embedding of whole numbers, or a part that cuts the graph, it begins anew.
                place.append(output if self.backend.takes_gradient(output) else self.backend.leaf(output))
                # The network goes on with a copy, which an activation in place may overwrite.
                return place[-1] * 1

            return keep

        handles: list[Handle] = []
        try:
            for layer, place in zip(layers, found, strict=True):
                handles.append(self.backend.on_exit(self.layer(layer), keeper(layer, place)))
            scores = self.scores(x)
        finally:
            for handle in handles:
                handle.remove()
        for layer, place in zip(layers, found, strict=True):
            if len(place) != 1:
                raise LayerError(
                    f"Layer '{layer}' runs {len(place)} times in one run of the network.",
                    "Choose a layer that it uses exactly once; of a compiled network, wrap the one it was made from.",
                )
            if not self.backend.is_tensor(place[0]):
                raise no_tensor(self, layer, place[0])
        return scores, [place[0] for place in found]

    def explained(self, scores: Tensor, target: Target, of: Of) -> Tensor:
        """The number per sample that `target` and `of` choose from native scores: shape (N,)."""
        backend = self.backend
        check_of(of)
        if callable(target):
            values = target(scores)
            if not backend.is_tensor(values) or backend.shape(values) != (backend.shape(scores)[0],):
                raise TargetError(
                    "The target function must return one number per sample.", "Return a tensor of shape (N,)."
                )
            if not np.isfinite(backend.numpy(values)).all():
                raise NonFiniteError(
                    "The target function returns NaN or infinite values.", "Look for log, division or sqrt at 0 in it."
                )
            return values
        if len(backend.shape(scores)) != 2:
            raise TargetError(
                f"Scores of shape {backend.shape(scores)} have no single class axis.",
                "Pass a function that makes one number per sample of them as target.",
            )
        values = backend.numpy(scores)
        _check_finite(values, "scores")
        if of != "logit" and values.shape[1] == 1:
            raise NoGradientError(
                f"The network has one output: its softmax is always 1, so the {of.replace('_', ' ')} has no gradient.",
                'Explain of="logit", or build the network with as many outputs as there are classes.',
            )
        return objective(backend, scores, class_targets(target, len(values), values), of)

    def streamlined(self, x: Array, evaluations: int, gradients: bool = False) -> Model:
        """A model that gives the same scores in less time, where that is worth its preparation; otherwise this one.

        It works on a copy of the network as it is now: use it within one call, and not where layers are watched. Or on
        the network itself in another order in memory, see `arranged`.

        Parameters
        ----------
        x : ndarray (N, ...)
            Checked inputs; the first serves as an example.
        evaluations : int
            How many inputs are going to be run.
        gradients : bool
            Whether gradients are going to be taken of them, of which fewer are worth the preparation.
        """
        return streamlined(self, x, evaluations, gradients)

    def arranged(self, x: Array) -> Model:
        """A model that gives this network batches in the order in memory that it computes fastest; otherwise this one.

        Tried on the first sample. On another the network may go another way, which may fail: then start again, see
        `usual_order`.

        Parameters
        ----------
        x : ndarray (N, ...)
            Checked inputs.
        """
        return arranged(self, x)

    def usual_order(self, x: Array) -> bool:
        """Leave such samples in their usual order in memory from now on; whether they may have been in another."""
        return usual_order(self, x)

    def in_dtype(self, dtype: str) -> Model:
        """The same model of a copy of the network in another floating-point type, see `wrap`."""
        other = wrap(self.net, self.preprocess, self.labels, dtype, self.output, self.input_shape)
        other.name = self.name
        return other

    def rough(self, x: Array, precision: str) -> Model:
        """A model that computes in less precision; `DeviceError` if the framework or the processor cannot."""
        return rough(self, x, precision)

    # -- inputs ------------------------------------------------------------------------------------------------

    def check_input(self, x: Any) -> Array:
        """Return the input as a NumPy array of the network's floating-point type, or say what is wrong with it."""
        return checked_input(x, self.backend, self.dtype, self.input_shape)

    def tensor(self, x: Array) -> Tensor:
        """Copy a checked array to the network's device."""
        return self.backend.asarray(x, self.dtype, self.device)

    def make_up(self, sample_shape: tuple[int, ...], layers: Mapping[str, Net] | None = None) -> tuple[Any, ...]:
        """What a run on such samples is made of: equal for as long as no layer is put in the place of another.

        Parameters
        ----------
        sample_shape : tuple of int
        layers : dict of native layers, optional
            All of the network, where the caller has them: a walk takes a while.
        """
        layers = self.backend.modules(self.net) if layers is None else layers
        return (sample_shape, id(self.preprocess), id(self.output), *map(id, layers.values()))

    # -- layers ------------------------------------------------------------------------------------------------

    def layer(self, layer: str | Net) -> Net:
        """The native layer of a name; a native layer of this network is returned as it is."""
        modules = self.backend.modules(self.net)
        if isinstance(layer, str):
            if layer not in modules:
                raise LayerError(f"There is no layer '{layer}'.", suggest(layer, (name for name in modules if name)))
            return modules[layer]
        if not any(module is layer for module in modules.values()):
            raise LayerError(f"This {type(layer).__name__} is not a layer of the network.", "Pass its name.")
        return layer

    def capture(self, layers: str | Sequence[str], gradients: bool = False) -> Capture:
        """Collect the activations (and their gradients) of layers during a ``with`` block; see `Capture`."""
        return Capture(self, [layers] if isinstance(layers, str) else layers, gradients)

    def hook(
        self,
        layer: str | Net,
        post: Callable[[Net, tuple[Tensor, ...], Any], Any] | None = None,
        pre: Callable[[Net, tuple[Tensor, ...]], Any] | None = None,
    ) -> HookHandle:
        """Call a function whenever a layer runs; what it returns replaces the layer's input or output.

        Parameters
        ----------
        layer : str or native layer
        post : callable (layer, inputs, output), optional
            Runs after the layer. A returned value, unless None, replaces the output.
        pre : callable (layer, inputs), optional
            Runs before the layer. A returned value, unless None, replaces the inputs.

        Returns
        -------
        HookHandle
            ``remove()`` takes the hook off; also a context manager.
        """
        if (post is None) == (pre is None):
            raise LayerError("A hook is either pre= or post=.", "Pass exactly one function.")
        native = self.layer(layer)
        if pre is not None:
            return HookHandle(self.backend.on_enter(native, self._unless_measuring(pre)))
        assert post is not None
        return HookHandle(self.backend.on_exit(native, self._unless_measuring(post)))

    def _unless_measuring(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: None if self.measuring else fn(*args)

    def measure(self, x: Array, watchers: Mapping[Net, Callable[[Net, Any, Any], None]]) -> None:
        """Run the network once for its own sake: `watchers` see their layers, hooks and captures see nothing.

        Parameters
        ----------
        x : ndarray (1, ...)
        watchers : mapping of native layer to callable (layer, inputs, output)
        """
        handles: list[Handle] = []
        try:
            for layer, fn in watchers.items():
                with suppress(LayerError):  # nobody sees into a compiled program
                    handles.append(self.backend.on_exit(layer, fn))
            with self.unobserved():
                self._run(self.tensor(self.check_input(x)))
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def unobserved(self) -> Iterator[None]:
        """Runs for their own sake, without gradient: hooks, captures and random numbers know nothing of them."""
        before, self.measuring = self.measuring, True
        try:
            with self.backend.frozen(self.net), self.backend.no_grad(), self.backend.seeded(0):
                yield
        finally:
            self.measuring = before

    def layers(self, input_shape: tuple[int, ...] | None = None) -> list[LayerInfo]:
        """Names, kinds, output shapes and parameter counts of all layers.

        Parameters
        ----------
        input_shape : tuple of int, optional
            Shape of one sample; the model's own when it is known. Without either, output shapes are None.
        """
        return layer_table(self, input_shape or self.input_shape)

    # -- weights -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Parameters and running statistics under torch's names and in torch's layout, as NumPy copies."""
        return self.backend.state(self.net)

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Load a canonical state: all names and shapes must match, otherwise nothing is changed.

        Raises
        ------
        WeightsError
            Naming what is missing, superfluous or of another shape.
        """
        self.backend.load(self.net, state)


def wrap(
    net: Net,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    labels: Sequence[str] | None = None,
    dtype: str | None = None,
    output: Callable[[Any], Tensor] | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Model:
    """Make a `Model` of a network of either framework.

    Parameters
    ----------
    net : torch.nn.Module or paddle.nn.Layer
    preprocess : callable, optional
        What the network expects to be done to its input, on native tensors; gradients go through it.
    labels : sequence of str, optional
        Names of the outputs.
    dtype : {"float32", "float64"}, optional
        Work on a converted copy of the network: in float64 it is the arbiter between two frameworks.
    output : callable, optional
        Picks the scores from what the network returns, when that is a tuple or a dictionary.
    input_shape : tuple of int, optional
        Shape of one sample, for the table of layers.

    Returns
    -------
    Model

    Examples
    --------
    >>> model = twinlens.wrap(paddle.vision.models.resnet18())
    >>> model.gradient(pictures, target=3).shape
    (8, 3, 224, 224)
    """
    backend = get_backend(net)
    if isinstance(net, (str, Backend)) or backend.is_tensor(net):
        raise BackendError(
            f"An object of type '{type(net).__name__}' is not a network.",
            "Pass a torch.nn.Module or a paddle.nn.Layer.",
        )
    if dtype is not None:
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype='{dtype}' is not known.", "Choose float32 or float64.")
        net = converted(net, backend, dtype)
    model = Model(net, backend, preprocess, labels, output, input_shape)
    if model.dtype == "bfloat16":
        raise ModelError("The network computes in bfloat16, which NumPy lacks.", 'Pass dtype="float32".')
    return model


def per_sample(target: Target, samples: int) -> Callable[[slice], Target]:
    """A function that gives the part of a target that belongs to a slice of the samples."""
    if target is None or callable(target) or isinstance(target, (int, np.integer)):
        return lambda part: target
    listed = whole_numbers(target)
    if listed.ndim == 0:
        return lambda part: int(listed)
    if len(listed) != samples:
        raise TargetError(f"There are {len(listed)} targets for {samples} samples.", "Pass one int per sample.")
    return lambda part: listed[part]


def _check_finite(values: Array, what: str) -> None:
    if not all_finite(values):
        raise NonFiniteError(
            f"The network's {what} hold NaN or infinite values.", "Check its weights and the range of the input."
        )
