"""The classifier that ``twinlens explain`` asks, as its user describes it, on every framework asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..backends import Model
from ..errors import ConfigError, ModelError, TwinlensError, WeightsError
from ..models.class_names import read_class_names
from ..models.colours import normalisation
from ..models.scores import read_outputs
from ..models.user_file import described
from .config import ModelChoice
from .networks import build, counterpart, first_backend, picture_size
from .setup import Say

_USUAL_SIZE = 224


@dataclass(frozen=True)
class Classifier:
    """A network and what is known of it.

    Attributes
    ----------
    spec, weights
        As for `load_model`.
    classes : int or None
        Number of outputs; the network's own when left out.
    labels : str or None
        Names of the classes, see `read_class_names`.
    size : int or None
        Side of the pictures.
    mean, std : str or None
        See `normalisation`. They stand in place of what the network normalises by itself.
    outputs : {"logits", "probabilities"} or None
        See `read_outputs`.
    """

    spec: str
    weights: str | None = None
    classes: int | None = None
    labels: str | None = None
    size: int | None = None
    mean: str | None = None
    std: str | None = None
    outputs: str | None = None


def first_network(asked: Classifier, backends: Sequence[str], seed: int, device: str, say: Say) -> tuple[Model, int]:
    """Build the network on the first framework that it can be built on; also the side of its pictures.

    Raises
    ------
    TwinlensError
        If something that is said of it is wrong.
    """
    labels = None if asked.labels is None else read_class_names(asked.labels)
    colours = normalisation(asked.mean, asked.std)
    choice = ModelChoice(name=asked.spec, weights=asked.weights)
    try:
        model = build(choice, first_backend(choice, backends), asked.classes, seed, device, asked.weights)
    except WeightsError as error:
        raise WeightsError(error.cause, f"{error.cure} --classes builds another number of outputs.") from error
    if labels is not None:
        model.labels = labels
    if colours is not None:
        model.preprocess = colours
    if model.input_shape is None and asked.size is None:
        say(f"{model.name} does not say how large its pictures are: {_USUAL_SIZE} pixels (SIZE in its file, or --size)")
        model.input_shape = (3, _USUAL_SIZE, _USUAL_SIZE)
    return model, picture_size(model, asked.size)


def on_every_framework(
    first: Model, asked: Classifier, backends: Sequence[str], images: npt.NDArray[Any], say: Say
) -> dict[str, Model]:
    """The network on all frameworks, with the meaning of its outputs settled.

    Raises
    ------
    TwinlensError
        If it fails on the pictures, its class names are more or fewer than its outputs, or it has no counterpart.
    """
    reading = read_outputs(first, _raw(first, images), asked.outputs)
    models = {first.backend.name: first}
    for other in backends:
        if other not in models:
            models[other] = counterpart(first, other)
    for model in models.values():
        model.output = reading.output
    outputs = first.forward(images[:1]).shape[1]
    if first.labels is not None and len(first.labels) != outputs:
        raise ConfigError(
            f"There are {len(first.labels)} class names ({', '.join(first.labels[:4])}"
            f"{', ...' if len(first.labels) > 4 else ''}) for the {outputs} classes of '{first.name}'.",
            f"Name {outputs}, or build the network with --classes {len(first.labels)}.",
        )
    if reading.note:
        say(reading.note)
    return {name: models[name] for name in backends}


def _raw(model: Model, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What the network returns for the pictures; whatever the user's own code raises is told in one line."""
    if model.preprocess is not None:
        _check_preprocess(model, images)
    try:
        raw = model.forward(images)
        if raw.ndim == 2:
            model.predict(images[:1])  # refuses scores that are not finite
    except TwinlensError:
        raise
    except Exception as error:
        raise ModelError(
            f"'{model.name}' fails on pictures of shape {images.shape}: {described(error)}.",
            "Run it in Python alone first, or choose another --size.",
        ) from error
    if raw.ndim != 2:
        raise ModelError(
            f"'{model.name}' returns scores of shape {raw.shape}: it is no classifier.",
            "Let its function return a network with one score a class, (N, classes).",
        )
    return raw


def _check_preprocess(model: Model, images: npt.NDArray[Any]) -> None:
    assert model.preprocess is not None
    try:
        with model.backend.no_grad():
            made = model.preprocess(model.tensor(model.check_input(images[:1])))
    except TwinlensError:
        raise
    except Exception as error:
        raise ModelError(
            f"preprocess of '{model.name}' fails on a tensor of shape {(1, *images.shape[1:])}: {described(error)}.",
            "It gets tensors of 0..1, (N, 3, H, W); for a normalisation alone write MEAN and STD, or pass --mean and"
            " --std.",
        ) from error
    if not model.backend.is_tensor(made):
        raise ModelError(
            f"preprocess of '{model.name}' returns a {type(made).__name__}.", "Let it return a tensor (N, C, H, W)."
        )
