"""Right and wrong answers of the assignment on feature maps. Never given to students."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays, Mistake, Property, random_generator

LAYERS = ("conv1", "conv2", "conv3")
"""As in network.py: inputs name a layer by its place here."""

_CHANNELS = {"conv1": 8, "conv2": 12, "conv3": 16}
_SCALES = (0.2, 1.0, 3.0, 8.0)
_WEIGHTS, _PICTURES, _CHOICES = range(3)

Edit = tuple[str, Callable[[Array], Array]]
"""A layer, and what the values that go on are multiplied with, made from the activation."""


# -- what is asked ---------------------------------------------------------------------------------------------------


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Canonical weights of the network."""
    rng = random_generator(seed, _WEIGHTS, public)
    found: dict[str, Array] = {}
    before = 3
    # What batch normalisation makes of a zero is positive, so that the ReLU shows whether it came before or after.
    for number, (layer, channels) in enumerate(_CHANNELS.items(), 1):
        found[f"{layer}.weight"] = rng.normal(0, np.sqrt(2 / (9 * before)), (channels, before, 3, 3))
        found[f"{layer}.bias"] = rng.normal(0, 0.2, channels)
        found[f"bn{number}.weight"] = rng.uniform(0.7, 1.3, channels)
        found[f"bn{number}.bias"] = rng.uniform(0.0, 0.5, channels)
        found[f"bn{number}.running_mean"] = -rng.uniform(0.1, 0.5, channels)
        found[f"bn{number}.running_var"] = rng.uniform(0.7, 2.0, channels)
        before = channels
    found["fc.weight"] = rng.normal(0, 0.5, (5, before))
    found["fc.bias"] = rng.normal(0, 0.2, 5)
    return {name: values.astype(np.float32) for name, values in found.items()}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Inputs of one run of the driver."""
    rng = random_generator(seed, _CHOICES, public)
    pictures = _pictures(seed, public)
    # Not the first layer: training mode does not show before the first batch normalisation.
    layer = int(rng.integers(1, 3))
    # Edited channels are numbers of pictures, too: one that takes the wrong axis gets an answer, and not an error.
    few = rng.permutation(len(pictures))
    inputs: dict[str, Array] = {"layer": np.array(layer)}
    match task:
        case "capture_features":
            # The last picture of the first call is the first one of the second, among others.
            return {"first": pictures[:3], "second": np.concatenate([pictures[2:], pictures[1:2]]), **inputs}
        case "edit_features":
            return {"pictures": pictures, "channels": few[few < 3][:2], **inputs}
        case "remove_hook":
            return {"pictures": pictures, "channels": few[:3], **inputs}
        case _:
            return {
                "pictures": pictures[1:],
                "channel": np.array(int(rng.integers(_CHANNELS[LAYERS[layer]] - 1))),
                "steps": np.array(int(rng.integers(4, 7))),
                "learning_rate": np.array(round(float(rng.uniform(0.02, 0.04)), 3)),
                **inputs,
            }


def _pictures(seed: int, public: bool) -> Array:
    """Four pictures of blocks and noise, of different scale, height unlike width."""
    rng = random_generator(seed, _PICTURES, public)
    height, width = (20, 28) if public else (24, 32)
    blocks = rng.normal(0.3, 0.7, (4, 3, height // 4, width // 4)).repeat(4, 2).repeat(4, 3)
    scales = rng.permutation(_SCALES)[:, None, None, None]
    pictures: Array = ((blocks + rng.normal(0, 0.2, blocks.shape)) * scales).astype(np.float32)
    return pictures


# -- right answers ---------------------------------------------------------------------------------------------------


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
    layer = _layer(inputs, suffix)
    found = {name: change(_activation(model, inputs[name], layer, training)) for name in ("first", "second")}
    return {**found, "captures": np.array(captures)}


def capture_input(model: Model, inputs: Arrays) -> dict[str, Array]:
    """What goes into the layer, in place of what comes out: the output of the pooling before."""
    number = int(inputs["layer"])
    found = {name: _activation(model, inputs[name], f"pool{number}") for name in ("first", "second")}
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
    layer, pictures = _layer(inputs, suffix), inputs["pictures"]
    found: dict[str, Array] = {}
    off: list[int] = []
    for name, channel, chosen in [("scores", one, pictures), ("other", other, pictures), ("again", one, pictures[:3])]:
        off = [*off, channel] if kept else [channel]
        with _mode(model, training):
            found[name] = output(_edited(model, chosen, layer, off, factors or _off))
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
    layer, pictures, change = _layer(inputs, suffix), inputs["pictures"], factors or _off
    off = [channels[: i + 1] if cumulative else channels[i : i + 1] for i in range(len(channels))]
    with _mode(model, training):
        scores = [output(_edited(model, pictures, layer, each, change)) for each in off]
    with _mode(model, False):
        afterwards = _edited(model, pictures, layer, channels[left], change)
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
    layer, backend = _layer(inputs, suffix), model.backend
    steps, rate, channel = int(inputs["steps"]) + more, float(inputs["learning_rate"]), int(inputs["channel"])
    found = {}
    for name, chosen in [("together", inputs["pictures"]), ("alone", inputs["pictures"][:1])]:
        pictures, gradients = model.check_input(chosen), []
        with _mode(model, training):
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


# -- on the protocol -------------------------------------------------------------------------------------------------


def _layer(inputs: Arrays, suffix: str) -> str:
    return f"{suffix}{int(inputs['layer']) + 1}"


@contextmanager
def _mode(model: Model, training: bool) -> Iterator[None]:
    """Evaluation mode, or training mode with the driver's seed of dropout."""
    backend = model.backend
    if not training:
        with backend.frozen(model.net):
            yield
        return
    with backend.training(model.net), backend.seeded(0):
        yield


def _activation(model: Model, pictures: Array, layer: str, training: bool = False) -> Array:
    with _mode(model, training), model.backend.no_grad():
        return model.backend.numpy(model.activation(model.tensor(model.check_input(pictures)), layer))


def _edited(
    model: Model,
    pictures: Array,
    layer: str,
    off: Sequence[int],
    factors: Callable[[Array, Sequence[int]], Array],
) -> Array:
    def change(_layer: Any, _inputs: Any, output: Any) -> Any:
        return output * model.tensor(factors(np.ones(model.backend.shape(output)), off))

    hook = model.hook(layer, post=change) if off else nullcontext()
    with model.backend.no_grad(), hook:
        return model.backend.numpy(model.scores(model.tensor(model.check_input(pictures))))


def _off(ones: Array, channels: Sequence[int]) -> Array:
    ones[:, list(channels)] = 0
    return ones


def _wrong_axis(ones: Array, channels: Sequence[int]) -> Array:
    ones[list(channels)] = 0
    return ones


def _only(ones: Array, channels: Sequence[int]) -> Array:
    return 1 - _off(ones, channels)


def _nothing(ones: Array, channels: Sequence[int]) -> Array:
    return ones


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    shares: Array = powers / powers.sum(-1, keepdims=True)
    return shares


def _adam(gradients: list[Array], rate: float) -> Array:
    mean: Any = 0.0
    square: Any = 0.0
    for gradient in gradients:
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
    count = len(gradients)
    step: Array = rate * (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
    return step


def _piled(gradients: list[Array], rate: float) -> Array:
    piled: Array = rate * np.sum(gradients, axis=0)
    return piled


def _stretched(pictures: Array, axes: Iterable[int] | None = None) -> Array:
    over = None if axes is None else tuple(axes)
    low, high = pictures.min(over, keepdims=True), pictures.max(over, keepdims=True)
    shown: Array = (pictures - low) / (high - low)
    return shown


def _channels_last(values: Array) -> Array:
    return np.moveaxis(values, 1, -1)


# -- numbers of hints ------------------------------------------------------------------------------------------------

Numbers = Mapping[str, float]


def _apart(ours: Array, theirs: Array) -> float:
    """Largest difference in percent of the largest value."""
    return float(100 * np.abs(ours - theirs).max() / (np.abs(theirs).max() or 1.0))


def _captures(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"captures": float(outputs["captures"])}


def _mates(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The picture that both calls had, with other pictures beside it."""
    return {"change": _apart(outputs["second"][0], outputs["first"][2])}


def _lowest(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"lowest": min(float(outputs[name].min()) for name in ("first", "second"))}


def _channel_count(inputs: Arrays, outputs: Arrays) -> Numbers:
    axis = outputs["first"].shape
    return {"found": axis[1], "last": axis[-1]}


def _again(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"change": _apart(outputs["again"], outputs["scores"][:3])}


def _edits_apart(inputs: Arrays, outputs: Arrays) -> Numbers:
    one, other = inputs["channels"]
    return {"one": one, "other": other, "change": _apart(outputs["other"], outputs["scores"])}


def _left(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"change": _apart(outputs["afterwards"], outputs["scores"][-1]), "channel": inputs["channels"][-1]}


def _first_channel(inputs: Arrays, outputs: Arrays) -> Numbers:
    channel = int(inputs["channels"][0])
    return {"channel": channel, "next": channel + 1}


def _total(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"total": float(outputs["scores"].reshape(-1, 5).sum(1).mean())}


def _moved(inputs: Arrays, outputs: Arrays) -> Numbers:
    start = inputs["pictures"]
    moved = np.abs(outputs["together"] - start).reshape(len(start), -1).max(1)
    return {"moved": float(moved.max()), "rate": float(inputs["learning_rate"]), "steps": int(inputs["steps"])}


def _company(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"change": _apart(outputs["together"][0], outputs["alone"][0])}


def _range(inputs: Arrays, outputs: Arrays) -> Numbers:
    pictures = outputs["together"]
    peaks = pictures.reshape(len(pictures), -1).max(1)
    return {
        "lowest": float(pictures.min()),
        "highest": float(pictures.max()),
        "image": int(peaks.argmin()),
        "peak": float(peaks.min()),
    }


def _shape(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"last": outputs["together"].shape[-1]}


def _filter(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"channel": int(inputs["channel"]), "next": int(inputs["channel"]) + 1}


# -- wrong answers ---------------------------------------------------------------------------------------------------


def _mistake(
    function: Callable[..., dict[str, Array]],
    id: str,
    credit: float,
    hint: str,
    measure: Callable[[Arrays, Arrays], Numbers] | None = None,
    **wrong: Any,
) -> Mistake:
    def compute(model: Model, inputs: Arrays) -> dict[str, Array]:
        return function(model, inputs, **wrong)

    return Mistake(id, hint, credit, compute, measure or (lambda inputs, outputs: {}))


def _edits(function: Callable[..., dict[str, Array]], evaluation: Mistake) -> list[Mistake]:
    """The mistakes that both tasks with an edited network have in common."""
    return [
        _mistake(
            function,
            "not_returned",
            0.25,
            "Scores for filter {one} and for filter {other} differ by {change:.2g} %: these are the unedited network's "
            "scores. The network goes on with what the hook returns; return the changed output."
            if function is edit
            else "Every entry holds the unedited network's scores. The network goes on with what the hook returns; "
            "return the changed output.",
            _edits_apart if function is edit else None,
            factors=_nothing,
        ),
        _mistake(
            function,
            "picture_axis",
            0.4,
            "You switched off picture {channel} and not filter {channel}: pictures are axis 0, filters axis 1.",
            _first_channel,
            factors=_wrong_axis,
        ),
        _mistake(
            function,
            "all_others_off",
            0.4,
            "Filter {channel} is the only one that is left: switch this one off and keep the others.",
            _first_channel,
            factors=_only,
        ),
        _mistake(
            function,
            "post_activation",
            0.5,
            "You edited what comes after the convolution, behind batch normalisation or the ReLU: hook the convolution "
            "itself.",
            suffix="relu",
        ),
        _mistake(
            function,
            "next_filter",
            0.5,
            "This is filter {next}, asked for was filter {channel}: channels are counted from 0.",
            _first_channel,
            shift=1,
        ),
        evaluation,
        _mistake(
            function,
            "softmax",
            0.6,
            "Each picture's scores sum to {total:.3f}: return the scores as the network gives them, without softmax.",
            _total,
            output=_softmax,
        ),
    ]


MISTAKES: dict[str, list[Mistake]] = {
    "capture_features": [
        _mistake(
            capture,
            "hook_kept",
            0.6,
            "One forward gave {captures:d} captures; remove the handle.",
            _captures,
            captures=2,
        ),
        _mistake(
            capture,
            "post_activation",
            0.4,
            "No value lies below {lowest:.2g}: this is the output after the ReLU. Hook the convolution itself.",
            _lowest,
            suffix="relu",
        ),
        _mistake(
            capture,
            "post_normalisation",
            0.4,
            "This is the output after batch normalisation. Hook the convolution itself.",
            suffix="bn",
        ),
        Mistake(
            "layer_input",
            "Your capture has {found:d} channels: this is what goes into the layer. A forward hook gets (layer, "
            "inputs, output); keep the output.",
            0.3,
            capture_input,
            _channel_count,
        ),
        _mistake(
            capture,
            "train_mode",
            0.5,
            "The picture that both calls had changes by {change:.0f} % with its batch mates; call eval().",
            _mates,
            training=True,
        ),
        _mistake(
            capture,
            "channels_last",
            0.7,
            "Your capture has {last:d} channels in its last axis: leave the layer's output as it is, (N, C, h, w).",
            _channel_count,
            change=_channels_last,
        ),
    ],
    "edit_features": [
        *_edits(
            edit,
            _mistake(
                edit,
                "train_mode",
                0.5,
                "The same pictures in a smaller batch give scores that differ by {change:.0f} %: each changes with its "
                "batch mates; call eval().",
                _again,
                training=True,
            ),
        ),
        _mistake(
            edit,
            "hook_kept",
            0.5,
            "The first call made again gives scores that differ by {change:.0f} %: the edits of earlier calls are "
            "still there; remove the handle.",
            _again,
            kept=True,
        ),
    ],
    "remove_hook": [
        *_edits(
            remove,
            _mistake(
                remove,
                "train_mode",
                0.5,
                "The scores mix the pictures of the batch: each changes with its batch mates; call eval().",
                training=True,
            ),
        ),
        _mistake(
            remove,
            "hook_kept",
            0.3,
            "After your function the network's scores differ by {change:.0f} % from those with filters switched off: "
            "the hooks are still there; remove each handle.",
            _left,
            cumulative=True,
            left=slice(3),
        ),
        _mistake(
            remove,
            "only_last_removed",
            0.4,
            "Only the last of your hooks was removed: keep every handle, or remove each before the next filter's turn.",
            cumulative=True,
            left=slice(2),
        ),
        _mistake(
            remove,
            "removed_too_late",
            0.6,
            "When filter {channel} is switched off, the ones before it are off as well: remove each handle before the "
            "next filter's turn.",
            _left,
            cumulative=True,
        ),
        _mistake(
            remove,
            "last_kept",
            0.6,
            "After your function filter {channel} is still off: remove the last handle, too.",
            _left,
            left=slice(-1, None),
        ),
    ],
    "filter_visualisation": [
        _mistake(
            visualise,
            "descent",
            0.5,
            "The pictures move by up to {moved:.2g}, but downhill: add the gradient, or let the optimiser minimise the "
            "negative sum.",
            _moved,
            move=lambda gradients, rate: -rate * gradients[-1],
        ),
        _mistake(
            visualise,
            "accumulated",
            0.5,
            "The pictures move by up to {moved:.2g}, more in each step, because the gradients of all steps so far add "
            "up; clear the gradient.",
            _moved,
            move=_piled,
        ),
        Mistake(
            "no_gradient",
            "No gradient came back to the pictures. Enable requires_grad; in Paddle stop_gradient=False.",
            0.1,
            lambda model, inputs: {"together": np.zeros(1), "alone": np.zeros(1)},
        ),
        _mistake(
            visualise,
            "unchanged",
            0.1,
            "The pictures move by {moved:.2g}: no gradient reaches them. Enable requires_grad; in Paddle "
            "stop_gradient=False.",
            _moved,
            move=lambda gradients, rate: 0 * gradients[-1],
        ),
        _mistake(
            visualise,
            "one_step_less",
            0.7,
            "You made one step less than the {steps:d} asked for.",
            _moved,
            more=-1,
        ),
        _mistake(
            visualise,
            "one_step_more",
            0.7,
            "You made one step more than the {steps:d} asked for.",
            _moved,
            more=1,
        ),
        _mistake(
            visualise,
            "mean",
            0.6,
            "The pictures move by up to {moved:.2g} only: you raised the mean of the filter's output; raise the sum.",
            _moved,
            mean=True,
        ),
        _mistake(
            visualise,
            "adam",
            0.5,
            "No value moves by more than {moved:.2g} in {steps:d} steps of {rate:.3f}, as with Adam: add the learning "
            "rate times the gradient, without an optimiser.",
            _moved,
            move=_adam,
        ),
        _mistake(
            visualise,
            "post_activation",
            0.5,
            "You raised the output after the ReLU: hook the convolution itself.",
            suffix="relu",
        ),
        _mistake(
            visualise,
            "post_normalisation",
            0.5,
            "You raised the output after batch normalisation: hook the convolution itself.",
            suffix="bn",
        ),
        _mistake(
            visualise,
            "whole_layer",
            0.4,
            "You raised all filters of the layer together: sum over filter {channel} only, activation[:, {channel}].",
            _filter,
            raised=lambda activation, channel: activation,
        ),
        _mistake(
            visualise,
            "next_filter",
            0.5,
            "This is filter {next}, asked for was filter {channel}: channels are counted from 0.",
            _filter,
            raised=lambda activation, channel: activation[:, channel + 1],
        ),
        _mistake(
            visualise,
            "train_mode",
            0.5,
            "A picture on its own comes out {change:.0f} % different: it changes with its batch mates; call eval().",
            _company,
            training=True,
        ),
        _mistake(
            visualise,
            "clipped",
            0.6,
            "All values lie between {lowest:.2g} and {highest:.2g}: do not clip the pictures.",
            _range,
            bounded=True,
        ),
        _mistake(
            visualise,
            "normalised",
            0.6,
            "Each picture runs from {lowest:.2g} to {highest:.2g}: return what the ascent reached, and normalise only "
            "to show it.",
            _range,
            finish=lambda pictures: _stretched(pictures, (1, 2, 3)),
        ),
        _mistake(
            visualise,
            "normalised_together",
            0.5,
            "Image {image} peaks at {peak:.2f}: the batch was normalised as a whole. Return what the ascent reached; "
            "to show it, normalise each image separately.",
            _range,
            finish=_stretched,
        ),
        _mistake(
            visualise,
            "channels_last",
            0.7,
            "Your pictures have {last:d} channels in their last axis: return them as they came, (N, C, H, W).",
            _shape,
            finish=_channels_last,
        ),
    ],
}

PROPERTIES: dict[str, list[Property]] = {}
