"""Every error that twinlens raises on purpose: one line that names the cause and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TwinlensError(Exception):
    """Base class of all errors that the user can mend.

    Parameters
    ----------
    cause : str
        What is wrong, with the value that is wrong.
    cure : str
        What to do about it. Both are joined into one line of text.

    Notes
    -----
    The command line prints the text without a traceback and exits with code 2.
    """

    def __init__(self, cause: str, cure: str = "") -> None:
        self.cause = " ".join(str(cause).split())
        self.cure = " ".join(str(cure).split())
        super().__init__(f"{self.cause} {self.cure}".strip())


class BackendError(TwinlensError):
    """A framework is not installed, not known, or two of them were mixed in one call."""


class MissingPackageError(TwinlensError):
    """An optional package that this call needs is not installed."""


class DeviceError(TwinlensError):
    """The device asked for does not exist on this machine or in this build of the framework."""


class InputError(TwinlensError):
    """The input has the wrong shape or type, or holds NaN or infinite values."""


class TargetError(TwinlensError):
    """The target is not an output of the model."""


class LayerError(TwinlensError):
    """The layer does not exist, was not reached, or was reached more than once."""


class ModelError(TwinlensError):
    """The model cannot be built or run, or returns something that cannot be explained."""


class NoGradientError(ModelError):
    """No gradient arrives at the input: the graph is cut, or the score does not depend on it."""


class NonFiniteError(ModelError):
    """The model's scores or gradients hold NaN or infinite values."""


class WeightsError(TwinlensError):
    """Weights and model do not fit: names, shapes or kinds differ."""


class CheckpointError(TwinlensError):
    """A weights file is missing, truncated, or not of a format that can be read."""


class UnsafeCheckpointError(CheckpointError):
    """A weights file holds more than arrays and plain containers; nothing of it was run."""


class DataError(TwinlensError):
    """A folder, picture or table cannot be used."""


class ConfigError(TwinlensError):
    """A configuration file or an option has a wrong key or value."""


class MethodError(TwinlensError):
    """The explanation method does not exist, or does not hold for this model or these parameters."""


def suggest(name: object, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant, or list them all.

    Parameters
    ----------
    name : object
        What the user wrote.
    known : iterable of str
        What would have been accepted.

    Returns
    -------
    str
        ``"Did you mean 'x'?"``, or the (shortened) list of what there is.
    """
    names = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    if not names:
        return "There is none to choose from."
    shown = ", ".join(names[:20])
    return f"Choose one of: {shown}{', ...' if len(names) > 20 else ''}."
