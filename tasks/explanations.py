"""Explain picture files with a chosen network and chosen methods: what ``twinlens explain`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backends import Model
from ..datasets import PictureFiles
from ..figures import write_report
from ..figures.faces import FacedPicture, draw_faces
from ..figures.report import FigureItem, Row, Section, TableItem, TextItem
from ..methods import explain, get_method
from .asked import best_guesses, class_numbers, own_params, parsed_settings
from .classifier import Classifier, first_network, on_every_framework
from .explained_drawing import Drawing, Subject
from .explained_files import Portrait, ReadFiles, Reading, read_files
from .explained_method import cautions, method_section
from .facts import chosen_backends, versions
from .output import Output, run_folder
from .setup import Say


@dataclass(frozen=True)
class Wish:
    """How the pictures are explained.

    Attributes
    ----------
    methods : sequence of str
    target : str or None
        A class's number or name; the predicted class when left out.
    settings : sequence of str
        ``NAME=VALUE`` for every method that has the parameter; the values are YAML.
    background : sequence of path
        Pictures that stand for "nothing there", for the methods that need them.
    backend : {"torch", "paddle", "both"}
    reading : Reading
    drawing : Drawing
    seed, device
        As for `load_model`.
    """

    methods: Sequence[str] = ("integrated_gradients",)
    target: str | None = None
    settings: Sequence[str] = ()
    background: Sequence[Path] = ()
    backend: str = "torch"
    reading: Reading = field(default_factory=Reading)
    drawing: Drawing = field(default_factory=Drawing)
    seed: int = 0
    device: str = "auto"


def _silent(message: str) -> None:
    """Say nothing."""


def explain_files(
    files: Sequence[Path], folder: Path, classifier: Classifier, wish: Wish, say: Say = _silent
) -> dict[str, Any]:
    """Explain pictures and write explanations, figures, numbers and a report.

    Parameters
    ----------
    files : sequence of path
        The pictures.
    folder : path
        Made by the run; an earlier run there is replaced, anything else is refused.
    classifier : Classifier
    wish : Wish
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        What ``results.json`` holds.
    """
    started = time.perf_counter()
    chosen = [get_method(name) for name in dict.fromkeys(wish.methods)]
    given = parsed_settings(wish.settings, chosen)
    wish.reading.check()
    wish.drawing.check()
    backends = chosen_backends(wish.backend)
    notes: list[str] = []

    def note(message: str) -> None:
        notes.append(message)
        say(message)

    with run_folder(folder) as output:
        say(f"building {classifier.spec}")
        first, side = first_network(classifier, backends, wish.seed, wish.device, note)
        read = read_files(files, side, wish.reading, note)
        models = on_every_framework(first, classifier, backends, read.images, note)
        guesses = {name: each.probabilities(read.images) for name, each in models.items()}
        targets = class_numbers(wish.target, first, guesses[first.backend.name])
        rows = None
        if wish.background:
            rows = PictureFiles(wish.background, side, wish.reading.fit).stack(range(len(wish.background)))[0]
        params = {method.name: own_params(method, given, wish.seed, rows) for method in chosen}
        subject = Subject([path.name for path in read.paths], targets, guesses, first)
        sections = _faces(read.portraits, output)
        results = _results(read, targets, models, guesses)
        for method in chosen:
            made = {}
            for name, each in models.items():
                say(f"{method.name} on {name}")
                wanted = targets if method.targeted else None
                made[name] = explain(each, read.images, method.name, wanted, **params[method.name])
                output.explanation(made[name], f"{method.name}_{name}")
            section, results["methods"][method.name] = method_section(method, made, subject, wish.drawing, output)
            sections.append(section)
            for caution in cautions(made, subject.names):
                note(caution)
        facts = versions() | {
            "model": first.name,
            "backends": backends,
            "seed": wish.seed,
            "seconds": time.perf_counter() - started,
        }
        results["notes"] = notes
        output.results(facts | results)
        sections.insert(0, _said(subject, models, guesses, read, notes))
        shown = {"frameworks": " and ".join(backends), "pictures": len(read.paths), "seed": str(wish.seed)}
        write_report(output.folder / "report.html", f"What {first.name} looks at", sections, shown)
    return facts | results


def _results(
    read: ReadFiles, targets: Sequence[int], models: Mapping[str, Model], guesses: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "pictures": [str(path) for path in read.paths],
        "skipped": read.skipped,
        "faces": [portrait.numbers() for portrait in read.portraits],
        "target": list(targets),
        "predictions": {name: [best_guesses(models[name], row) for row in table] for name, table in guesses.items()},
        "methods": {},
    }


def _said(
    subject: Subject, models: Mapping[str, Model], guesses: Mapping[str, Any], read: ReadFiles, notes: Sequence[str]
) -> Section:
    rows = [
        [title, name, *(f"{g['name']} {g['probability']:.3f}" for g in best_guesses(model, guesses[name][i]))]
        for i, title in enumerate(subject.names)
        for name, model in models.items()
    ]
    width = max(len(row) for row in rows) - 2
    columns = ["picture", "framework", "first guess", "second", "third"][: 2 + width]
    found = [Row([TableItem("Probabilities", columns, rows)])]
    if notes:
        found.append(Row([TextItem("\n\n".join(notes))]))
    if read.skipped:
        skipped = [[Path(path).name, reason] for path, reason in read.skipped.items()]
        found.append(Row([TableItem("Pictures that were skipped", ["picture", "reason"], skipped)]))
    return Section("What the network says", "", found)


def _faces(portraits: Sequence[Portrait], output: Output) -> list[Section]:
    if not portraits:
        return []
    drawn = [
        FacedPicture(each.title(), each.small, [each.shown(box) for box in each.faces], each.shown_cut())
        for each in portraits
    ]
    path = output.figure(draw_faces(drawn, "Faces found"), "faces")
    caption = "Orange: the face, the largest first, others dotted. Blue, dashed: the square that was explained."
    columns = ["picture", "faces", "left", "top", "width", "height"]
    rows = [
        [each.name, len(each.faces), *(each.faces[0].as_list() if each.faces else [None] * 4)] for each in portraits
    ]
    table = TableItem("The largest face", columns, rows, "In pixels of the upright picture.")
    return [Section("Which face", "", [Row([FigureItem(path, "Faces found", caption)]), Row([table])])]
