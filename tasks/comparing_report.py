"""The report of a comparison: what both networks say, how far the explanations agree, and where they differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..comparison.comparison import Comparison
from ..comparison.measures import MEASURES, Failure, Threshold
from ..comparison.pair import Pair, softmax
from ..figures.comparison import comparison_figure, comparison_scatter
from ..figures.report import DetailsItem, FigureItem, Row, Section, TableItem, TextItem, write_report
from .output import Output

_AGREEMENT = ("max_abs", "relative_l2", "cosine", "spearman", "top_k", "sign", "ssim")
_SCORES = ("score_difference", "probability_difference", "same_prediction")
_COST = (
    "One run of each, A before B, after both networks had run on one sample. Memory is the growth of the process at "
    "its peak; it is not known for saved results, on a graphics card, and off Linux."
)


@dataclass(frozen=True)
class Words:
    """What samples and classes are called."""

    samples: Sequence[str] | None = None
    class_name: Callable[[int], str] = field(default=lambda label: f"class {label}")

    def names(self, count: int) -> list[str]:
        """A name per sample; those given, where there are as many."""
        given = self.samples or ()
        return list(given) if len(given) == count else [f"sample {i}" for i in range(count)]


def write_comparison(
    comparison: Comparison,
    thresholds: Sequence[Threshold],
    failures: Sequence[Failure],
    output: Output,
    facts: Mapping[str, Any],
    words: Words,
) -> None:
    """Draw the figures and write ``report.html``."""
    sections = [_overview(comparison, thresholds, failures)]
    said = _said(comparison.pairs[0], words)
    if said is not None:
        sections.insert(0, said)
    stems = _stems([pair.name for pair in comparison.pairs])
    sections += [
        _of_pair(pair, comparison.names, output, stem, words)
        for pair, stem in zip(comparison.pairs, stems, strict=True)
    ]
    versions = "\n".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    sections.append(Section("How this was made", "", [Row([DetailsItem("Versions", versions)])]))
    judged = {"limits": "not kept" if failures else "kept"} if thresholds else {}
    write_report(
        output.folder / "report.html",
        "Do the explanations agree?",
        sections,
        {"explanations compared": len(comparison.pairs), "seconds": f"{facts['seconds']:.0f}"} | judged,
        subtitle=f"A: {comparison.names[0]}. B: {comparison.names[1]}.",
    )


def _agreement_table(comparison: Comparison, average: bool = False) -> TableItem:
    """One row per pair: the least favourable number over its samples, or the mean."""
    rows = []
    for pair in comparison.pairs:
        numbers = pair.mean() if average else pair.worst()
        rows.append([pair.name, *(numbers[name] for name in _AGREEMENT)])
    name = "Mean over the samples" if average else "Least favourable sample"
    return TableItem(name, ["explanation", *(MEASURES[name].title for name in _AGREEMENT)], rows)


def _cost_table(comparison: Comparison) -> TableItem:
    """One row per pair: whether the predictions agree, seconds and memory."""
    columns = ["explanation", *(MEASURES[name].title for name in _SCORES[1:])]
    rows = [
        [
            pair.name,
            *(pair.worst()[name] for name in _SCORES[1:]),
            pair.first.seconds,
            pair.second.seconds,
            *pair.memory,
        ]
        for pair in comparison.pairs
    ]
    return TableItem("Predictions and cost", [*columns, "seconds A", "seconds B", "MiB A", "MiB B"], rows, _COST)


def _said(pair: Pair, words: Words) -> Section | None:
    """What both networks predict; None where their scores cannot be compared."""
    same = pair.measures["same_prediction"]
    if same is None:
        return None
    rows: list[list[Any]] = []
    differences = [values for m in _SCORES[:2] if (values := pair.measures[m]) is not None]
    tables = [softmax(np.asarray(each.scores, dtype=np.float64)) for each in (pair.first, pair.second)]
    for i, name in enumerate(words.names(len(same))):
        cells: list[Any] = []
        for table in tables:
            best = int(table[i].argmax())
            cells += [words.class_name(best), float(table[i, best])]
        rows.append([name, *cells, bool(same[i]), *(float(values[i]) for values in differences)])
    columns = ["sample", "A says", "with", "B says", "with", "same", *(MEASURES[m].title for m in _SCORES[:2])]
    return Section("What both networks say", "", [Row([TableItem("Predictions", columns, rows)])])


def _overview(comparison: Comparison, thresholds: Sequence[Threshold], failures: Sequence[Failure]) -> Section:
    rows = [
        Row([_agreement_table(comparison)]),
        Row([_agreement_table(comparison, average=True)]),
        Row([_cost_table(comparison)]),
    ]
    if thresholds:
        told = [["fails if", str(threshold)] for threshold in thresholds]
        told += [["it does", str(failure)] for failure in failures]
        rows.insert(0, Row([TableItem("Limits", ["", ""], told)]))
    if comparison.missing:
        missing = [[name, reason] for name, reason in comparison.missing.items()]
        rows.append(Row([TableItem("Not compared", ["explanation", "why"], missing)]))
    meanings = [[measure.title, measure.best, measure.meaning] for measure in MEASURES.values()]
    rows.append(Row([TableItem("What the numbers mean", ["number", "when equal", "meaning"], meanings)]))
    return Section("How far do they agree?", "", rows)


def _of_pair(pair: Pair, names: tuple[str, str], output: Output, stem: str, words: Words) -> Section:
    samples = words.names(len(pair.values[0]))
    maps = output.figure(comparison_figure(pair, names, samples), stem)
    scatter = output.figure(comparison_scatter(pair, names), f"{stem}_values")
    measured = {
        MEASURES[name].title: v for name, v in pair.measures.items() if v is not None and len(v) == len(samples)
    }
    rows = [[name, *(float(values[i]) for values in measured.values())] for i, name in enumerate(samples)]
    table = TableItem("Sample by sample", ["sample", *measured], rows)
    notes = [Row([TextItem("\n\n".join(pair.notes))])] if pair.notes else []
    text = f"A: {_described(pair, 0)}. B: {_described(pair, 1)}."
    figures = [Row([FigureItem(maps, "A, B and their difference")]), Row([FigureItem(scatter, "Value against value")])]
    return Section(pair.name.replace("_", " "), text, [*notes, *figures, Row([table])])


def _described(pair: Pair, side: int) -> str:
    each = (pair.first, pair.second)[side]
    return f"{each.method.replace('_', ' ')} of {each.model} on {each.backend}"


def _stems(names: Sequence[str]) -> list[str]:
    """File names for the figures, each of them once."""
    stems: list[str] = []
    for name in names:
        stem = re.sub(r"[^\w.+-]+", "_", name.replace(" / ", "_against_")).lstrip(".") or "explanation"
        stems.append(stem if stem not in stems else f"{stem}_{len(stems)}")
    return stems
