"""What is recorded of one method: figures of regions or maps, numbers, and tables for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..comparison import agreement
from ..figures.report import FigureItem, Row, Section, TableItem
from ..methods import Explanation, Method
from ..methods.explanation import LOCAL_FIT
from .explained_drawing import Drawing, Subject, draw
from .explained_regions import Regions, regions_of
from .output import Output

_AGREEMENT = {"cosine": "cosine", "relative_l2": "relative L2", "spearman": "Spearman"}
_LEFT_OUT = "In pixels of the picture explained. Weights within two of their standard errors of 0 are not drawn."
_FAIR = 0.5


def method_section(
    method: Method, made: Mapping[str, Explanation], subject: Subject, drawing: Drawing, output: Output
) -> tuple[Section, dict[str, Any]]:
    """Draw what one method found, and say how exact it is.

    Parameters
    ----------
    method : Method
    made : dict of str to Explanation
        By framework.
    subject : Subject
    drawing : Drawing
    output : Output

    Returns
    -------
    Section, dict
        A chapter of the report, and what goes into the results.
    """
    found = {
        name: [regions_of(each, index) for index in range(len(each.inputs))] if _is_map(each) else []
        for name, each in made.items()
    }
    numbers: dict[str, Any] = {name: _numbers(each, found[name], drawing) for name, each in made.items()}
    rows = [
        Row([FigureItem(path, method.name.replace("_", " "), _caption(method, next(iter(made.values()))))])
        for path in draw(method.name, made, found, subject, drawing, output)
    ]
    columns = ["framework", "error estimate", "worst", "evaluations", "ended by", "seconds"]
    table = [
        [
            name,
            each.error.name if each.error else "exact",
            each.error and each.error.worst,
            each.evaluations,
            each.stopped,
            each.seconds,
        ]
        for name, each in made.items()
    ]
    items = [TableItem("How exact is it?", columns, table)]
    if len(made) == 2:
        agreed = agreement(*(each.values for each in made.values())).worst()
        numbers["agreement"] = agreed
        items.append(
            TableItem("Do both frameworks agree?", list(_AGREEMENT.values()), [[agreed[key] for key in _AGREEMENT]])
        )
    rows.append(Row(items))
    strengths = _strengths(found, subject, drawing)
    if strengths:
        columns = ["picture", "framework", "region", "weight", "standard error", "left", "top", "width", "height"]
        rows.append(Row([TableItem("The strongest regions", columns, strengths, _LEFT_OUT)]))
    return Section(method.name.replace("_", " "), method.paper, rows), numbers


def cautions(made: Mapping[str, Explanation], names: Sequence[str]) -> list[str]:
    """Of which pictures the regions mean little, in words."""
    said = []
    for backend, each in made.items():
        for index, name in enumerate(names):
            found = regions_of(each, index) if _is_map(each) else None
            fit = each.error.values[index] if each.error is not None and each.error.name == LOCAL_FIT else 1.0
            if found is not None and found.silent:
                said.append(
                    f"{name} ({backend}): {each.method} finds no region, since hiding them changes nothing beyond"
                    " rounding; hide them otherwise, such as by --set baseline=blur"
                )
            elif not fit >= _FAIR:
                said.append(f"{name} ({backend}): local R² {fit:.2f}, the weights of {each.method} mean little")
    return said


def _numbers(explanation: Explanation, found: Sequence[Regions | None], drawing: Drawing) -> dict[str, Any]:
    error = explanation.error
    return {
        "params": {key: value for key, value in explanation.params.items() if key != "background"},
        "seconds": explanation.seconds,
        "error": None if error is None else {"name": error.name, "values": error.values, "relative": error.relative},
        "layer": _layers(explanation),
        "evaluations": explanation.evaluations,
        "stopped": explanation.stopped,
        "regions": [None if each is None else each.numbers(set(drawing.chosen(each))) for each in found],
    }


def _strengths(found: Mapping[str, Sequence[Regions | None]], subject: Subject, drawing: Drawing) -> list[list[Any]]:
    return [
        [subject.names[index], name, each["region"], each["weight"], each["standard_error"], *each["box"]]
        for name, several in found.items()
        for index, one in enumerate(several)
        if one is not None
        for each in one.numbers(set(drawing.chosen(one)))
        if each["drawn"]
    ]


def _caption(method: Method, explanation: Explanation) -> str:
    layers = _layers(explanation)
    return method.summary if layers is None else f"{'Layers' if ', ' in layers else 'Layer'} {layers}."


def _layers(explanation: Explanation) -> str | None:
    """The layer that was looked at, or several, with commas between them."""
    several = explanation.extras.get("layers")
    if several is not None:
        return ", ".join(map(str, several))
    return str(explanation.extras["layer"]) if "layer" in explanation.extras else None


def _is_map(explanation: Explanation) -> bool:
    """Whether the values lie over the pictures."""
    return explanation.values.ndim == 4 and explanation.values.shape[2:] == explanation.inputs.shape[2:]
