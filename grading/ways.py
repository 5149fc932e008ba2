"""The right way to take a gradient at pictures, and the wrong ways that students take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .protocol import Array, Arrays, Mistake

if TYPE_CHECKING:
    from ..backends import Model
    from ..backends.objective import Of, Target

DROPOUT_SEED = 0
"""What the drivers seed the framework with before each call."""


@dataclass(frozen=True)
class Way:
    """How a gradient is taken; the right way by default.

    Attributes
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    shift : int
        Added to the labels.
    predicted : bool
        The predicted class in place of the label.
    averaged : bool
        Over the batch, as losses are unless told otherwise.
    softmax_first : bool
        Before a loss that has a softmax of its own.
    training : bool
        In training mode.
    layout : {"transposed", "reshaped", "width_first"}
        How (height, width, channel) becomes (channel, height, width).
    """

    of: Of = "logit"
    shift: int = 0
    predicted: bool = False
    averaged: bool = False
    softmax_first: bool = False
    training: bool = False
    layout: Literal["transposed", "reshaped", "width_first"] = "transposed"


RIGHT = Way()

Answer: TypeAlias = "Callable[[Model, Arrays, Way], Arrays]"
Measure: TypeAlias = Callable[[Arrays, Arrays], Mapping[str, float]]

LAYOUT = (
    "The pictures are (height, width, channel), the network takes (channel, height, width): "
    "transpose or permute the axes; a reshape keeps no pixel in its place."
)
NO_GRADIENT = (
    "No gradient came back to what you differentiate for: ask for it before the forward pass "
    "(torch: requires_grad_(); Paddle: stop_gradient = False), and not inside no_grad()."
)
_LOSS = (
    "This is the gradient of a loss or a probability: take the score (the logit) of the label itself, "
    "as the network returns it."
)
_SOFTMAX = (
    "cross_entropy applies softmax itself, in torch and in Paddle, and you gave it probabilities. "
    "Besides, the task asks for the score of the label: no softmax and no loss at all."
)
_LABEL = "This belongs to the class {direction} the label: labels count from 0, use them as they are."
_PREDICTED = "You explained the class that the network predicts: use the label that you are given."
_TRAINING = "The network was in training mode (dropout, and batch norm over the batch): call net.eval() first."
_AVERAGED = (
    "Everything is 1/{pictures:.0f} of what it should be: add the scores of the {pictures:.0f} pictures up "
    "before going backward; their mean divides every gradient by the size of the batch."
)


def wrong_ways(answer: Answer, skip: Sequence[str] = (), **hints: tuple[str, Measure]) -> list[Mistake]:
    """Make a mistake of each wrong way.

    Parameters
    ----------
    answer : callable
        ``answer(model, inputs, way)`` gives what a submission returns that takes its gradients that way.
    skip : sequence of str
        Ids of those that cannot be told apart in this task.
    **hints : (str, callable)
        A better hint for an id, and what measures its numbers.

    Returns
    -------
    list of Mistake
    """
    mistakes = []
    for name, (way, hint, credit) in _WRONG.items():
        if name not in skip:
            text, measure = hints.get(name, (hint, _batch))
            mistakes.append(Mistake(name, text, credit, _computing(answer, way), measure))
    return mistakes


def without_gradient(answer: Answer) -> list[Mistake]:
    """What comes of forgetting to ask for a gradient: it is None, or nothing but zeros.

    Neither earns anything, because zeros can be handed in without any work.

    Parameters
    ----------
    answer : callable
        ``answer(model, inputs, way)`` gives the arrays whose shapes are right.
    """

    def zeros(model: Model, inputs: Arrays) -> Arrays:
        return {name: np.zeros_like(values) for name, values in answer(model, inputs, RIGHT).items()}

    def nothing(model: Model, inputs: Arrays) -> Arrays:
        # What the drivers hand over where a gradient is missing.
        return {name: np.zeros(1) for name in answer(model, inputs, RIGHT)}

    return [
        Mistake("no_gradient", NO_GRADIENT, 0.0, nothing),
        Mistake("zero_gradient", NO_GRADIENT, 0.0, zeros),
    ]


def gradients(model: Model, batches: Sequence[Array], labels: Array, way: Way = RIGHT) -> list[Array]:
    """The gradient at each batch of pictures, one after the other.

    Parameters
    ----------
    model : Model
    batches : sequence of ndarray (B, H, W, 3)
    labels : ndarray (B,)
    way : Way

    Returns
    -------
    list of ndarray (B, 3, H, W)
        Laid out as the network takes them.
    """
    with _running(model, way):
        if way.training:
            # Each batch has its own statistics and its own dropout, in this order.
            found = [_gradient(model, batch, labels, way) for batch in batches]
        else:
            joined = _gradient(model, np.concatenate(batches), np.tile(labels, len(batches)), way)
            found = np.split(joined, len(batches))
    return [gradient / _divisor(labels, way) for gradient in found]


def seen(model: Model, pictures: Array, labels: Array, layer: str, way: Way = RIGHT) -> tuple[Array, Array]:
    """What a layer puts out at pictures, and the gradient with respect to it, both (B, K, h, w)."""
    with _running(model, way), model.capture(layer, gradients=True) as captured:
        _gradient(model, pictures, labels, way)
    return captured[layer], captured.gradients[layer] / _divisor(labels, way)


def laid_out(pictures: Array, way: Way = RIGHT) -> Array:
    """Pictures (B, H, W, 3) as the network is given them."""
    count, height, width, channels = pictures.shape
    match way.layout:
        case "reshaped":
            return pictures.reshape(count, channels, height, width)
        case "width_first":
            return pictures.transpose(0, 3, 2, 1)
        case _:
            return pictures.transpose(0, 3, 1, 2)


def as_pictures(values: Array, way: Way = RIGHT) -> Array:
    """Undo `laid_out`."""
    count, channels, height, width = values.shape
    match way.layout:
        case "reshaped":
            return values.reshape(count, height, width, channels)
        case "width_first":
            return values.transpose(0, 3, 2, 1)
        case _:
            return values.transpose(0, 2, 3, 1)


def normalised(maps: Array, lowest: Array | None = None, highest: Array | None = None) -> Array:
    """Each map (N, h, w) from 0 to 1 by itself; one whose values are all the same becomes 0."""
    low = maps.min(axis=(1, 2), keepdims=True) if lowest is None else lowest
    spread = (maps.max(axis=(1, 2), keepdims=True) if highest is None else highest) - low
    found: Array = (maps - low) / np.where(spread > 0, spread, 1)
    return found


def normalised_together(maps: Array) -> Array:
    """All maps of a batch from 0 to 1 together: the mistake."""
    return normalised(maps, maps.min(), maps.max())


def lowest_peak(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    """Which picture of ``normalised`` has the lowest maximum, and that maximum: ``image`` and ``peak``."""
    peaks = outputs["normalised"].reshape(len(outputs["normalised"]), -1).max(1)
    return {"image": float(peaks.argmin()), "peak": float(peaks.min())}


def lowest_value(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    """The lowest value of ``maps``: ``low``."""
    return {"low": float(outputs["maps"].min())}


def times_the_first(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    """How many times the first call's maps those of the second are: ``times``."""
    first, second = (np.asarray(outputs[name], np.float64) for name in ("maps", "again"))
    return {"times": float((first * second).sum() / (first * first).sum())}


def change_when_alone(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    """By how many per cent the picture's map changes with its batch mates: ``image`` and ``change``."""
    image = int(inputs["alone"])
    together, alone = outputs["maps"][image], outputs["alone"][0]
    change = np.abs(together - alone).max() / max(np.abs(together).max(), np.abs(alone).max(), 1e-30)
    return {"image": float(image), "change": 100 * float(change)}


ALONE_HINT = (
    "Picture {image} changes by {change:.0f} % with its batch mates: the network is in training mode, "
    "call net.eval() first."
)

_WRONG: dict[str, tuple[Way, str, float]] = {
    "training_mode": (Way(training=True), _TRAINING, 0.5),
    "loss": (Way(of="loss", averaged=True), _LOSS, 0.5),
    "loss_summed": (Way(of="loss"), _LOSS, 0.5),
    "log_probability": (Way(of="log_probability"), _LOSS, 0.5),
    "probability": (Way(of="probability"), _LOSS, 0.5),
    "softmax_twice": (Way(of="loss", softmax_first=True, averaged=True), _SOFTMAX, 0.4),
    "softmax_twice_summed": (Way(of="loss", softmax_first=True), _SOFTMAX, 0.4),
    "label_plus_one": (Way(shift=1), _LABEL.format(direction="after"), 0.5),
    "label_minus_one": (Way(shift=-1), _LABEL.format(direction="before"), 0.5),
    "predicted_class": (Way(predicted=True), _PREDICTED, 0.5),
    "averaged": (Way(averaged=True), _AVERAGED, 0.8),
    "reshaped": (Way(layout="reshaped"), LAYOUT, 0.4),
    "width_first": (Way(layout="width_first"), LAYOUT, 0.4),
}


def _batch(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    return {"pictures": float(len(inputs["pictures"]))}


def _computing(answer: Answer, way: Way) -> Callable[[Any, Arrays], Arrays]:
    return lambda model, inputs: answer(model, inputs, way)


def _gradient(model: Model, pictures: Array, labels: Array, way: Way) -> Array:
    x = model.tensor(model.check_input(laid_out(pictures, way)))
    target: Target = None if way.predicted else labels + way.shift
    if way.softmax_first:
        target = _softmax_first(model, labels, way.of)
    _, _, gradient = model.score_gradient(x, target, way.of)
    return model.backend.numpy(gradient)


def _divisor(labels: Array, way: Way) -> int:
    return len(labels) if way.averaged else 1


def _softmax_first(model: Model, labels: Array, of: Of) -> Callable[[Any], Any]:
    return lambda scores: model.explained(model.backend.softmax(scores, 1), labels, of)


@contextmanager
def _running(model: Model, way: Way) -> Iterator[None]:
    backend = model.backend
    if not way.training:
        with backend.frozen(model.net):
            yield
        return
    statistics = model.state()
    try:
        with backend.training(model.net), backend.seeded(DROPOUT_SEED):
            yield
    finally:
        model.load_state(statistics)
