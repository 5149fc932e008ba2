"""Explain picture files with a chosen network and chosen methods: what ``twinlens explain`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Model
from ..comparison import agreement
from ..datasets import PictureFiles
from ..figures import GridRow, as_picture, heat, picture_grid, signed, write_report
from ..figures.report import FigureItem, Row, Section, TableItem
from ..methods import Explanation, Method, explain, get_method
from .asked import best_guesses, class_name, class_numbers, own_params, parsed_settings
from .config import ModelChoice
from .facts import chosen_backends, versions
from .networks import build, counterpart, first_backend, picture_size
from .output import Output, run_folder
from .setup import Say

_AGREEMENT = {"cosine": "cosine", "relative_l2": "relative L2", "spearman": "Spearman"}


def explain_files(
    files: Sequence[Path],
    folder: Path,
    *,
    model: str,
    weights: str | None,
    methods: Sequence[str],
    backend: str,
    target: str | None = None,
    settings: Sequence[str] = (),
    background: Sequence[Path] = (),
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    say: Say = lambda message: None,
) -> dict[str, Any]:
    """Explain pictures and write explanations, figures, numbers and a report.

    Parameters
    ----------
    files : sequence of path
        The pictures.
    folder : path
        Made by the run; an earlier run there is replaced, anything else is refused.
    model, weights, device, seed
        As for `load_model`.
    methods : sequence of str
    backend : {"torch", "paddle", "both"}
    target : str, optional
        A class's number or name; the predicted class when left out.
    settings : sequence of str
        ``NAME=VALUE`` for every method that has the parameter; the values are YAML.
    background : sequence of path
        Pictures that stand for "nothing there", for the methods that need them.
    size : int, optional
        Side of the pictures; the network's own when left out.
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        What ``results.json`` holds.
    """
    started = time.perf_counter()
    chosen = [get_method(name) for name in dict.fromkeys(methods)]
    given = parsed_settings(settings, chosen)
    backends = chosen_backends(backend)
    choice = ModelChoice(name=model, weights=weights)
    with run_folder(folder) as output:
        say(f"building {model}")
        first = build(choice, first_backend(choice, backends), None, seed, device, weights)
        side = picture_size(first, size)
        images = PictureFiles(files, size=side).stack(range(len(files)))[0]
        models = {first.backend.name: first}
        for other in backends:
            if other not in models:
                models[other] = counterpart(first, other)
        models = {name: models[name] for name in backends}
        guesses = {name: each.probabilities(images) for name, each in models.items()}
        targets = class_numbers(target, first, guesses[first.backend.name])
        rows = PictureFiles(background, size=side).stack(range(len(background)))[0] if background else None
        sections = [_said(files, models, guesses)]
        results: dict[str, Any] = {"pictures": [str(path) for path in files], "target": targets, "methods": {}}
        results["predictions"] = {
            name: [best_guesses(models[name], row) for row in table] for name, table in guesses.items()
        }
        for method in chosen:
            params = own_params(method, given, seed, rows)
            made = {}
            for name, each in models.items():
                say(f"{method.name} on {name}")
                made[name] = explain(each, images, method.name, targets if method.targeted else None, **params)
                output.explanation(made[name], f"{method.name}_{name}")
            section, results["methods"][method.name] = _section(method, made, first, targets, output)
            sections.append(section)
        facts = versions() | {
            "model": first.name,
            "backends": backends,
            "seed": seed,
            "seconds": time.perf_counter() - started,
        }
        output.results(facts | results)
        write_report(
            output.folder / "report.html",
            f"What {first.name} looks at",
            sections,
            {"frameworks": " and ".join(backends), "pictures": len(files), "seed": str(seed)},
        )
    return facts | results


def _said(files: Sequence[Path], models: Mapping[str, Model], guesses: Mapping[str, Any]) -> Section:
    rows = [
        [path.name, name, *(f"{g['name']} {g['probability']:.3f}" for g in best_guesses(model, guesses[name][i]))]
        for i, path in enumerate(files)
        for name, model in models.items()
    ]
    width = max(len(row) for row in rows) - 2
    columns = ["picture", "framework", "first guess", "second", "third"][: 2 + width]
    return Section("What the network says", "", [Row([TableItem("Probabilities", columns, rows)])])


def _section(
    method: Method, made: Mapping[str, Explanation], model: Model, targets: Sequence[int], output: Output
) -> tuple[Section, dict[str, Any]]:
    one = next(iter(made.values()))
    numbers: dict[str, Any] = {
        name: {
            "params": {key: value for key, value in each.params.items() if key != "background"},
            "seconds": each.seconds,
            "error": None
            if each.error is None
            else {"name": each.error.name, "values": each.error.values, "relative": each.error.relative},
            "layer": str(each.extras["layer"]) if "layer" in each.extras else None,
            "evaluations": each.evaluations,
            "stopped": each.stopped,
        }
        for name, each in made.items()
    }
    rows: list[Row] = []
    if one.values.ndim == 4 and one.values.shape[2:] == one.inputs.shape[2:]:
        grid = [GridRow("picture", [as_picture(picture) for picture in one.inputs])]
        for name, each in made.items():
            maps = signed(each.values, percentile=99.0) if _is_signed(each) else heat(each.values)
            grid.append(GridRow(f"{method.name.replace('_', ' ')} {name}", list(maps), signed=_is_signed(each)))
        figure = picture_grid(grid, [class_name(model, target) for target in targets], method.name.replace("_", " "))
        caption = f"Layer {one.extras['layer']}." if "layer" in one.extras else method.summary
        rows.append(Row([FigureItem(output.figure(figure, method.name), method.name, caption)]))
    table = [
        [name, each.error.name if each.error else "exact", _worst(each), each.evaluations, each.stopped, each.seconds]
        for name, each in made.items()
    ]
    columns = ["framework", "error estimate", "largest", "evaluations", "ended by", "seconds"]
    items = [TableItem("How exact is it?", columns, table)]
    if len(made) == 2:
        found = agreement(*(each.values for each in made.values())).worst()
        numbers["agreement"] = found
        items.append(
            TableItem("Do both frameworks agree?", list(_AGREEMENT.values()), [[found[key] for key in _AGREEMENT]])
        )
    rows.append(Row(items))
    return Section(method.name.replace("_", " "), method.paper, rows), numbers


def _is_signed(explanation: Explanation) -> bool:
    """Whether a map with one channel has both signs; of colour channels the strength is shown."""
    return explanation.values.shape[1] == 1 and bool(explanation.values.min() < 0 < explanation.values.max())


def _worst(explanation: Explanation) -> float | None:
    if explanation.error is None:
        return None
    relative = explanation.error.relative
    return float(np.max(np.abs(explanation.error.values) if relative is None else relative))
