"""An interactive page: point at a token of the output, and the input lights up by what made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from ..methods.perturbation.token_attributions import TokenAttributions


def token_page(
    found: Mapping[str, TokenAttributions],
    title: str,
    names: tuple[str, str] = ("input", "output"),
    unit: str = "log-odds of the output token",
) -> str:
    """Write a page on which every token can be pointed at, clicked, or reached with the keyboard.

    Parameters
    ----------
    found : mapping of str to TokenAttributions
        What to show, one below the other, by title.
    title : str
        The page's title.
    names : tuple of 2 str
        What the tokens of input and output are called.
    unit : str
        What the values are parts of.

    Returns
    -------
    str
        A whole HTML document that asks nothing of the network and works in a sandbox. Tokens are escaped; the script
        gets numbers only.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("tokens.html.j2").render(
        title=title,
        names=names,
        unit=unit,
        blocks=[{"title": name, "tokens": each.tokens, "output": each.output} for name, each in found.items()],
        numbers=[_numbers(each) for each in found.values()],
        positive=POSITIVE,
        negative=NEGATIVE,
        positive_rgb=_rgb(POSITIVE),
        negative_rgb=_rgb(NEGATIVE),
    )


def page_height(found: Mapping[str, TokenAttributions]) -> int:
    """Pixels that the page needs in a wide window, about 25 tokens a line."""
    lines = sum(-(-len(each.tokens) // 25) + -(-len(each.output) // 25) for each in found.values())
    return 75 + 72 * len(found) + 54 * lines


def _numbers(found: TokenAttributions) -> dict[str, Any]:
    return {
        "values": np.round(found.values, 4).tolist(),
        "scores": np.round(found.scores, 4).tolist(),
        "base": np.round(found.base, 4).tolist(),
        "largest": float(np.abs(found.values).max()) or 1.0,
    }


def _rgb(colour: str) -> str:
    return ", ".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
