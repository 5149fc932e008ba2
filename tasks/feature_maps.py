"""Task 2: what do the layers see? Feature maps through forward hooks, and the pictures that filters answer to."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import Model
from ..comparison import agreement
from ..errors import LayerError
from ..figures import as_picture, feature_map_grid, tile_grid
from ..figures.report import FigureItem, Row, Section, TableItem
from ..methods import explain
from ..methods.checks import channel_axis, channels_second, second_in_shape
from .config import FeatureMaps, FilterVisualisation
from .output import Output
from .setup import Say, Setup


def check_feature_maps(model: Model, config: FeatureMaps, input_shape: tuple[int, ...]) -> None:
    """Raise `LayerError` if the model has no maps for a layer or filter of the configuration."""
    infos = {row.name: row for row in model.layers(input_shape)}
    visualised = config.visualisation
    wanted = [(layer, config.filters) for layer in chosen_layers(model, config)]
    if visualised is not None:
        wanted.append((visualised_layer(model, visualised), visualised.filters))
    for layer, filters in wanted:
        model.layer(layer)
        shape, calls = infos[layer].output_shape, infos[layer].calls
        if calls > 1:
            raise LayerError(
                f"Layer '{layer}' runs {calls} times in one run of the network.", "Choose one that runs once."
            )
        if shape is None or len(shape) != 3:
            raise LayerError(f"Layer '{layer}' has no two-dimensional maps (output {shape}).", "Choose a convolution.")
        if max(filters) >= shape[0]:
            raise LayerError(
                f"Filter {max(filters)} does not exist: layer '{layer}' has {shape[0]}.", f"Use 0 to {shape[0] - 1}."
            )


def chosen_layers(model: Model, config: FeatureMaps) -> list[str]:
    """The layers of the configuration, or the first, the middle and the last convolution."""
    if config.layers is not None:
        return list(dict.fromkeys(config.layers))
    found = _convolutions(model)
    return list(dict.fromkeys([found[0], found[len(found) // 2], found[-1]]))


def visualised_layer(model: Model, config: FilterVisualisation) -> str:
    """The layer of the configuration, or the middle convolution."""
    if config.layer is not None:
        return config.layer
    found = _convolutions(model)
    return found[len(found) // 2]


def _convolutions(model: Model) -> list[str]:
    backend = model.backend
    found = [name for name, layer in backend.modules(model.net).items() if backend.kind(layer) == "conv2d"]
    if not found:
        raise LayerError(f"'{model.name}' has no convolution.", "Name the layers to look at with feature_maps.layers.")
    return found


def run_feature_maps(
    setup: Setup, config: FeatureMaps, output: Output, name: str, say: Say
) -> tuple[Section, dict[str, Any]]:
    """Capture and draw the feature maps of every framework, and compare them layer by layer."""
    layers = chosen_layers(next(iter(setup.models.values())), config)
    activations, figures, numbers = {}, [], {}
    for backend, model in setup.models.items():
        channels_second(model)
        say(f"{name}: feature maps on {backend}")
        with model.capture(layers) as seen:
            model.forward(setup.images)
        activations[backend] = {layer: seen[layer] for layer in layers}
        for layer, maps in activations[backend].items():
            axis = channel_axis(model, model.layer(layer), maps.shape)
            second_in_shape(maps.shape, layer, setup.images.shape[2:], axis)
        figures.append([_maps_figure(setup, config, seen[layer], layer, backend, output, name) for layer in layers])
        if config.visualisation is not None:
            say(f"{name}: filter visualisation on {backend}")
            figure, risen = _visualised(setup, config.visualisation, model, output, name)
            figures[-1].append(figure)
            numbers[backend] = {"filter_visualisation": risen}
    rows = [Row(list(items)) for items in zip(*figures, strict=True)]
    if len(activations) == 2:
        first, second = activations.values()
        numbers["parity"] = {layer: agreement(first[layer], second[layer]).worst() for layer in layers}
        rows.append(Row([_parity_table(numbers["parity"])]))
    rows.append(Row([_layer_table(next(iter(setup.models.values())))]))
    text = (
        "A forward hook keeps what a layer returns while the network runs, and is gone afterwards. Bright places of a "
        "map are where the filter answers. Below them, the pictures that gradient ascent finds for single filters."
    )
    return Section("Feature maps", text, rows), numbers


def _maps_figure(
    setup: Setup, config: FeatureMaps, maps: Any, layer: str, backend: str, output: Output, name: str
) -> FigureItem:
    pictures = [as_picture(image) for image in setup.images]
    figure = feature_map_grid(maps, config.filters, setup.titles(), f"Layer {layer} on {backend}", pictures)
    stem = f"{name}_maps_{layer.replace('.', '_')}_{backend}"
    return FigureItem(output.figure(figure, stem), f"Layer {layer}, {backend}", f"{maps.shape[1]} filters in all.")


def _visualised(
    setup: Setup, config: FilterVisualisation, model: Model, output: Output, name: str
) -> tuple[FigureItem, dict[str, Any]]:
    layer, backend = visualised_layer(model, config), model.backend.name
    grey = np.full((1, *setup.images.shape[1:]), 0.5)
    start = grey + 0.05 * np.random.default_rng(setup.seed).standard_normal(grey.shape)
    pictures, risen = [], {}
    for number in config.filters:
        made = explain(
            model,
            start,
            "filter_visualisation",
            layer=layer,
            filter=number,
            steps=config.steps,
            learning_rate=config.learning_rate,
        )
        output.explanation(made, f"{name}_filter_{layer.replace('.', '_')}_{number}_{backend}")
        pictures.append(_stretched(made.values[0]))
        course = made.extras["activation"][0]
        risen[f"filter {number}"] = {"before": float(course[0]), "after": float(course[-1])}
    titles = [f"filter {number}" for number in config.filters]
    figure = tile_grid(pictures, titles, f"What filters of {layer} answer to, {backend}")
    caption = f"{config.steps} steps of gradient ascent from the same grey noise; contrast stretched for the eye."
    item = FigureItem(output.figure(figure, f"{name}_filters_{backend}"), f"Filter visualisation, {backend}", caption)
    return item, {"layer": layer, "activation": risen}


def _stretched(picture: Any) -> Any:
    """Within three standard deviations of its mean, for showing alone."""
    centred = (picture - picture.mean()) / (6 * picture.std() or 1.0)
    return as_picture(np.clip(centred + 0.5, 0, 1))


def _parity_table(numbers: dict[str, Any]) -> TableItem:
    rows = [[layer, found["cosine"], found["relative_l2"], found["max_abs"]] for layer, found in numbers.items()]
    columns = ["layer", "cosine", "relative L2", "largest difference"]
    return TableItem("Do both frameworks compute the same maps?", columns, rows, "Worst picture of each layer.")


def _layer_table(model: Model) -> TableItem:
    infos = [info for info in model.layers() if info.name]
    rows = [
        [info.name, info.kind, "×".join(map(str, info.output_shape)) if info.output_shape else None, info.parameters]
        for info in infos
    ]
    total = sum(info.parameters for info in infos)
    return TableItem("Layers", ["name", "kind", "output", "parameters"], rows, f"{total:,} parameters in all.")
