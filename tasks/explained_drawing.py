"""How the regions and maps of one method are drawn beside their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Model
from ..errors import ConfigError, suggest
from ..figures import as_picture, heat, overlay, regions, signed
from ..figures.palettes import PALETTES, Palette
from ..figures.panels import PanelRow, panels
from ..methods import Explanation, get_method
from .asked import class_name
from .explained_regions import Regions, strongest
from .output import Output

SHOWN = ("both", "positive", "none")

_ROWS = 6
_PER_PIXEL = ("partition_shap", "xrai")
# Small pictures are enlarged to so many pixels before lines are drawn into them.
_FINE = 192


@dataclass(frozen=True)
class Drawing:
    """How regions are drawn.

    Attributes
    ----------
    show : {"both", "positive", "none"}
        Regions for and against the class, those for it alone, or only the map.
    count : int
        At most so many.
    least : float
        Weights nearer to 0 are left out.
    hide_rest : bool
        Blank what is not among them.
    palette : str
        See `PALETTES`.
    """

    show: str = "both"
    count: int = 5
    least: float = 0.0
    hide_rest: bool = False
    palette: str = "green-red"

    def check(self) -> None:
        """Raise `ConfigError` if a choice does not exist."""
        for option, value, known in (
            ("--regions", self.show, SHOWN),
            ("--palette", self.palette, tuple(PALETTES)),
        ):
            if value not in known:
                raise ConfigError(f"{option} cannot be '{value}'.", suggest(value, known))
        if self.count < 1:
            raise ConfigError(f"--num-regions {self.count} shows nothing.", "Use 1 or more, or --regions none.")
        if not self.least >= 0:
            raise ConfigError(f"--min-weight {self.least:g} is below 0.", "Use 0 or more: it is held against sizes.")

    def chosen(self, found: Regions) -> dict[int, float]:
        """The regions that are drawn with their weights."""
        return self.strongest(found, self.show)

    def strongest(self, found: Regions, show: str) -> dict[int, float]:
        """The strongest regions of all, or those for the class, of those that say something."""
        return strongest(found.told(), show, self.count, self.least)


@dataclass(frozen=True)
class Subject:
    """What was explained: per picture its name, its class, and the class's probability by framework."""

    names: Sequence[str]
    targets: Sequence[int]
    probabilities: Mapping[str, Any]
    model: Model

    def words(self, backend: str, index: int) -> str:
        """Name and probability of the explained class."""
        target = self.targets[index]
        return f"{class_name(self.model, target)}, probability {self.probabilities[backend][index, target]:.3f}"


def draw(
    method: str,
    made: Mapping[str, Explanation],
    found: Mapping[str, Sequence[Regions | None]],
    subject: Subject,
    drawing: Drawing,
    output: Output,
) -> list[Path]:
    """Draw every picture with what one method found in it on every framework; returns the files of the figures.

    Parameters
    ----------
    method : str
    made : dict of str to Explanation
        By framework.
    found : dict of str to list of (Regions or None)
        By framework, one a picture; empty where the values do not lie over the pictures.
    subject : Subject
    drawing : Drawing
    output : Output
    """
    shared = any("concepts" in each.extras for each in made.values())
    # What is told of a class, and not of one sample, weighs and does not speak against it.
    weighed = get_method(method).scope == "global"
    if weighed and drawing.show == "both":
        drawing = replace(drawing, show="positive")
    palette, rows = PALETTES[drawing.palette], []
    for index, picture_name in enumerate(subject.names):
        for name, each in made.items():
            if not found[name]:
                continue
            if "concepts" in each.extras:
                rows += _concepts(each, index, f"{picture_name} · {name}")
                continue
            pictures, values = _forms(each, index, found[name][index], drawing)
            note = f"{subject.words(name, index)}{_error(each, index)}"
            rows.append(PanelRow(f"{picture_name} · {name}", note, pictures, values))
    if not rows:
        return []
    regional = any(several and several[0] is not None for several in found.values())
    verb = "matters to" if weighed else "speaks for"
    columns, legend = _words(method, drawing, palette, regional, verb)
    title = f"{method.replace('_', ' ')}: {'what the pictures share' if shared else f'what {verb} the class'}"
    paths = []
    for page, start in enumerate(range(0, len(rows), _ROWS)):
        figure = panels(rows[start : start + _ROWS], columns, title, palette, legend)
        paths.append(output.figure(figure, method if page == 0 else f"{method}_{page + 1}"))
    return paths


def _concepts(explanation: Explanation, index: int, title: str) -> list[PanelRow]:
    """A row per concept of one picture: the map is laid over it as strong as it is beside those of all pictures."""
    picture = np.asarray(explanation.inputs[index])
    enlarged, rows = _enlarged(as_picture(picture)), []
    for number, maps in enumerate(np.moveaxis(explanation.values, 1, 0)):
        over = _enlarged(overlay(picture, maps[index] / (maps.max() or 1)))
        rows.append(PanelRow(f"{title} · concept {number}", _error(explanation, index), [enlarged, over], maps[index]))
    return rows


def _forms(explanation: Explanation, index: int, found: Regions | None, drawing: Drawing) -> tuple[list[Any], Any]:
    """The picture in its forms, and the map."""
    palette = PALETTES[drawing.palette]
    picture, values = np.asarray(explanation.inputs[index]), np.asarray(explanation.values[index : index + 1])
    enlarged = _enlarged(as_picture(picture))
    if found is None:
        if _is_signed(values):
            strength = signed(values, percentile=99.0)[0]
            return [enlarged, _enlarged(overlay(picture, strength, palette.cmap()))], strength
        strength = heat(values)[0]
        return [enlarged, _enlarged(overlay(picture, strength))], strength
    segments = _enlarged(found.segments)

    def shaded(chosen: Mapping[int, float]) -> Any:
        many = len(chosen)
        return regions(enlarged, segments, chosen, many, many, hide_rest=drawing.hide_rest, palette=palette)

    forms = [enlarged]
    if drawing.show != "none":
        forms.append(shaded(drawing.strongest(found, "positive")))
    if drawing.show == "both":
        forms.append(shaded(drawing.strongest(found, "both")))
    return forms, values[0].sum(axis=0)


def _words(
    method: str, drawing: Drawing, palette: Palette, regional: bool, verb: str
) -> tuple[list[str], list[tuple[bool, str]]]:
    """Titles of the columns, and the legend."""
    if not regional:
        return ["picture", "map over the picture", "map"], []
    columns, legend = ["picture"], []
    if drawing.show != "none":
        columns.append(f"the {drawing.count} strongest{' for it' if verb == 'speaks for' else ''}")
        legend.append((True, f"{palette.words[0]}, unbroken border: {verb} the class"))
    if drawing.show == "both":
        columns.append(f"the {drawing.count} strongest")
        legend.append((False, f"{palette.words[1]}, dashed border: speaks against it"))
    return [*columns, "weights, per pixel" if method in _PER_PIXEL else "weights of all regions"], legend


def _enlarged(pixels: Any) -> Any:
    times = max(1, -(-_FINE // min(pixels.shape[:2])))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _error(explanation: Explanation, index: int) -> str:
    error = explanation.error
    if error is None:
        return ""
    relative = error.relative
    value = error.values[index] if relative is None else relative[index]
    return f" · {error.name} {float(value):.2g}{'' if relative is None else ' relative'}"


def _is_signed(values: Any) -> bool:
    """Whether a map with one channel has both signs; of colour channels the strength is shown."""
    return values.shape[1] == 1 and bool(values.min() < 0 < values.max())
