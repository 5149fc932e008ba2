"""Parameters that several methods share, checked in one place."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from ..backends.finite import all_finite
from ..backends.model import Model
from ..backends.protocol import Net, Tensor
from ..errors import InputError, LayerError, MethodError, NonFiniteError, TargetError
from .explanation import Array

# Rounding up a small map moves its form by less than the one; the other is below 96 channels on 56 rows (Swin).
_CLOSE, _FAR_OFF = 1.3, 1.6
_AS_WELL = 1.1
# The poolings of both frameworks have a kind that ends so.
_SECOND = ("conv2d", "conv_transpose2d", "batch_norm", "batch_norm2d", "sync_batch_norm", "group_norm", "pool2d")


def positive_count(name: str, value: Any) -> int:
    """Return a whole number of at least one, or raise `MethodError` naming the parameter."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise MethodError(f"{name}={value!r} is not a positive whole number.", f"Pass {name}=1 or more.")
    return int(value)


def finite(name: str, value: Any) -> float:
    """Return a finite number, or raise `MethodError` naming the parameter."""
    try:
        number = np.nan if isinstance(value, (bool, np.bool_)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not np.isfinite(number):
        raise MethodError(f"{name}={value!r} is not a finite number.", f"Pass {name}=0.5, for example.")
    return number


def non_negative(name: str, value: Any) -> float:
    """Return a finite number of at least zero, or raise `MethodError` naming the parameter."""
    number = finite(name, value)
    if number < 0:
        raise MethodError(f"{name}={value!r} is below 0.", f"Pass {name}=0 or more.")
    return number


def check_flags(**flags: Any) -> None:
    """Raise `MethodError` unless the parameters are True or False."""
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            raise MethodError(f"{name}={value!r} is neither True nor False.", f"Pass {name}=True or {name}=False.")


def random_seed(value: Any) -> int:
    """Return a whole number that any generator takes as its seed, or raise `MethodError`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < 2**32:
        raise MethodError(f"seed={value!r} is not a whole number from 0 to 2**32 - 1.", "Pass seed=0, for example.")
    return int(value)


def finite_weights(model: Model) -> tuple[int, ...] | None:
    """Return the network's version, or raise `NonFiniteError` if a weight is NaN or infinite.

    The scores do not always show it: Paddle's ReLU and max pooling turn NaN into ordinary numbers.

    Returns
    -------
    tuple of int or None
        See `Backend.network_version`.
    """
    backend = model.backend
    version = backend.network_version(model.net)
    if version is not None and version == model.sound_version:
        return version
    # Sums of sound weights may overflow, but rarely do.
    if np.isfinite(backend.weight_sums(model.net)).all():
        model.sound_version = version
        return version
    for name, array in model.state().items():
        if not np.isfinite(array).all():
            raise NonFiniteError(
                f"The weights '{name}' hold NaN or infinite values.", "Load other weights, or train with smaller steps."
            )
    return version


def independent_samples(model: Model, x: Array, version: tuple[int, ...] | None = None) -> None:
    """Raise `MethodError` if the score of one sample depends on the samples beside it: then none can be explained.

    Parameters
    ----------
    model : Model
    x : ndarray (N, ...)
        Checked inputs.
    version : tuple of int, optional
        The network's `Backend.network_version`, where the caller has it: the same network is not looked at again.
    """
    known = None if version is None else (x.shape[1:], id(model.preprocess), id(model.output), version)
    if known is not None and known == model.unmixed_version:
        return
    layers = model.backend.modules(model.net)
    for name, layer in layers.items():
        if model.backend.uses_batch_statistics(layer):
            raise MethodError(
                f"The batch norm '{name}' takes its statistics from the batch in evaluation mode too: a sample's score "
                "depends on the samples beside it, and has no explanation of its own.",
                "Build it to keep running statistics, the default of both frameworks, and train it so.",
            )
    make_up = model.make_up(x.shape[1:], layers)
    if make_up in model.unmixed:
        model.unmixed_version = known
        return
    if _mixes_samples(model, x[:1]):
        raise MethodError(
            "The network mixes the samples of a batch: a sample's score depends on the samples beside it, and has no "
            "explanation of its own.",
            "Look in its forward for max, mean or std of a whole batch, and take them over all axes but the first.",
        )
    model.unmixed.add(make_up)
    model.unmixed_version = known


def _mixes_samples(model: Model, sample: Array) -> bool:
    """Whether a sample has other scores beside one that is unlike it."""
    backend = model.backend

    def scores(x: Array, seed: int = 0) -> Array:
        with backend.seeded(seed):
            return backend.numpy(model.scores(model.tensor(x)))[0]

    try:
        with model.unobserved():
            alone, beside = scores(sample), scores(np.concatenate([sample, 2 * sample + 1]))
            # A network that draws random numbers has other scores each time.
            return not _alike(alone, beside) and _alike(alone, scores(sample, seed=1))
    except Exception:  # a network may refuse numbers or batches that nobody gave it in any way it likes
        return False


def independent_target(model: Model, x: Array, target: Callable[[Tensor], Tensor]) -> None:
    """Raise `TargetError` if a target function's number for one sample depends on the samples beside it."""
    backend = model.backend
    try:
        with model.unobserved():
            scores = model.scores(model.tensor(np.concatenate([x[:1], 2 * x[:1] + 1])))
            alone, beside = (backend.numpy(target(some))[:1] for some in (scores[:1], scores))
    except Exception:  # a function may refuse numbers or batches that nobody gave it; the method's own call says so
        return
    if np.isfinite(alone).all() and not _alike(alone, beside):
        raise TargetError(
            "The target function mixes the samples of a batch: one sample's number depends on the samples beside it.",
            "Take mean, max or sum over all axes of the scores but the first.",
        )


def _alike(one: Array, other: Array) -> bool:
    """Equal but for the rounding of a batch of another size."""
    if one.shape != other.shape:
        return False
    return bool(np.allclose(one, other, rtol=0, atol=1e-3 * np.abs(one).max(), equal_nan=True))


def channels_second(model: Model) -> None:
    """Raise `LayerError` if a layer has its channels on the last axis, where a method expects (N, C, H, W)."""
    for name, layer in model.backend.modules(model.net).items():
        if model.backend.has_channels_last(layer):
            raise LayerError(
                f"Layer '{name}' has its channels on the last axis (NHWC), where this method would take them for "
                "columns of a map.",
                "Build the network with data_format='NCHW' and load the same weights: their layout does not change.",
            )


def channel_axis(model: Model, native: Net, shape: tuple[int, ...]) -> int | None:
    """Which axis of a layer's output (N, ..., ..., ...) holds the channels by its kind: 1, 3, or None if not known.

    Parameters
    ----------
    model : Model
        One that `channels_second` accepts.
    native : native layer
    shape : tuple of int
        Of the output.
    """
    if len(shape) != 4:
        return None
    backend = model.backend
    kind = backend.kind(native)
    if kind.endswith(_SECOND):
        return 1
    if kind == "linear":
        return 3
    weight = getattr(native, "weight", None)
    if kind != "layer_norm" or weight is None or backend.shape(weight) != shape[3:]:
        return None
    # Heirs of a layer norm may move the axes around it, as torchvision's LayerNorm2d does.
    plain = type(native).__module__.startswith(f"{backend.name}.nn.")
    return 3 if plain or shape[1] != shape[3] else None


def second_in_shape(shape: tuple[int, ...], layer: str, picture: tuple[int, ...], axis: int | None = None) -> None:
    """Raise `LayerError` if activations have the form of maps (N, H, W, C) and not of (N, C, H, W).

    Parameters
    ----------
    shape : tuple of int
        Of the activations.
    layer : str
    picture : tuple of int
        Height and width of the picture, whose form a map has more or less.
    axis : int or None
        Which axis holds the channels, where `channel_axis` knows it: then the form does not count.
    """
    if axis == 1 or len(shape) != 4 or len(picture) != 2 or 0 in shape:
        return
    if axis == 3 or (_unlike(shape[2:], picture) > _FAR_OFF and _unlike(shape[1:3], picture) < _CLOSE):
        raise LayerError(
            f"Layer '{layer}' returns shape {shape}: its channels seem to come last, (samples, height, width, "
            "channels), where this method needs them second.",
            "Choose a layer behind the one that puts them second, such as 'permute' in torchvision's Swin.",
        )


def may_be_last(shape: tuple[int, ...], picture: tuple[int, ...]) -> bool:
    """Whether activations (N, ..., ..., ...) have the form of maps (N, H, W, C) about as well as of (N, C, H, W)."""
    last, second = _unlike(shape[1:3], picture), _unlike(shape[2:], picture)
    return last < _CLOSE and last <= _AS_WELL * second


def _unlike(size: tuple[int, ...], picture: tuple[int, ...]) -> float:
    """By which factor the ratio of height to width differs from the picture's."""
    ratio = size[0] * picture[1] / (size[1] * picture[0])
    return max(ratio, 1 / ratio)


def finite_scores(scores: Array, what: str = "scores") -> Array:
    """Return the scores (or activations), or raise `NonFiniteError` if they hold NaN or infinite values."""
    if not all_finite(scores):
        raise NonFiniteError(
            f"The network's {what} hold NaN or infinite values.", "Check its weights and the range of the input."
        )
    return scores


def finite_values(values: Array) -> None:
    """Raise `NonFiniteError` if attributions hold NaN or infinite values."""
    if not all_finite(values):
        raise NonFiniteError(
            f"The attributions hold NaN or infinite values: they go beyond what {values.dtype} can hold.",
            'Wrap the network with dtype="float64", or divide its scores by a large number.',
        )


def finite_gradient(gradient: Array) -> Array:
    """Return the gradient, or raise `NonFiniteError` if it holds NaN or infinite values."""
    if not all_finite(gradient):
        raise NonFiniteError(
            "The gradient holds NaN or infinite values.", "Check the weights, and operations such as sqrt or log at 0."
        )
    return gradient


def pictures(x: Array, method: str) -> Array:
    """Return a batch of pictures (N, C, H, W), or raise `InputError`."""
    if x.ndim != 4:
        raise InputError(
            f"The method '{method}' explains pictures, the input has shape {x.shape}.",
            "Pass (samples, channels, height, width), or choose another method.",
        )
    return x


def baseline_like(baseline: Any, x: Array) -> Array:
    """Broadcast a baseline (a number or an array) to the batch, or raise `InputError`."""
    cure = "Pass a number, or an array of the shape of one sample or of the batch."
    try:
        given = np.asarray(baseline)
        # Python's fractions and whole numbers of any size are numbers; texts and None would be taken for some.
        if given.dtype.hasobject and all(isinstance(each, Number) for each in given.flat):
            given = given.astype(np.float64)
        if given.dtype.kind in "OSU":
            raise TypeError("no numbers")
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # a tensor in the graph of a gradient, too
        raise InputError(f"The baseline {baseline!r} is neither a number nor an array of numbers.", cure) from error
    if given.dtype.kind not in "fiu":
        raise InputError(f"The baseline holds {given.dtype}.", "Pass floating-point numbers.")
    # As in the input itself: 255 would be taken for white without a word.
    if given.dtype == np.uint8 and given.any():
        raise InputError("The baseline holds uint8.", "Pass floating-point numbers; for pictures divide by 255 first.")
    array = given.astype(x.dtype, copy=False)
    try:
        # Fewer axes would be matched from the last one: a number per sample would become one per column.
        if array.ndim not in (0, x.ndim - 1, x.ndim):
            raise ValueError("too few or too many axes")
        broadcast = np.broadcast_to(array, x.shape)
    except ValueError as error:
        raise InputError(f"The baseline {array.shape} does not fit the input {x.shape}.", cure) from error
    if not np.isfinite(array).all():
        raise InputError("The baseline holds NaN or infinite values.", "Use finite numbers.")
    return broadcast
