"""Texts, explained token by token through a translation or summary model of the package transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.report import FigureItem, HtmlItem, Row, Section, TableItem
from ....files import write_whole
from ..base import Context
from .settings import Texts

if TYPE_CHECKING:
    from ....methods.perturbation.token_attributions import TokenAttributions
    from ....models.hugging_face import TextToText

_ABOUT = """Each token of the output is a game of its own, in which the tokens of the input are the players. A \
coalition is worth the log-odds of that token when the model reads only those tokens and has said what \
comes before. """
_METHODS = {
    "partition": "Neighbouring tokens are divided into halves, and these again, as far as the allowed number of runs "
    "goes (Owen values, the hierarchy of partition SHAP).",
    "exact": "All coalitions were run (exact Shapley values).",
    "sampling": "Shapley values from random orders of the tokens.",
    "kernel": "Shapley values from KernelSHAP's regression.",
}


def load_texts(settings: Texts, context: Context) -> TextToText:
    """The model of transformers, on a text of which it can say something.

    Raises
    ------
    InputError
        If a text is empty.
    MissingPackageError, DataError
        If the model cannot be had.
    """
    from ....errors import InputError
    from ....models.hugging_face import load_text_to_text

    empty = next((number for number, text in enumerate(settings.texts) if not text.strip()), None)
    if empty is not None:
        raise InputError(f"Text number {empty} of seq2seq.texts is empty.", "Write a text, or take it out.")
    context.say(f"seq2seq: loading {settings.model}")
    model = load_text_to_text(
        settings.model,
        context.device,
        prefix=settings.prefix,
        max_new_tokens=settings.max_new_tokens,
        num_beams=settings.beams,
    )
    model.symbol(settings.mask)
    return model


def explain_texts(model: TextToText, settings: Texts, context: Context) -> list[TokenAttributions]:
    """Explain what the model makes of each text."""
    from ....methods.perturbation.token_attributions import token_attributions

    found = []
    for number, text in enumerate(settings.texts):
        tokens = model.tokens(text)
        found.append(
            token_attributions(
                tokens,
                model.generate,
                model.scores,
                method=settings.method,
                mask=model.symbol(settings.mask),
                max_evaluations=settings.max_evaluations,
                seed=context.seed,
            )
        )
        context.say(f"seq2seq: text {number}: {len(tokens)} tokens became {len(found[-1].output)}")
    return found


def texts_section(found: list[TokenAttributions], settings: Texts, context: Context) -> tuple[Section, dict[str, Any]]:
    """Write the page and the figures; the report's section and the numbers."""
    from ....figures.token_heatmap import token_heatmap
    from ....figures.token_html import page_height, token_page

    folder, shown = context.output.folder, {f"Text {number}": each for number, each in enumerate(found)}
    page = write_whole(folder / "figures" / "seq2seq_texts.html", token_page(shown, settings.model).encode())
    rows = [Row([HtmlItem("Point at a token of the output", page, min(900, page_height(shown)), settings.model)])]
    table, figures = [], []
    for number, each in enumerate(found):
        residual, undivided = float(np.abs(each.residual).max()), float(each.undivided.max())
        error = float(each.standard_error.max())
        table.append(
            [number, each.method, len(each.tokens), len(each.output), each.evaluations, residual, error, undivided]
        )
        path = context.output.figure(token_heatmap(each, f"Text {number}"), f"seq2seq_text_{number}")
        figures.append(FigureItem(path, f"Text {number}", "What each input token adds to each output token."))
        each.save(folder / "explanations" / f"seq2seq_text_{number}.npz")
    columns = ["text", "method", "tokens in", "out", "inputs run", "residual", "largest standard error", "undivided"]
    caption = "Undivided: the most of one output token's score that was shared equally within a group of tokens."
    rows += [Row([TableItem("Checks", columns, table, caption)]), *(Row([figure]) for figure in figures)]
    numbers = [
        {
            "tokens": each.tokens,
            "output": each.output,
            "values": each.values,
            **dict(zip(columns[1:], row[1:], strict=True)),
        }
        for each, row in zip(found, table, strict=True)
    ]
    text = _ABOUT + _METHODS[found[0].method]
    return Section("Which tokens make which token of the output", text, rows), {
        "model": settings.model,
        "texts": numbers,
    }
