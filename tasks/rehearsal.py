"""Everything a part will do, tried on one picture with little effort, so that mistakes show before the long work."""

from __future__ import annotations

from typing import Any

from ..methods import explain, get_method
from ..methods.checks import finite_weights
from .feature_maps import check_feature_maps
from .lime_shap import lime_shap_methods
from .saliency import saliency_methods
from .setup import Setup

_LITTLE = {"steps": 2, "samples": 8, "max_evaluations": 8}


def rehearse(setup: Setup) -> None:
    """Raise what the part's tasks would raise later: wrong layers, targets, parameters, weights or pictures."""
    part = setup.part
    finite_weights(setup.network)
    if part.feature_maps is not None:
        check_feature_maps(setup.network, part.feature_maps, setup.images.shape[1:])
    if part.saliency is not None:
        explained = setup.explaining(part.saliency.target)
        _try(explained, saliency_methods(explained, part.saliency))
    if part.lime_shap is not None:
        explained = setup.explaining(part.lime_shap.target)
        _try(explained, lime_shap_methods(explained, part.lime_shap))


def _try(setup: Setup, methods: dict[str, dict[str, Any]]) -> None:
    for method, params in methods.items():
        whole = get_method(method).defaults | params
        explain(setup.network, setup.images[:1], method, setup.targets[:1], **_with_little_effort(whole))


def _with_little_effort(params: dict[str, Any]) -> dict[str, Any]:
    """The same parameters with smaller counts; what is no count stays for the method to complain about."""
    lowered = {name: min(params[name], most) for name, most in _LITTLE.items() if isinstance(params.get(name), int)}
    return params | lowered
