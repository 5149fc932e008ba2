"""A text with its words coloured by what they weigh, as one page that asks the network for nothing and runs no script.

Texts and names come from data: everything is escaped, and the page's policy forbids scripts and requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .canvas import INK, MUTED, NEGATIVE, PALETTE, POSITIVE

_WORDS = re.compile(r"(\W+)")
_FAINTEST, _STRONGEST = 0.10, 0.50
"""Opacity of the colours; at the strongest, dark text still has a contrast of more than 5 to 1."""


@dataclass(frozen=True)
class TextPanel:
    """The text once, under one set of weights.

    Attributes
    ----------
    title : str
        Such as "for the class music".
    weights : mapping of str to float
        By word; words without a weight, or with the weight 0, are not coloured.
    """

    title: str
    weights: Mapping[str, float]


def text_page(
    text: str,
    panels: Sequence[TextPanel],
    title: str,
    probabilities: Sequence[tuple[str, float]] = (),
    probabilities_title: str = "predicted probability",
) -> str:
    """Write the page.

    Parameters
    ----------
    text : str
        A word is what stands between characters that are no letters, digits or underscores.
    panels : sequence of TextPanel
        The text is shown once for each. A panel's heaviest weight has the full colour.
    title : str
        The page's title.
    probabilities : sequence of (str, float)
        Class names and probabilities, shown as bars.
    probabilities_title : str
        Above the bars.

    Returns
    -------
    str
        A whole HTML document. Signs are told by colour, by the kind of underline and in words.

    Raises
    ------
    InputError
        If a weight is NaN or infinite.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("text.html.j2").render(
        title=title,
        probabilities=list(probabilities),
        probabilities_title=probabilities_title,
        panels=[_panel(text, panel) for panel in panels],
        shade=_shade,
        ink=INK,
        muted=MUTED,
        bar=PALETTE[2],
        positive=POSITIVE,
        negative=NEGATIVE,
    )


def page_height(text: str, panels: int, most: int = 900) -> int:
    """Pixels in which the page is likely to fit, at most `most`; what does not fit scrolls."""
    lines = sum(1 + len(line) // 70 for line in text.split("\n"))
    return min(most, 190 + panels * (130 + 25 * lines))


def _panel(text: str, panel: TextPanel) -> dict[str, Any]:
    weights = {word: float(weight) for word, weight in panel.weights.items() if weight != 0}
    if not np.isfinite(list(weights.values())).all():
        raise InputError(f"The weights of '{panel.title}' hold NaN or infinite values.", "Explain the text again.")
    heaviest = max(map(abs, weights.values()), default=1.0)
    order = sorted(weights, key=lambda word: -abs(weights[word]))
    return {
        "title": panel.title,
        "lists": [
            (heading, [(word, _written(weights[word])) for word in order if sign * weights[word] > 0])
            for heading, sign in (("For", 1), ("Against", -1))
        ],
        "pieces": [_piece(piece, weights.get(piece), heaviest) for piece in _WORDS.split(text) if piece],
    }


def _piece(text: str, weight: float | None, heaviest: float) -> dict[str, Any]:
    if weight is None:
        return {"text": text, "weight": None}
    return {
        "text": text,
        "weight": _written(weight),
        "kind": "for" if weight > 0 else "against",
        "colour": POSITIVE if weight > 0 else NEGATIVE,
        "strength": abs(weight) / heaviest,
    }


def _written(weight: float) -> str:
    return f"{weight:+.3g}".replace("-", "−")


def _shade(colour: str, strength: float) -> str:
    """The colour as CSS, the fainter the smaller the strength in 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgb({red} {green} {blue} / {_FAINTEST + (_STRONGEST - _FAINTEST) * strength:.2f})"
