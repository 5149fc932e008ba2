"""One configuration in; explanations, figures, numbers and one report out."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from ..datasets import ARTWORK
from ..figures import confusion_matrix, training_curves, write_report
from ..figures.report import DetailsItem, FigureItem, Row, Section, TableItem, TextItem
from .config import RunConfig
from .facts import chosen_backends, versions
from .feature_maps import run_feature_maps
from .lime_shap import run_lime_shap
from .output import Output, plain, run_folder
from .rehearsal import rehearse
from .saliency import run_saliency
from .setup import Say, Setup, prepare, train
from .studies.base import Context, Findings, StudySettings

_RUNS: dict[str, Callable[..., tuple[Section, dict[str, Any]]]] = {
    "saliency": run_saliency,
    "feature_maps": run_feature_maps,
    "lime_shap": run_lime_shap,
}


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
    needs_networks = config.parts or any(settings.needs_networks for settings in config.studies.values())
    backends = chosen_backends(config.backend) if needs_networks else []
    folder = Path(folder)
    with run_folder(folder) as output:
        sections: list[Section] = []
        results: dict[str, Any] = {"parts": {}}
        # What can fail early comes before what takes long.
        setups = [prepare(part, backends, config.seed, config.device, say) for part in config.parts]
        for setup in setups:
            say(f"{setup.part.name}: trying every task on one picture")
            rehearse(setup)
        context = Context(output, backends, config.seed, config.device, say)
        studies: list[Section] = []
        for name, settings in config.studies.items():
            study_sections, results[name] = _study(name)(settings, context)
            studies += study_sections
        for setup in setups:
            train(setup, say)
            part_sections, results["parts"][setup.part.name] = _run_part(setup, output, say)
            sections += part_sections
        sections += studies
        seconds = time.perf_counter() - started
        facts = _facts(config, backends, seconds)
        output.results(facts | {"config": config.model_dump(mode="json")} | results)
        write_report(
            output.folder / "report.html",
            config.title,
            [*sections, _details(config, facts)],
            ({"frameworks": " and ".join(backends)} if backends else {})
            | {"seed": str(config.seed), "seconds": f"{seconds:.0f}"},
            subtitle="The same network, explained on every framework" if len(backends) > 1 else "",
        )
    return folder


def _study(name: str) -> Callable[[StudySettings, Context], Findings]:
    run_study: Callable[[StudySettings, Context], Findings] = import_module(f".studies.{name}.study", __package__).run
    return run_study


def _run_part(setup: Setup, output: Output, say: Say) -> tuple[list[Section], dict[str, Any]]:
    part, name = setup.part, setup.part.name
    title = part.title or name
    sections, results = [_overview(setup, title, output, name)], dict(setup.facts)
    for task, run_task in _RUNS.items():
        settings = getattr(part, task)
        if settings is not None:
            explained = setup.explaining(getattr(settings, "target", "label"))
            section, results[task] = run_task(explained, settings, output, name, say)
            section.title = f"{title}: {section.title}"
            sections.append(section)
    return sections, results


def _overview(setup: Setup, title: str, output: Output, name: str) -> Section:
    facts = setup.facts
    rows = [["network", facts["model"]], ["pictures", facts["data"]]]
    rows += [
        [key.replace("_", " "), facts[key]] for key in ("trained_on", "validation_accuracy", "transfer") if key in facts
    ]
    if facts["left_out"]:
        rows.append(["unreadable pictures left out", len(facts["left_out"])])
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
    text = f"The pictures are synthetic: emoji on made backgrounds, in Food-11's classes. {ARTWORK}"
    text = text if facts["synthetic"] else ""
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


def _facts(config: RunConfig, backends: list[str], seconds: float) -> dict[str, Any]:
    return versions() | {"title": config.title, "backends": backends, "seed": config.seed, "seconds": seconds}


def _details(config: RunConfig, facts: dict[str, Any]) -> Section:
    text = yaml.safe_dump(plain(config.model_dump(mode="json", exclude_unset=True)), sort_keys=False)
    versions = "\n".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    again = TextItem("Everything random comes from the seed: the same configuration gives the same report.")
    return Section(
        "How this was made",
        "",
        [Row([again]), Row([DetailsItem("Configuration", text)]), Row([DetailsItem("Versions", versions)])],
    )
