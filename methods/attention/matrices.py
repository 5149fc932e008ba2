"""Look at the attention matrices of a network while it runs, wherever and however it computes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...backends.chunks import BatchSize, chunk_size
from ...backends.model import Model
from ...backends.protocol import Rules, SameOutput, Tensor
from ...errors import MethodError, NoGradientError
from ..checks import channels_second, finite_gradient, finite_scores
from ..explanation import Array

_OTHER = "Choose integrated_gradients, which takes any network, or gradcam with the layer of its patches."
# Of half precision, which a network may compute in whatever it is given, and in another order for another batch.
_ROUNDING = 1e-2


class Watch:
    """Sees the attentions of one run of a network: every softmax along the last of three axes or more.

    Parameters
    ----------
    model : Model
    samples : int
        How many run at once.
    keep : callable
        Gets every attention, native, (N, heads, T, T) or (N * heads, T, T), in the order in which they run. What it
        returns, unless None, goes on in its place.

    Attributes
    ----------
    tokens : int
        T, once there was an attention.
    convolution : (int, int) or None
        Rows and columns of the last convolution before the first attention.
    """

    def __init__(self, model: Model, samples: int, keep: Callable[[Tensor], Tensor | None]) -> None:
        self.tokens = 0
        self.convolution: tuple[int, int] | None = None
        self._model = model
        self._samples = samples
        self._keep = keep
        self._fault: MethodError | None = None

    def scores(self, x: Tensor) -> Tensor:
        """Run the network on a native input, and return its native scores.

        Raises
        ------
        MethodError
            If it has no attentions from all tokens to all tokens, or other ones beside them.
        """
        rules: Rules = {"softmax": self._softmax, "conv2d": SameOutput(self._convolution)}
        with self._model.backend.intercept(rules):
            scores = self._model.scores(x)
        finite_scores(self._model.backend.numpy(scores))
        if self._fault is not None:
            raise self._fault
        if not self.tokens:
            raise MethodError(
                "The network runs no attention that can be seen, a softmax from tokens to tokens: it is no "
                "transformer, its attention is linear, or it is in a compiled program.",
                "Choose gradcam or integrated_gradients; of a compiled program, wrap the network it was made from.",
            )
        return scores

    def _softmax(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        y = call(*inputs)
        shape = self._model.backend.shape(y)
        # The network's own exceptions are its own: what is wrong with its attentions is said when it has run.
        if self._fault is None and len(shape) > 2 and max(shape[-2:]) > 1 and self._along_last_axis(y):
            self._fault = self._wrong_with(shape)
            if self._fault is None:
                self.tokens = shape[-1]
                other = self._keep(y)
                return y if other is None else other
        return y

    def _along_last_axis(self, y: Tensor) -> bool:
        backend = self._model.backend
        totals = backend.numpy(backend.sum(backend.detach(y), -1))
        # A token that a mask leaves nothing has 0.
        return bool((np.isclose(totals, 1, atol=_ROUNDING) | (totals == 0)).all())

    def _wrong_with(self, shape: tuple[int, ...]) -> MethodError | None:
        if shape[-1] != shape[-2]:
            return MethodError(
                f"An attention of shape {shape} is from {shape[-2]} tokens to {shape[-1]}, as with cross-attention and "
                "pooled keys, and not from all tokens to all tokens.",
                _OTHER,
            )
        merged = len(shape) == 3 and shape[0] % self._samples == 0
        if not merged and (len(shape) != 4 or shape[0] != self._samples):
            return MethodError(
                f"In a batch of {self._samples} an attention has shape {shape}, not (samples, heads, tokens, tokens): "
                "tokens look at each other in windows only, as in Swin, or the axes are in another order.",
                _OTHER,
            )
        if self.tokens not in (0, shape[-1]):
            return MethodError(
                f"The network attends among {self.tokens} tokens first and among {shape[-1]} later: tokens that are "
                "merged or dropped on the way have no place in one picture.",
                _OTHER,
            )
        return None

    def _convolution(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        y = call(*inputs)
        shape = self._model.backend.shape(y)
        if not self.tokens and len(shape) == 4 and shape[2] * shape[3] > 1:
            self.convolution = (shape[2], shape[3]) if shape[0] == self._samples else None
        return y


class Weighing:
    """Makes one matrix of each attention of a run and its gradient, as soon as that is known.

    Parameters
    ----------
    model : Model
    samples : int
        How many run at once.
    weigh : callable
        ``weigh(attention, gradient)`` makes (N, T, T) of two (N, heads, T, T) in float64.

    Attributes
    ----------
    weighed : list of ndarray (N, T, T)
        The first layer's first.
    reached : list of ndarray of bool (N, T)
        Which tokens' rows of each attention have a gradient.
    """

    def __init__(self, model: Model, samples: int, weigh: Callable[[Array, Array], Array]) -> None:
        self.weighed: list[Array] = []
        self.reached: list[Array] = []
        self._arrived_somewhere = self._cut = False
        self._backend = model.backend
        self._samples = samples
        self._weigh = weigh

    def keep(self, y: Tensor) -> None:
        """Note an attention, and ask for its gradient."""
        attention, place = self._backend.numpy(y), len(self.weighed)
        self.weighed.append(np.zeros((self._samples, *attention.shape[-2:])))
        self.reached.append(np.zeros((self._samples, attention.shape[-1]), dtype=bool))
        if not self._backend.takes_gradient(y):
            self._cut = True
        else:
            self._backend.on_grad(y, lambda gradient: self._arrived(place, attention, gradient))

    def _arrived(self, place: int, attention: Array, gradient: Tensor) -> None:
        native = by_head(finite_gradient(self._backend.numpy(gradient)), self._samples)
        self.weighed[place] = self._weigh(by_head(attention, self._samples), native)
        self.reached[place] = np.any(native, axis=(1, 3))
        self._arrived_somewhere = True

    def check(self) -> None:
        """Raise `NoGradientError` unless every attention took a gradient, and some arrived."""
        if self._cut or not self._arrived_somewhere:
            raise gradient_lost("every attention")


def gradient_lost(where: str) -> NoGradientError:
    """What to say where the gradient of the explained score does not arrive."""
    return NoGradientError(
        f"The gradient of the explained score does not arrive at {where}.",
        "Look in the network and around this call for detach, no_grad, and parts that are computed twice (checkpoint, "
        "recompute). A neuron has none at attentions that come after it: choose another neuron, or attention_rollout, "
        "which needs none.",
    )


def by_head(attention: Array, samples: int) -> Array:
    """An attention, or its gradient, as (N, heads, T, T) in float64."""
    return attention.reshape(samples, -1, *attention.shape[-2:]).astype(np.float64)


def rows_at_once(model: Model, x: Array, batch_size: BatchSize, points: int = 1) -> int:
    """How many samples to run at once, after a look at whether their attentions can be told apart.

    Parameters
    ----------
    model : Model
    x : ndarray (N, C, H, W)
    batch_size : int or "auto"
    points : int
        How many inputs are made of each sample, which run beside each other too.

    Raises
    ------
    MethodError
        If attentions run side by side, or the first sample does not have the first of several matrices.
    """
    channels_second(model)
    total = len(x) * points
    size = chunk_size(model, x.shape[1:], total, batch_size)
    alone = _means(model, x[:1])
    for number in range(len(alone) - 1):
        _check_next_depends_on(model, x[:1], number)
    if min(size, total) == 1:
        return size
    pair = x[:2] if len(x) > 1 else np.concatenate([x, x])
    for one, other in zip(alone, _means(model, pair), strict=False):
        if np.abs(one - other).max() > _ROUNDING * one.max():
            raise MethodError(
                "The attentions of several samples cannot be told apart: heads or tokens come before the samples on "
                "their first axis.",
                "Pass batch_size=1.",
            )
    return size


def _check_next_depends_on(model: Model, x: Array, number: int) -> None:
    """Raise `MethodError` if NaN in an attention does not arrive at the one that runs after it."""
    seen = 0

    def keep(y: Tensor) -> Tensor | None:
        nonlocal seen
        seen += 1
        return y * np.nan if seen == number + 1 else None

    try:
        with model.unobserved():
            Watch(model, len(x), keep).scores(model.tensor(x))
    except Exception:
        # After NaN: that the scores are NaN, or whatever else a network says of it.
        if seen <= number:
            raise
    if seen > number + 1:
        raise MethodError(
            "An attention of the network does not depend on the one before it: they run side by side, as heads in a "
            "loop and branches do, and not one after the other.",
            "Compute all heads of a layer in one softmax, (samples, heads, tokens, tokens), or choose "
            "integrated_gradients, which takes any network.",
        )


def _means(model: Model, x: Array) -> list[Array]:
    """The heads' mean of every attention of the first sample."""
    found: list[Array] = []

    def keep(y: Tensor) -> None:
        found.append(by_head(model.backend.numpy(y), len(x))[0].mean(axis=0))

    with model.unobserved():
        Watch(model, len(x), keep).scores(model.tensor(x))
    return found
