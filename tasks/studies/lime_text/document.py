"""One text, explained by LIME through naive Bayes: its figures, its page, its tables and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ....datasets.texts import Corpus
from ....figures.report import FigureItem, HtmlItem, Row, TableItem, TextItem
from ....files import write_whole
from ...output import Output
from ..base import Context
from .classifier import TextClassifier
from .corpus import Document
from .removal import agreement, removal_effects
from .settings import LimeText
from .words import SAMPLES_A_WORD, TextLime, explain_text

_BARS = 5
"""Classes beside LIME's weights; with twenty of them the rest are near zero."""


def explain_document(
    document: Document,
    labels: Sequence[int],
    corpus: Corpus,
    classifier: TextClassifier,
    settings: LimeText,
    context: Context,
) -> tuple[list[Row], dict[str, Any]]:
    """Explain a text for some classes, write its files, and return the report's rows and the numbers."""
    lime = explain_text(
        document.text,
        classifier.predict_proba,
        labels,
        words=settings.words,
        samples=settings.samples,
        repeats=settings.repeats,
        seed=context.seed,
    )
    effects = removal_effects(document.text, classifier.predict_proba)[:, list(labels)].T
    truth = _truth(document, lime, corpus)
    for label, score in zip(labels, lime.scores, strict=True):
        heaviest = ", ".join(f"{word} {weight:+.3f}" for word, weight in lime.ranking(label)[:5])
        context.say(f"lime_text: {document.name}, {corpus.class_names[label]}: {heaviest} (local R² {score:.2f})")
    warnings = _warnings(lime)
    for warning in warnings:
        context.say(f"lime_text: {document.name}: {warning}")
    explained = [number for number, weights in enumerate(lime.weights) if weights.any()]
    figures = [_figure(document, lime, number, corpus, context.output) for number in explained]
    rows = [
        Row([_page(document, lime, corpus, context.output)]),
        *([Row(figures)] if figures else []),
        *(Row([_table(lime, number, effects, truth, corpus)]) for number in range(len(labels))),
        *(Row([TextItem(f"Beware: {warning}")]) for warning in warnings),
    ]
    arrays: dict[str, Any] = {"words": np.array(lime.words), "labels": np.array(labels), "removal": effects}
    if truth is not None:
        arrays["truth"] = truth
    arrays |= {name: getattr(lime, name) for name in ("weights", "weights_std", "chosen", "scores", "probabilities")}
    context.output.arrays(arrays, f"lime_text_{document.stem}")
    return rows, {
        "name": document.name,
        "label": None if document.label is None else corpus.class_names[document.label],
        "predicted": corpus.class_names[int(lime.probabilities.argmax())],
        "probabilities": dict(zip(corpus.class_names, lime.probabilities, strict=True)),
        "distinct_words": len(lime.words),
        "known_words": len(classifier.known_words(document.text)),
        "samples": lime.samples,
        "repeats": lime.repeats,
        "seed": lime.seed,
        "warnings": warnings,
        "labels": [_numbers(lime, number, effects, truth, corpus) for number in range(len(labels))],
    }


def likely(probabilities: np.ndarray, names: Sequence[str], count: int = _BARS) -> list[tuple[str, float]]:
    """Names and probabilities of the likeliest classes."""
    return [(names[i], float(probabilities[i])) for i in np.argsort(-probabilities, kind="stable")[:count]]


def write_page(output: Output, page: str, name: str) -> Path:
    """Write a page beside the figures; returns its path."""
    return write_whole(output.folder / "figures" / f"{name}.html", page.encode("utf-8", errors="replace"))


def _truth(document: Document, lime: TextLime, corpus: Corpus) -> np.ndarray | None:
    """True effects (labels, words) on the log-odds, for texts that the corpus wrote itself."""
    if corpus.truth is None or document.label is None:
        return None
    known = [corpus.truth.effects(document.text, label) for label in lime.labels]
    return np.array([[effects.get(word, 0.0) for word in lime.words] for effects in known])


def _warnings(lime: TextLime) -> list[str]:
    count, found = len(lime.words), []
    if lime.too_many_words:
        found.append(
            f"{count} distinct words and only {lime.samples} samples: LIME's regression has fewer than "
            f"{SAMPLES_A_WORD} samples a word. Set samples to {SAMPLES_A_WORD * count} or more."
        )
    if lime.too_few_words:
        found.append(
            f"{'a single word' if count == 1 else f'{count} distinct words'}: LIME's penalty shrinks the weights of "
            "texts of one or two words. What removal takes away is exact."
        )
    return found


def _page(document: Document, lime: TextLime, corpus: Corpus, output: Output) -> HtmlItem:
    from ....figures.text_html import TextPanel, page_height, text_page

    panels = [TextPanel(f"Class {corpus.class_names[label]}", dict(lime.ranking(label))) for label in lime.labels]
    page = text_page(
        document.text,
        panels,
        f"LIME on naive Bayes: {document.name}",
        likely(lime.probabilities, corpus.class_names),
        "naive Bayes says",
    )
    path = write_page(output, page, f"lime_text_{document.stem}")
    return HtmlItem("Words for and against", path, page_height(document.text, len(panels)))


def _figure(document: Document, lime: TextLime, number: int, corpus: Corpus, output: Output) -> FigureItem:
    from ....figures.tables import lime_bars

    label = lime.labels[number]
    name = corpus.class_names[label]
    listed = np.flatnonzero(lime.weights[number])
    shown = likely(lime.probabilities, corpus.class_names)
    figure = lime_bars(
        [lime.words[i] for i in listed],
        lime.weights[number, listed],
        lime.weights_std[number, listed] if lime.repeats > 1 else None,
        np.array([probability for _, probability in shown]),
        [one for one, _ in shown],
        f"{document.name}: words for and against {name}",
        most=15,
    )
    path = output.figure(figure, f"lime_text_{document.stem}_class{label}")
    caption = (
        f"Local R² {lime.scores[number]:.2f}; the linear model says {lime.local_predictions[number]:.2f}, the "
        f"classifier {lime.probabilities[label]:.2f}. Black: one standard deviation over {lime.repeats} draws."
    )
    return FigureItem(path, f"For and against {name}", caption)


def _table(lime: TextLime, number: int, effects: np.ndarray, truth: np.ndarray | None, corpus: Corpus) -> TableItem:
    columns = ["word", "LIME", "deviation", "chosen", "removal"]
    rows: list[list[Any]] = []
    for word, weight in lime.ranking(lime.labels[number]):
        i = lime.words.index(word)
        times = f"{lime.chosen[number, i]} of {lime.repeats}"
        row = [word, weight, float(lime.weights_std[number, i]), times, float(effects[number, i])]
        rows.append(row if truth is None else [*row, float(truth[number, i])])
    found = agreement(lime.weights[number], effects[number])
    rank = "not defined" if found.spearman is None else f"{found.spearman:.2f}"
    return TableItem(
        f"Words for and against {corpus.class_names[lime.labels[number]]}",
        columns if truth is None else [*columns, "true log-odds"],
        rows,
        "LIME's weight, its deviation over the draws, and in how many of them the word was chosen. 'Removal' is exact: "
        f"what the probability loses without the word. Rank correlation with LIME {rank}, same sign "
        f"{found.same_sign:.0%}; {found.top_shared:.0%} of LIME's words are among the {found.words} whose removal "
        "matters most.",
    )


def _numbers(
    lime: TextLime, number: int, effects: np.ndarray, truth: np.ndarray | None, corpus: Corpus
) -> dict[str, Any]:
    label = lime.labels[number]
    words = []
    for word, weight in lime.ranking(label):
        i = lime.words.index(word)
        one = {"word": word, "weight": weight, "std": lime.weights_std[number, i], "chosen": lime.chosen[number, i]}
        one["removal"] = effects[number, i]
        words.append(one if truth is None else one | {"true_log_odds": truth[number, i]})
    return {
        "class": corpus.class_names[label],
        "probability": lime.probabilities[label],
        "local_prediction": lime.local_predictions[number],
        "intercept": lime.intercepts[number],
        "local_r2": lime.scores[number],
        "words": words,
        "agreement_with_removal": asdict(agreement(lime.weights[number], effects[number])),
    }
