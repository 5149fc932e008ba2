"""How explained words are shown: a page to point at, heat maps and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....figures.report import FigureItem, HtmlItem, Row, TableItem
from ....files import write_whole
from ..base import Context
from .settings import Seq2Seq
from .words import Found, agreement, largest

if TYPE_CHECKING:
    from ....methods.perturbation.token_attributions import TokenAttributions

_NAMES = ("letters", "sounds")
_HIDDEN = {
    "remove": "left out, as if the word were shorter",
    "unknown": "replaced by the network's symbol for an unknown letter",
    "padding": "replaced by the network's padding symbol",
}


def page_row(found: Found, settings: Seq2Seq, context: Context) -> Row:
    """Write the interactive page, of the first framework's values."""
    from ....figures.token_html import page_height, token_page

    shown = _shown(found)
    html = token_page(shown, "Which letters make which sound", _NAMES, "log-odds of the sound")
    page = write_whole(context.output.folder / "figures" / "seq2seq_words.html", html.encode())
    caption = f"Values on {context.backends[0]}. Hidden letters are {_HIDDEN[settings.mask]}."
    return Row([HtmlItem("Point at a sound", page, page_height(shown), caption)])


def figure_rows(found: Found, context: Context) -> list[Row]:
    """Write a heat map of each word, and the explanations of every framework."""
    from ....figures.token_heatmap import token_heatmap

    figures = []
    for word, each in _shown(found).items():
        path = context.output.figure(token_heatmap(each, word, _NAMES), f"seq2seq_{word}")
        figures.append(FigureItem(path, word, "What each letter adds to the log-odds of each sound; framed: the most."))
        for backend, attributions in found[word].items():
            attributions.save(context.output.folder / "explanations" / f"seq2seq_{word}_{backend}.npz")
    return [Row(figures[start : start + 2]) for start in range(0, len(figures), 2)]


def letters_row(found: Found) -> Row:
    """The letter that adds most to each sound."""
    rows = []
    for word, each in _shown(found).items():
        for place, sound in enumerate(each.output):
            top = each.top(place)
            marked = f"{word[:top]}[{word[top]}]{word[top + 1 :]}"
            rows.append([word, sound, marked, each.values[top, place], each.standard_error[top, place]])
    columns = ["word", "sound", "letter", "adds", "standard error"]
    caption = "In square brackets the letter that adds most to the sound, and how much (log-odds)."
    return Row([TableItem("The letter behind each sound", columns, rows, caption)])


def checks_table(found: Found) -> TableItem:
    """How the values were computed, and what is known of their errors."""
    rows = []
    for word, each in found.items():
        shown, parted = next(iter(each.values())), agreement(each)
        residual = max(largest(one.residual) for one in each.values())
        difference = None if parted is None else parted["largest_difference"]
        error = largest(shown.standard_error)
        rows.append([word, " ".join(shown.output), shown.method, shown.evaluations, residual, error, difference])
    columns = ["word", "is said", "method", "inputs run", "residual", "standard error", "difference"]
    caption = (
        "Residual: what a sound's values miss of the score that they share out. Standard error: the largest one. "
        "Difference: the largest one between the frameworks' values. All are log-odds, in single precision."
    )
    return TableItem("Checks", columns, rows, caption)


def _shown(found: Found) -> dict[str, TokenAttributions]:
    """Of each word the first framework's values, which the others repeat up to rounding."""
    return {word: next(iter(each.values())) for word, each in found.items()}
