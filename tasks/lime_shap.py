"""Task 3 on pictures: which superpixels and regions speak for the class? LIME and SHAP on either framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..comparison import agreement
from ..figures import GridRow, as_picture, boundaries, picture_grid, regions, signed
from ..figures.report import FigureItem, Row, Section, TableItem
from ..methods import Explanation, explain
from .config import LimeShap
from .output import Output
from .setup import Say, Setup

_TITLES = {
    "lime": "LIME",
    "expected_gradients": "SHAP by expected gradients",
    "partition_shap": "SHAP by partitions",
}
_LINE_PIXELS = 256


def run_lime_shap(
    setup: Setup, config: LimeShap, output: Output, name: str, say: Say
) -> tuple[Section, dict[str, Any]]:
    """Explain the pictures by LIME and SHAP on every framework, draw, and compare."""
    explanations: dict[str, dict[str, Explanation]] = {}
    figures = []
    for backend, model in setup.models.items():
        explanations[backend] = {}
        for method, params in lime_shap_methods(setup, config).items():
            say(f"{name}: {_TITLES[method]} on {backend}")
            made = explain(model, setup.images, method, setup.targets, **params)
            output.explanation(made, f"{name}_{method}_{backend}")
            explanations[backend][method] = made
        probabilities = model.probabilities(setup.images)[np.arange(len(setup.targets)), setup.targets]
        figures.append(_figures(setup, config, explanations[backend], probabilities, output, name, backend))
    numbers: dict[str, Any] = {
        backend: {method: _numbers(made) for method, made in by_method.items()}
        for backend, by_method in explanations.items()
    }
    rows = [Row(list(items)) for items in zip(*figures, strict=True)]
    rows.append(Row([_fit_table(setup, explanations)]))
    if len(explanations) == 2:
        first, second = explanations.values()
        numbers["parity"] = {method: agreement(first[method].values, second[method].values).worst() for method in first}
        rows.append(Row([_parity_table(numbers["parity"])]))
    text = (
        "Three answers to one question: which parts of the picture speak for the class that is named above it? The "
        "contributions of both SHAP methods add up to what the network says, less what it says of the background."
    )
    return Section("LIME and SHAP on pictures", text, rows), numbers


def lime_shap_methods(setup: Setup, config: LimeShap) -> dict[str, dict[str, Any]]:
    """The methods that the configuration asks for, each with its parameters."""
    chosen = {}
    if config.lime is not None:
        chosen["lime"] = {"seed": setup.seed} | config.lime
    if config.expected_gradients is not None:
        background = {"background": _background(setup, config), "seed": setup.seed, "of": "logit"}
        chosen["expected_gradients"] = background | config.expected_gradients
    if config.partition_shap is not None:
        chosen["partition_shap"] = {"seed": setup.seed} | config.partition_shap
    return chosen


def _background(setup: Setup, config: LimeShap) -> Any:
    """Other pictures of the set or, where there are none, the explained ones blurred beyond recognition."""
    if config.background == "pictures" and len(setup.others):
        return setup.others[: config.background_pictures]
    import cv2

    sigma = setup.images.shape[-1] / 8
    blurred = [cv2.GaussianBlur(np.moveaxis(image, 0, -1), (0, 0), sigma) for image in setup.images]
    return np.stack([np.moveaxis(image, -1, 0) for image in blurred])


def _figures(
    setup: Setup,
    config: LimeShap,
    made: dict[str, Explanation],
    probabilities: Any,
    output: Output,
    name: str,
    backend: str,
) -> list[FigureItem]:
    titles = [f"{title} {probability:.2f}" for title, probability in zip(setup.titles(), probabilities, strict=True)]
    items = []
    if "lime" in made:
        items.append(_lime_figure(setup, config, made["lime"], titles, output, name, backend))
    shap = [
        GridRow(_TITLES[method].removeprefix("SHAP "), list(signed(found.values, percentile=99.5)), signed=True)
        for method, found in made.items()
        if method != "lime"
    ]
    if shap:
        pictures = GridRow("picture", [as_picture(image) for image in setup.images])
        figure = picture_grid([pictures, *shap], titles, f"SHAP on {backend}")
        caption = "Sum over the channels; each map scaled by itself around zero."
        items.append(FigureItem(output.figure(figure, f"{name}_shap_{backend}"), f"SHAP, {backend}", caption))
    return items


def _lime_figure(
    setup: Setup, config: LimeShap, made: Explanation, titles: list[str], output: Output, name: str, backend: str
) -> FigureItem:
    cuts = made.extras["segments"]
    # Lines have the width of a pixel: on a small picture they would cover what they surround.
    scale = max(1, _LINE_PIXELS // setup.images.shape[-1])
    enlarged, enlarged_cuts = (np.repeat(np.repeat(a, scale, -1), scale, -2) for a in (setup.images, cuts))
    shaded = [
        regions(image, large, _weights(cut, values[0]), config.regions, config.regions)
        for image, large, cut, values in zip(enlarged, enlarged_cuts, cuts, made.values, strict=True)
    ]
    outlined = [boundaries(image, cut) for image, cut in zip(enlarged, enlarged_cuts, strict=True)]
    rows = [
        GridRow("picture", [as_picture(image) for image in setup.images]),
        GridRow("superpixels", outlined),
        GridRow("LIME", shaded),
        GridRow("all weights", list(made.values[:, 0]), signed=True),
    ]
    figure = picture_grid(rows, titles, f"LIME on {backend}")
    caption = f"Green speaks for the class, red against it: the {config.regions} strongest superpixels of either sign."
    return FigureItem(output.figure(figure, f"{name}_lime_{backend}"), f"LIME, {backend}", caption)


def _weights(segments: Any, values: Any) -> dict[int, float]:
    """One weight per superpixel, from a map that is constant on each."""
    numbers, first = np.unique(segments, return_index=True)
    return dict(zip(numbers.tolist(), values.ravel()[first].tolist(), strict=True))


def _numbers(made: Explanation) -> dict[str, Any]:
    params = {key: value for key, value in made.params.items() if key != "background"}
    assert made.error is not None
    error = {"name": made.error.name, "values": made.error.values, "relative": made.error.relative}
    return {"params": params, "seconds": made.seconds, "target": made.target, "error": error}


def _fit_table(setup: Setup, explanations: dict[str, dict[str, Explanation]]) -> TableItem:
    rows = []
    for backend, by_method in explanations.items():
        for method, made in by_method.items():
            assert made.error is not None
            shown = made.error.values if made.error.relative is None else made.error.relative
            rows.append([backend, _TITLES[method], made.error.name, *map(float, shown)])
    return TableItem(
        "How far can it be trusted?",
        ["framework", "method", "estimate", *setup.titles()],
        rows,
        "Local R²: 1 is a perfect fit of the linear model. Residuals: relative to what the sum should be.",
    )


def _parity_table(numbers: dict[str, Any]) -> TableItem:
    rows = [
        [_TITLES[method], found["cosine"], found["relative_l2"], found["spearman"]] for method, found in numbers.items()
    ]
    return TableItem("Do both frameworks agree?", ["method", "cosine", "relative L2", "Spearman"], rows)
