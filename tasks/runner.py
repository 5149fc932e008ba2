"""One configuration in; explanations, figures, numbers and one report out."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from pathlib import Path
from typing import Any

import yaml

from ..backends import Model, available_backends, get_backends
from ..errors import BackendError
from ..figures import confusion_matrix, training_curves, write_report
from ..figures.report import DetailsItem, FigureItem, HtmlItem, Row, Section, TableItem, TextItem
from .config import Part, RunConfig
from .feature_maps import check_feature_maps, run_feature_maps
from .lime_shap import run_lime_shap
from .output import Output, plain, run_folder
from .saliency import run_saliency
from .setup import Say, Setup, prepare
from .tables import tables_section

_PACKAGES = ("twinlens", "torch", "paddlepaddle", "numpy", "lime", "shap", "xgboost", "scikit-learn", "opencv-python")


def run(config: RunConfig, folder: str | Path, say: Say = lambda message: None) -> Path:
    """Do the tasks of a configuration and write them to a folder.

    Parameters
    ----------
    config : RunConfig
        From `load_config`.
    folder : path
        Made by the run; an earlier run there is replaced, anything else is refused.
    say : callable
        Told, in a few words, what is going on.

    Returns
    -------
    pathlib.Path
        The folder, with ``explanations/*.npz``, ``figures/*.png``, ``results.json`` and ``report.html``.
    """
    started = time.perf_counter()
    backends = _chosen_backends(config.backend)
    folder = Path(folder)
    with run_folder(folder) as output:
        sections: list[Section] = []
        results: dict[str, Any] = {"parts": {}}
        for part in config.parts:
            part_sections, results["parts"][part.name] = _run_part(part, backends, config, output, say)
            sections += part_sections
        if config.tables is not None:
            say("tables: LIME and SHAP on iris")
            section, results["tables"] = _run_tables(config, output)
            sections.append(section)
        seconds = time.perf_counter() - started
        facts = _facts(config, backends, seconds)
        output.results(facts | {"config": config.model_dump(mode="json")} | results)
        write_report(
            output.folder / "report.html",
            config.title,
            [*sections, _details(config, facts)],
            {"frameworks": " and ".join(backends), "seed": str(config.seed), "seconds": f"{seconds:.0f}"},
            subtitle="The same network, explained on every framework",
        )
    return folder


def _chosen_backends(choice: str) -> list[str]:
    names = ["torch", "paddle"] if choice == "both" else [choice]
    missing = [name for name in names if name not in available_backends()]
    if choice == "both" and missing:
        raise BackendError(
            f"backend 'both' needs torch and paddle; {' and '.join(missing)} is not installed.",
            f"Install it, or use --backend {next((n for n in names if n not in missing), 'torch')}.",
        )
    get_backends(names)
    return names


def _run_part(
    part: Part, backends: list[str], config: RunConfig, output: Output, say: Say
) -> tuple[list[Section], dict[str, Any]]:
    def check(model: Model) -> None:
        if part.feature_maps is not None:
            check_feature_maps(model, part.feature_maps)

    target = next((task.target for task in (part.saliency, part.lime_shap) if task is not None), "label")
    setup = prepare(part, backends, config.seed, config.device, target, say, check)
    title = part.title or part.name
    sections, results = [_overview(setup, title, output, part.name)], dict(setup.facts)
    for task, settings, function in (
        ("saliency", part.saliency, run_saliency),
        ("feature_maps", part.feature_maps, run_feature_maps),
        ("lime_shap", part.lime_shap, run_lime_shap),
    ):
        if settings is not None:
            section, results[task] = function(setup, settings, output, part.name, say)  # type: ignore[operator]
            section.title = f"{title}: {section.title}"
            sections.append(section)
    return sections, results


def _overview(setup: Setup, title: str, output: Output, name: str) -> Section:
    facts = setup.facts
    rows = [["network", facts["model"]], ["pictures", facts["data"]]]
    rows += [
        [key.replace("_", " "), facts[key]] for key in ("trained_on", "validation_accuracy", "transfer") if key in facts
    ]
    probabilities = {backend: model.probabilities(setup.images) for backend, model in setup.models.items()}
    said = [
        [
            setup.names[i],
            _label(setup, i),
            *(cell for p in probabilities.values() for cell in _first_guess(setup, p[i])),
        ]
        for i in range(len(setup.images))
    ]
    columns = ["picture", "label", *(f"{what}, {backend}" for backend in probabilities for what in ("says", "with"))]
    report_rows = [
        Row([TableItem("What is explained", ["", ""], rows), TableItem("What the network says", columns, said)])
    ]
    training = _training_figures(setup, output, name)
    if training:
        report_rows.append(Row(training))
    text = "The pictures are synthetic: emoji on made backgrounds, in Food-11's classes." if facts["synthetic"] else ""
    return Section(title, text, report_rows)


def _training_figures(setup: Setup, output: Output, name: str) -> list[FigureItem]:
    figures = []
    if setup.history is not None:
        curves = {
            key: values for key, values in setup.history.to_dict().items() if key.endswith(("_loss", "_accuracy"))
        }
        figure = training_curves({setup.facts["model"]: curves}, "Training")
        figures.append(FigureItem(output.figure(figure, f"{name}_training"), "Training"))
    if setup.confusion is not None:
        figure = confusion_matrix(setup.confusion, setup.classes, "Validation set")
        figures.append(FigureItem(output.figure(figure, f"{name}_confusion"), "Confusion matrix"))
    return figures


def _label(setup: Setup, index: int) -> str | None:
    label = setup.labels[index]
    return None if label is None else setup.class_name(label)


def _first_guess(setup: Setup, probabilities: Any) -> tuple[str, float]:
    best = int(probabilities.argmax())
    return setup.class_name(best), float(probabilities[best])


def _run_tables(config: RunConfig, output: Output) -> tuple[Section, dict[str, Any]]:
    assert config.tables is not None
    found = tables_section(output.folder, seed=config.seed, **config.tables.model_dump())
    figures = [FigureItem(output.folder / f["path"], f["title"], f["caption"]) for f in found["figures"]]
    rows = [Row([TableItem(t["title"], t["columns"], t["rows"]) for t in found["tables"]])]
    rows += [Row([HtmlItem(h["title"], output.folder / h["path"], h["height"])]) for h in found["html"]]
    rows += [Row(figures[start : start + 2]) for start in range(0, len(figures), 2)]
    text = "Iris, explained by LIME on gradient boosting and by exact SHAP values of XGBoost's trees."
    return Section("LIME and SHAP on a table", text, rows), found["numbers"]


def _facts(config: RunConfig, backends: list[str], seconds: float) -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "twinlens": versions["twinlens"],
        "title": config.title,
        "backends": backends,
        "seed": config.seed,
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seconds": seconds,
    }


def _details(config: RunConfig, facts: dict[str, Any]) -> Section:
    text = yaml.safe_dump(plain(config.model_dump(mode="json", exclude_unset=True)), sort_keys=False)
    versions = "\n".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    again = TextItem("Everything random comes from the seed: the same configuration gives the same report.")
    return Section(
        "How this was made",
        "",
        [Row([again]), Row([DetailsItem("Configuration", text)]), Row([DetailsItem("Versions", versions)])],
    )
