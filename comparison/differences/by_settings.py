"""Experiments with layers whose settings or kinds differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from .case import Case, Trial, differing
from .lab_elementwise import ELEMENTWISE
from .laboratory import Recipe
from .settings import TRAINING

_TITLES = {
    "eps": "epsilon",
    "approximate": "GELU approximation",
    "padding_mode": "padding mode",
    "mode": "mode",
    "windows_in_padding": "ceil_mode",
    "output_size": "output size",
    "kernel_size": "kernel size",
    "negative_slope": "slope",
    "dim": "axis",
    "act": "fused activation",
}


def settings(case: Case) -> Iterator[Trial]:
    """B's layer with A's value of one setting, of two, of all that differ."""
    a, b = case.a.recipe, case.b.recipe
    if a is not None and b is not None and a.family == b.family:
        yield from settings_of(a, b, case)


def settings_of(a: Recipe, b: Recipe, case: Case) -> Iterator[Trial]:
    """The same for two recipes, of layers or of functions."""
    x = case.inputs[0]
    names = [name for name in differing(a.settings, b.settings) if a.family == "dropout" or name not in TRAINING]
    base = b.compute(x)
    for count in sorted({1, 2, len(names)} & set(range(1, len(names) + 1))):
        for chosen in combinations(names, count):
            changed = b.changed(**{name: a.settings[name] for name in chosen}).compute(x)
            if base is not None and changed is not None:
                yield Trial(_title(a, chosen[0]), _text(a, b, chosen, case), changed, base)


def _title(recipe: Recipe, name: str) -> str:
    if recipe.family == "dropout":
        return "dropout mode"
    if recipe.family == "upsample" and name == "mode":
        return "interpolation mode"
    return _TITLES.get(name, name)


def _text(a: Recipe, b: Recipe, names: tuple[str, ...], case: Case) -> str:
    if names == ("windows_in_padding",):
        ragged = case.a if a.settings["windows_in_padding"] else case.b
        return f"ceil_mode keeps windows that begin in the padding in {ragged.title} alone"
    said = [
        f"{name}={_said(a.settings[name])} in {case.a.title}, {_said(b.settings[name])} in {case.b.title}"
        for name in names
        if name != "windows_in_padding"
    ]
    return "; ".join(said)


def _said(value: Any) -> str:
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def kinds(case: Case) -> Iterator[Trial]:
    """Layers of two different kinds, each doing what its kind does."""
    a, b = case.a.recipe, case.b.recipe
    if a is not None and b is not None and a.family != b.family:
        yield kinds_of(a, b, case)


def kinds_of(a: Recipe, b: Recipe, case: Case) -> Trial:
    """The same for two recipes, of layers or of functions."""
    x = case.inputs[0]
    missing = next((side for side, recipe in ((case.a, a), (case.b, b)) if recipe.family == "identity"), None)
    activations = a.family in ELEMENTWISE and b.family in ELEMENTWISE
    cause = ("missing activation" if missing else "activation") if activations else "other operation"
    text = f"{described(a)} in {case.a.title}, {described(b)} in {case.b.title}"
    return Trial(cause, text, a.compute(x), b.compute(x))


def described(recipe: Recipe) -> str:
    """A recipe in a few words."""
    if recipe.family == "identity":
        return "nothing"
    values = ", ".join(f"{name}={_said(value)}" for name, value in recipe.settings.items() if value is not None)
    return f"{recipe.family.replace('_', ' ')}{f' ({values})' if values else ''}"


def batch_statistics(case: Case) -> Iterator[Trial]:
    """B's batch norm with the statistics of the batch, as in training."""
    a, b = case.a.recipe, case.b.recipe
    if a is not None and b is not None and a.family == b.family == "batch_norm":
        x = case.inputs[0]
        text = f"{case.b.title} normalises with the statistics of the batch, as in training"
        for base in (b, b.changed(weights=a.weights, eps=a.settings["eps"])):
            yield Trial("batch statistics", text, a.compute(x), base.changed(statistics="batch").compute(x))
    for extra in case.a.runs:
        if extra.recipe.family == "batch_norm":
            text = f"{case.b.title} does not run '{extra.name}', but normalises with the statistics of the batch"
            guess = extra.recipe.changed(statistics="batch").compute(extra.entered)
            yield Trial("batch statistics", text, extra.left, guess)


def all_that_differs(case: Case) -> Iterator[Trial]:
    """Settings and weights together."""
    a, b = case.a.recipe, case.b.recipe
    if a is None or b is None or a.family != b.family:
        return
    names = tuple(name for name in differing(a.settings, b.settings) if name not in TRAINING)
    if names and a.weights:
        text = f"{_text(a, b, names, case)}; and weights differ"
        yield Trial("settings and weights", text, a.compute(case.inputs[0]), b.compute(case.inputs[0]))
