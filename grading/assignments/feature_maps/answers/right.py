"""Right answers; with other arguments than its own each function gives a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays

from .running import activation_of, layer_name, mode, scores_without


def expected(task: str, model: Model, inputs: Arrays) -> dict[str, Array]:
    """What the driver returns for a right submission."""
    functions: dict[str, Callable[[Model, Arrays], dict[str, Array]]] = {
        "capture_features": capture,
        "edit_features": edit,
        "remove_hook": remove,
        "filter_visualisation": visualise,
    }
    return functions[task](model, inputs)


def capture(
    model: Model,
    inputs: Arrays,
    suffix: str = "conv",
    captures: int = 1,
    training: bool = False,
    change: Callable[[Array], Array] = lambda values: values,
) -> dict[str, Array]:
    """The layer's outputs in both calls, and how many the second one gave.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    suffix : str
        Capture what stands at the convolution's place among layers of this name.
    captures : int
    training : bool
    change : callable
        Of the captured values.
    """
    layer = layer_name(inputs, suffix)
    found = {name: change(activation_of(model, inputs[name], layer, training)) for name in ("first", "second")}
    return {**found, "captures": np.array(captures)}


def capture_input(model: Model, inputs: Arrays) -> dict[str, Array]:
    """What goes into the layer, in place of what comes out: the output of the pooling before."""
    number = int(inputs["layer"])
    found = {name: activation_of(model, inputs[name], f"pool{number}") for name in ("first", "second")}
    return {**found, "captures": np.array(1)}


def edit(
    model: Model,
    inputs: Arrays,
    factors: Callable[[Array, Sequence[int]], Array] | None = None,
    suffix: str = "conv",
    shift: int = 0,
    kept: bool = False,
    training: bool = False,
    output: Callable[[Array], Array] = lambda scores: scores,
) -> dict[str, Array]:
    """Scores with a filter switched off, in three calls.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    factors : callable, optional
        What the activation is multiplied with, from its shape and the channels that are off.
    suffix : str
        Edit what stands at the convolution's place among layers of this name.
    shift : int
        Added to the channel.
    kept : bool
        Whether the edits of earlier calls stay.
    training : bool
    output : callable
        Of the scores.
    """
    one, other = (int(channel) + shift for channel in inputs["channels"])
    layer, pictures = layer_name(inputs, suffix), inputs["pictures"]
    found: dict[str, Array] = {}
    off: list[int] = []
    for name, channel, chosen in [("scores", one, pictures), ("other", other, pictures), ("again", one, pictures[:3])]:
        off = [*off, channel] if kept else [channel]
        with mode(model, training):
            found[name] = output(scores_without(model, chosen, layer, off, factors or switched_off))
    return found


def remove(
    model: Model,
    inputs: Arrays,
    factors: Callable[[Array, Sequence[int]], Array] | None = None,
    suffix: str = "conv",
    shift: int = 0,
    cumulative: bool = False,
    left: slice = slice(0),
    training: bool = False,
    output: Callable[[Array], Array] = lambda scores: scores,
) -> dict[str, Array]:
    """Scores with one filter off at a time, and of the network afterwards.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    factors, suffix, shift, training, output
        As for `edit`.
    cumulative : bool
        Whether the edits of earlier channels stay.
    left : slice
        Which of the edits are still there afterwards.
    """
    channels = [int(channel) + shift for channel in inputs["channels"]]
    layer, pictures, change = layer_name(inputs, suffix), inputs["pictures"], factors or switched_off
    off = [channels[: i + 1] if cumulative else channels[i : i + 1] for i in range(len(channels))]
    with mode(model, training):
        scores = [output(scores_without(model, pictures, layer, each, change)) for each in off]
    with mode(model, False):
        afterwards = scores_without(model, pictures, layer, channels[left], change)
    return {"scores": np.stack(scores), "afterwards": afterwards}


def visualise(
    model: Model,
    inputs: Arrays,
    suffix: str = "conv",
    training: bool = False,
    raised: Callable[[Any, int], Any] = lambda activation, channel: activation[:, channel],
    mean: bool = False,
    more: int = 0,
    move: Callable[[list[Array], float], Array] = lambda gradients, rate: rate * gradients[-1],
    bounded: bool = False,
    finish: Callable[[Array], Array] = lambda pictures: pictures,
) -> dict[str, Array]:
    """Pictures after gradient ascent on a filter's summed output.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    suffix : str
        Raise what stands at the convolution's place among layers of this name.
    training : bool
    raised : callable
        Part of the native activation that is summed.
    mean : bool
        In place of the sum.
    more : int
        Steps more than asked for.
    move : callable
        What a step adds, from all gradients so far and the learning rate.
    bounded : bool
        Whether each step is clipped to 0 to 1.
    finish : callable
        Of the pictures that were reached.
    """
    layer, backend = layer_name(inputs, suffix), model.backend
    steps, rate, channel = int(inputs["steps"]) + more, float(inputs["learning_rate"]), int(inputs["channel"])
    found = {}
    for name, chosen in [("together", inputs["pictures"]), ("alone", inputs["pictures"][:1])]:
        pictures, gradients = model.check_input(chosen), []
        with mode(model, training):
            for _ in range(steps):
                leaf = backend.leaf(model.tensor(pictures))
                part = raised(model.activation(leaf, layer), channel)
                total = backend.mean(part) if mean else backend.sum(part)
                gradients.append(backend.numpy(backend.grad(total, [leaf])[0]))
                pictures = (pictures + move(gradients, rate)).astype(pictures.dtype)
                if bounded:
                    pictures = pictures.clip(0, 1)
        found[name] = finish(pictures)
    return found


def switched_off(ones: Array, channels: Sequence[int]) -> Array:
    """Zeros for the channels that are off."""
    ones[:, list(channels)] = 0
    return ones
