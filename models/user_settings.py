"""What a user's own Python file says of its network besides the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..backends.protocol import Tensor
from ..errors import ConfigError, ModelError
from .class_names import checked_names
from .colours import normalisation


@dataclass(frozen=True)
class UserSettings:
    """What a file says of its network.

    Attributes
    ----------
    labels : tuple of str or None
    input_shape : tuple of int or None
        Of one picture.
    preprocess : callable or None
        From pictures of 0..1 to what the network takes, on native tensors (N, 3, H, W).
    """

    labels: tuple[str, ...] | None = None
    input_shape: tuple[int, ...] | None = None
    preprocess: Callable[[Tensor], Tensor] | None = None


def settings_of(module: ModuleType, path: str) -> UserSettings:
    """Read the settings of a user's file.

    They are ``LABELS`` (names of the classes), ``SIZE`` (side of the pictures), ``MEAN`` and ``STD`` (of the colours,
    for pictures of 0..1), or instead of these two a function ``preprocess`` of native tensors (N, 3, H, W).

    Parameters
    ----------
    module : module
        The file, which has run.
    path : str
        Its name, for the errors.

    Raises
    ------
    ModelError
        If one of them is not what its name says.
    """
    said = vars(module)
    preprocess = said.get("preprocess")
    if preprocess is not None and not callable(preprocess):
        raise ModelError(
            f"'preprocess' in '{path}' is a {type(preprocess).__name__}.", "Make it a function of tensors (N, 3, H, W)."
        )
    try:
        labels = tuple(checked_names(said["LABELS"], f"LABELS of {path}")) if "LABELS" in said else None
        colours = normalisation(said.get("MEAN"), said.get("STD"))
    except ConfigError as error:
        raise ModelError(f"In '{path}': {error.cause}", error.cure) from error
    if colours is not None and preprocess is not None:
        raise ModelError(f"'{path}' has preprocess beside MEAN and STD.", "Keep one: preprocess can do all of it.")
    return UserSettings(labels, _shape(said.get("SIZE"), path), preprocess or colours)


def _shape(size: Any, path: str) -> tuple[int, ...] | None:
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ModelError(f"SIZE={size!r} in '{path}' is not a number of pixels.", "Write SIZE = 224.")
    return (3, size, size)
