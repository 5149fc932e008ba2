"""Which letters make which sound, and which words which translation: Shapley values of sequence-to-sequence models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....figures.report import Row, Section
from ..base import Context, Findings
from .report import checks_table, figure_rows, letters_row, page_row
from .settings import Seq2Seq
from .sounds import known_sounds
from .texts import explain_texts, load_texts, texts_section
from .words import checked_words, explain_words, load_speakers, words_numbers

_ABOUT = """A small recurrent network reads a word letter by letter and then says it sound by sound. It was trained by \
others, on a dictionary of English; the same weights run on every framework here. Each sound is a game of its own: the \
letters are the players, and a coalition is worth the log-odds of that sound when the network reads only those letters \
and has said the sounds before it. Shapley values share out the difference between the whole word and no letter at all.

The explanation sees the network as a black box: it is only run, so any model that turns one sequence into another can \
take its place."""


def run(settings: Seq2Seq, context: Context) -> Findings:
    """Explain words, hold the explanations against sounds that are known, and explain texts if there are any."""
    words = checked_words(settings.words)
    # What can fail on input comes before what takes long.
    texts = None if settings.texts is None else load_texts(settings.texts, context)
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    if words:
        section, numbers = _words_section(words, settings, context)
        sections.append(section)
    if texts is not None and settings.texts is not None:
        attributions = explain_texts(texts, settings.texts, context)
        section, numbers["texts"] = texts_section(attributions, settings.texts, context)
        sections.append(section)
    return sections, numbers


def _words_section(
    words: Mapping[str, list[str]], settings: Seq2Seq, context: Context
) -> tuple[Section, dict[str, Any]]:
    speakers = load_speakers(context)
    found = explain_words(words, speakers, settings, context)
    tables, numbers = [checks_table(found)], words_numbers(found, settings)
    if settings.known_sounds:
        table, numbers["known_sounds"] = known_sounds(next(iter(speakers.values())), settings, context)
        tables.append(table)
    rows = [page_row(found, settings, context), *(Row([table]) for table in tables)]
    rows += [*figure_rows(found, context), letters_row(found)]
    return Section("Which letters make which sound", _ABOUT, rows), numbers
