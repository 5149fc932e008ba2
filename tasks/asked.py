"""What a command was asked for in words: settings, classes and backgrounds, as the methods take them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backends import Model
from ..errors import ConfigError, MethodError, TargetError, suggest
from ..methods import Method
from .config_file import setting_value

_GUESSES = 3


def parsed_settings(settings: Sequence[str], methods: Sequence[Method]) -> dict[str, Any]:
    """Parameters of the methods from ``NAME=VALUE``, where the values are YAML.

    ``NAME.KEY=VALUE`` is one entry of a parameter that has names itself, such as ``segment_options.cells=4``.

    Raises
    ------
    ConfigError, MethodError
        If one is not written so, or no method has it.
    """
    known = {name for method in methods for name in method.defaults}
    given: dict[str, Any] = {}
    for setting in settings:
        place, equals, text = setting.partition("=")
        name, dot, key = place.partition(".")
        if not equals or not name or (dot and not key):
            raise ConfigError(f"--set {setting} is not a setting.", "Write --set name=value, such as steps=100.")
        if name not in known:
            raise MethodError(f"No chosen method has a parameter '{name}'.", suggest(name, known))
        value = setting_value(setting, text)
        # The layers of a sequence have numbers as their names.
        if (key or name) == "layer" and _is_number(value):
            value = text.strip()
        elif (key or name) == "layers" and isinstance(value, list):
            value = [str(layer) if _is_number(layer) else layer for layer in value]
        if not dot:
            given[name] = value
        elif isinstance(entries := given.setdefault(name, {}), dict):
            entries[key] = value
        else:
            raise ConfigError(f"--set {setting} is an entry of {name}={entries}.", "Leave one of the two out.")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def own_params(method: Method, given: Mapping[str, Any], seed: int, background: Any) -> dict[str, Any]:
    """Those of the parameters that a method has, with the seed and the background pictures where it takes them.

    Raises
    ------
    MethodError
        If it needs background pictures and there are none, or pictures of concepts.
    """
    if "concepts" in method.defaults:
        raise MethodError(
            f"The method '{method.name}' learns from pictures of concepts, which no option of the command line names.",
            "Call it from Python: twinlens.explain(..., concepts={name: pictures}, random=pictures).",
        )
    own: dict[str, Any] = {"seed": seed} if "seed" in method.defaults else {}
    if "background" in method.defaults:
        if background is not None:
            own["background"] = background
        elif method.defaults["background"] is inspect.Parameter.empty:
            raise MethodError(
                f"The method '{method.name}' compares with other pictures.", "Name some with --background FILE."
            )
    return own | {name: value for name, value in given.items() if name in method.defaults}


def class_numbers(target: str | None, model: Model, probabilities: Any) -> list[int]:
    """The class to explain per sample: a number or name for all of them, or each one's predicted class.

    Raises
    ------
    TargetError
        If the network has no such class.
    """
    count, classes = probabilities.shape
    if target is None:
        return [int(best) for best in probabilities.argmax(axis=1)]
    names = model.labels or []
    number = int(target) if re.fullmatch("-?[0-9]{1,18}", target) else None
    if target in names:
        named = names.index(target)
        if number not in (None, named) and number in range(classes):
            raise TargetError(
                f"'{target}' is the name of class {named}, and the number of class {number}, named '{names[number]}'.",
                f"Give the classes names that are no numbers, such as 'class {target}', or none.",
            )
        return [named] * count
    if number is None:
        cure = suggest(target, names) if names else "Its classes have no names: give a number."
        raise TargetError(f"There is no class '{target}'.", cure)
    if number not in range(classes):
        raise TargetError(f"There is no class {number}.", f"The network has classes 0 to {classes - 1}.")
    return [number] * count


def best_guesses(model: Model, probabilities: Any) -> list[dict[str, Any]]:
    """The most probable classes of one sample, the best first."""
    best = np.argsort(-probabilities)[:_GUESSES]
    return [{"class": int(i), "name": class_name(model, int(i)), "probability": float(probabilities[i])} for i in best]


def class_name(model: Model, label: int) -> str:
    """Name of a class, or its number in words."""
    return model.labels[label] if model.labels and label < len(model.labels) else f"class {label}"
