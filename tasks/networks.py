"""The network of a part, built on every framework asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from ..backends import Model
from ..comparison.twin import twin
from ..errors import BackendError, ConfigError, ModelError, TwinlensError, WeightsError
from ..models import load_model
from ..models.libraries import LIBRARIES
from ..models.user_file import described
from .config import ModelChoice

_SAY_SIZE = "Say it with --size, or with data.size in a configuration."


def first_backend(choice: ModelChoice, backends: Sequence[str]) -> str:
    """The framework to build on first: of those asked for, the one that the network's name allows.

    Raises
    ------
    ConfigError
        If the network belongs to a framework that was not asked for.
    """
    library = LIBRARIES.get(choice.name.partition(":")[0])
    if library is None:
        return backends[0]
    if library.backend not in backends:
        raise ConfigError(
            f"The network '{choice.name}' needs the framework '{library.backend}'.",
            f"Use --backend {library.backend} or both.",
        )
    return library.backend


def outputs_for(choice: ModelChoice, classes: Sequence[str]) -> int | None:
    """How many outputs to build a network with that learns these classes; None for its own default.

    A function in the user's file is not asked for a number that the configuration does not name.
    """
    return choice.classes or (None if ".py:" in choice.name else len(classes) or None)


def build(
    choice: ModelChoice, backend: str, classes: int | None, seed: int, device: str, weights: str | None = None
) -> Model:
    """Load the network on one framework.

    Raises
    ------
    ConfigError
        If it belongs to the other framework.
    """
    try:
        return load_model(
            choice.name, weights, backend=backend, classes=classes, seed=seed, device=device, **choice.options
        )
    except BackendError as error:
        other = "paddle" if backend == "torch" else "torch"
        raise ConfigError(
            error.cause, f"Use --backend {other}, or write the function as f(nn, ...), which builds it on both."
        ) from error


def counterpart(first: Model, backend: str) -> Model:
    """Build the same network on the other framework and give it the same weights.

    Raises
    ------
    ConfigError
        If there is none that computes the same.
    """
    try:
        return twin(first, backend)
    except (ModelError, WeightsError, BackendError) as error:
        raise ConfigError(
            f"'{first.name}' has no counterpart on {backend}: {error.cause}", f"Use --backend {first.backend.name}."
        ) from error


def outputs(model: Model, image: npt.NDArray[Any]) -> int:
    """Run the network once and say how many class scores it returns.

    Raises
    ------
    ModelError
        If it does not run on such a picture, be it the user's own code that fails.
    """
    try:
        return int(model.probabilities(image[None]).shape[1])
    except TwinlensError:
        raise
    except Exception as error:
        raise ModelError(
            f"'{model.name}' fails on a picture of shape {image.shape}: {described(error)}.",
            f"Run it in Python alone first. {_SAY_SIZE}",
        ) from error


def picture_size(model: Model, size: int | None) -> int:
    """Height and width of the pictures: those asked for, or the network's own, which it is told if it has none.

    Raises
    ------
    ConfigError
        If the network does not take pictures, or the size is not known.
    """
    shape: Any = model.input_shape
    if shape is None:
        if size is None:
            raise ConfigError(f"The picture size that '{model.name}' wants is not known.", _SAY_SIZE)
        shape = model.input_shape = (3, size, size)
    if len(shape) != 3:
        raise ConfigError(f"'{model.name}' does not take pictures.", "Choose another network.")
    return int(shape[-1]) if size is None else size
