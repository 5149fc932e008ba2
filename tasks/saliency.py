"""Task 1: which pixels move the score? Input gradients, SmoothGrad and integrated gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..comparison import agreement, in_double, judged
from ..figures import GridRow, as_picture, heat, picture_grid
from ..figures import agreement as agreement_figure
from ..figures.report import FigureItem, Row, Section, TableItem
from ..methods import Explanation, explain
from .config import Saliency
from .output import Output
from .setup import Say, Setup

_TITLES = {
    "saliency": "|gradient|",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
}
_PARITY_COLUMNS = {
    "cosine": "cosine",
    "relative_l2": "relative L2",
    "spearman": "Spearman",
    "float64_relative_l2": "relative L2 in float64",
    "float32_noise": "float32's own noise",
}


def run_saliency(setup: Setup, config: Saliency, output: Output, name: str, say: Say) -> tuple[Section, dict[str, Any]]:
    """Explain the pictures on every framework, draw the maps, and compare.

    Returns
    -------
    section : Section
        For the report.
    numbers : dict
        For the results.
    """
    explanations: dict[str, dict[str, Explanation]] = {}
    figures = []
    for backend, model in setup.models.items():
        explanations[backend] = {}
        for method, params in saliency_methods(setup, config).items():
            say(f"{name}: {_TITLES[method]} on {backend}")
            made = explain(model, setup.images, method, setup.targets, **params)
            output.explanation(made, f"{name}_{method}_{backend}")
            explanations[backend][method] = made
        figures.append(_figures(setup, config, explanations[backend], output, f"{name}_saliency_{backend}", backend))
    numbers: dict[str, Any] = {
        backend: {method: _numbers(made, setup) for method, made in by_method.items()}
        for backend, by_method in explanations.items()
    }
    rows = [Row([pair[i] for pair in figures]) for i in range(2)]
    if any(mask is not None for mask in setup.masks):
        rows.append(Row([_mask_table(numbers)]))
    rows.append(Row([_error_table(explanations)]))
    if len(setup.models) == 2:
        numbers["parity"] = _parity(setup, config, explanations, say, name)
        rows.append(Row([_parity_table(numbers["parity"]), _scatter(explanations, output, name)]))
    text = (
        f"The gradient of the {config.of.replace('_', ' ')} with respect to every pixel. Each map is scaled by itself: "
        "the strongest pixel of a picture is white, whatever the size of its gradient."
    )
    return Section("Saliency", text, rows), numbers


def saliency_methods(setup: Setup, config: Saliency) -> dict[str, dict[str, Any]]:
    """The methods that the configuration asks for, each with its parameters."""
    chosen: dict[str, dict[str, Any]] = {"saliency": {"of": config.of}}
    if config.smoothgrad is not None:
        chosen["smoothgrad"] = {"of": config.of, "seed": setup.seed} | config.smoothgrad
    if config.integrated_gradients is not None:
        chosen["integrated_gradients"] = {"seed": setup.seed} | config.integrated_gradients
    return chosen


def _figures(
    setup: Setup, config: Saliency, made: dict[str, Explanation], output: Output, stem: str, backend: str
) -> tuple[FigureItem, FigureItem]:
    pictures = GridRow("picture", [as_picture(image) for image in setup.images])
    source = heat(made["saliency"].values, "mean", percentile=None)
    two_rows = picture_grid(
        [pictures, GridRow("|gradient|", list(source), cmap="gray", vmin=0, vmax=1)],
        setup.titles(),
        f"Saliency maps on {backend}",
    )
    maps = [GridRow(_TITLES[method], list(heat(found.values, config.channels))) for method, found in made.items()]
    beside = picture_grid([pictures, *maps], setup.titles(), f"Gradient methods on {backend}")
    return (
        FigureItem(output.figure(two_rows, stem), f"Saliency maps, {backend}", "Mean of |gradient| over the channels."),
        FigureItem(
            output.figure(beside, f"{stem}_methods"),
            f"Gradient methods, {backend}",
            f"The {config.channels} over the channels. The brightest 1 % of each map is clipped, so that single pixels "
            "do not darken the rest.",
        ),
    )


def _numbers(made: Explanation, setup: Setup) -> dict[str, Any]:
    found: dict[str, Any] = {"params": made.params, "seconds": made.seconds, "target": made.target}
    if made.error is not None:
        found["error"] = {"name": made.error.name, "values": made.error.values, "relative": made.error.relative}
    if any(mask is not None for mask in setup.masks):
        shares = [share_inside(v, m) for v, m in zip(made.values, setup.masks, strict=True) if m is not None]
        areas = [float(mask.mean()) for mask in setup.masks if mask is not None]
        found["inside_mask"] = {"attribution": float(np.mean(shares)), "area": float(np.mean(areas))}
    return found


def share_inside(values: Any, mask: Any) -> float:
    """Share of the sum of |attribution| that lies inside the object's mask; 0 for a zero map.

    Parameters
    ----------
    values : ndarray (C, H, W)
    mask : ndarray of bool (H, W)
    """
    total = np.abs(values).sum(dtype=np.float64)
    return float(np.abs(values[:, mask]).sum(dtype=np.float64) / total) if total > 0 else 0.0


def _mask_table(numbers: dict[str, Any]) -> TableItem:
    rows = [
        [backend, _TITLES[method], found["inside_mask"]["attribution"], found["inside_mask"]["area"]]
        for backend, by_method in numbers.items()
        for method, found in by_method.items()
    ]
    return TableItem(
        "Does the explanation find the object?",
        ["framework", "method", "share of |attribution| inside the object", "share of the area"],
        rows,
        "Made pictures come with the object's true place. A map that knew nothing would reach the share of the area.",
    )


def _error_table(explanations: dict[str, dict[str, Explanation]]) -> TableItem:
    rows = []
    for backend, by_method in explanations.items():
        for method, made in by_method.items():
            relative = None if made.error is None or made.error.relative is None else float(np.max(made.error.relative))
            rows.append([backend, _TITLES[method], made.error.name if made.error else "exact", relative, made.seconds])
    return TableItem(
        "How exact is it?", ["framework", "method", "error estimate", "largest, relative", "seconds"], rows
    )


def _parity(
    setup: Setup, config: Saliency, explanations: dict[str, dict[str, Explanation]], say: Say, name: str
) -> dict[str, Any]:
    count = min(config.parity_pictures, len(setup.images))
    doubles = [in_double(model) for model in setup.models.values()] if count else []
    found = {}
    for method, params in saliency_methods(setup, config).items():
        values = [by_method[method].values for by_method in explanations.values()]
        found[method] = {"all_pictures": agreement(*values).worst()}
        if count:
            say(f"{name}: {_TITLES[method]} in float64 on both frameworks")
            images, targets = setup.images[:count], setup.targets[:count]
            exact = [explain(model, images, method, targets, **params).values for model in doubles]
            parity = judged(method, [made[:count] for made in values], exact)
            found[method] |= {"float64_pictures": count} | parity.numbers()
    return found


def _parity_table(numbers: dict[str, Any]) -> TableItem:
    rows = []
    for method, found in numbers.items():
        cells = [found.get(key, found["all_pictures"].get(key)) for key in _PARITY_COLUMNS]
        rows.append([_TITLES[method], *(max(cell) if isinstance(cell, list) else cell for cell in cells)])
    return TableItem(
        "Do both frameworks agree?",
        ["method", *_PARITY_COLUMNS.values()],
        rows,
        "The same weights and the same noise on both. float32's own noise is the relative L2 distance of each "
        "framework to itself in float64: float32 cannot agree better than that.",
    )


def _scatter(explanations: dict[str, dict[str, Explanation]], output: Output, name: str) -> FigureItem:
    first, second = (by_method["saliency"] for by_method in explanations.values())
    figure = agreement_figure(first.values, second.values, (first.backend, second.backend), "Gradients, every pixel")
    return FigureItem(output.figure(figure, f"{name}_saliency_agreement"), "Every pixel's gradient on both frameworks")
