"""A small call of every method, for the tests of what all methods promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twinlens.backends import Backend, Model

from ..nets import pictures, pooled_net, small_net
from .attention.nets import hybrid_net

GRID: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 2}}
_ROWS = pictures(2, seed=1)
_MANY = pictures(10, seed=3)

CALLS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "input_x_gradient": {},
    "smoothgrad": {"samples": 3},
    "smooth_taylor": {"samples": 3},
    "integrated_gradients": {"steps": 3},
    "blur_integrated_gradients": {"steps": 3},
    "guided_integrated_gradients": {"steps": 3},
    "expected_gradients": {"samples": 3, "background": _ROWS},
    "gradient_shap": {"samples": 3, "background": _ROWS},
    "xrai": {"steps": 2},
    "fullgrad": {},
    "noise_tunnel": {"inner": "input_x_gradient", "samples": 3},
    "guided_backprop": {},
    "deconvnet": {},
    "beta_smooth": {},
    "deeplift": {},
    "deepshap": {"background": _ROWS},
    "lrp": {},
    "cam": {},
    "gradcam": {},
    "gradcam_elementwise": {},
    "gradcam++": {},
    "xgradcam": {},
    "hirescam": {},
    "layercam": {},
    "eigencam": {},
    "eigengradcam": {},
    "segeigencam": {},
    "kpcacam": {},
    "fem": {},
    "shapleycam": {"of": "probability"},
    "finercam": {"similar": 2},
    "refinecam": {},
    "randomcam": {},
    "scorecam": {},
    "ablationcam": {},
    "guided_gradcam": {},
    "sess": {"scales": 2, "growth": 0.5},
    "feature_factorisation": {"layer": "2", "components": 2},
    "attention_rollout": {},
    "attention_relevance": {},
    "attention_transition": {"steps": 4},
    "attention_bidirectional": {"steps": 4},
    "occlusion": {"window": 4, "stride": 4},
    "feature_ablation": GRID,
    "feature_permutation": {"samples": 3, **GRID},
    "rise": {"samples": 5, "cells": 2},
    "lime": {"samples": 12, **GRID},
    "lime_package": {"samples": 6, **GRID},
    "normlime": {"samples": 12, **GRID},
    "kernelshap": {"samples": 12, **GRID},
    "shapley_sampling": {"samples": 4, **GRID},
    "exact_shapley": GRID,
    "partition_shap": {"max_evaluations": 6},
    "layer_activation": {"layer": "4"},
    "layer_gradient_x_activation": {"layer": "4"},
    "layer_integrated_gradients": {"layer": "4", "steps": 3},
    "layer_conductance": {"layer": "4", "steps": 3},
    "internal_influence": {"layer": "4", "steps": 3},
    "layer_deeplift": {"layer": "4"},
    "layer_deepshap": {"layer": "4", "background": _ROWS},
    "layer_expected_gradients": {"layer": "4", "samples": 3, "background": _ROWS},
    "layer_feature_ablation": {"layer": "4"},
    "layer_feature_permutation": {"layer": "4", "samples": 3},
    "layer_lrp": {"layer": "4"},
    "neuron_gradient": {"layer": "4", "neuron": 1},
    "neuron_integrated_gradients": {"layer": "4", "neuron": 1, "steps": 3},
    "neuron_conductance": {"layer": "4", "neuron": 1, "steps": 3},
    "neuron_guided_backprop": {"layer": "4", "neuron": 1},
    "filter_visualisation": {"layer": "4", "steps": 2},
    "class_visualisation": {"steps": 2},
    "tcav": {"layer": "4", "concepts": {"dark": 0.5 * _ROWS, "light": _MANY[:4] ** 0.5}, "random": _MANY, "runs": 3},
}

PACKAGES = {
    "feature_factorisation": "sklearn",
    "kpcacam": "sklearn",
    "lime_package": "lime",
    "partition_shap": "shap",
    "tcav": "sklearn",
    "xrai": "skimage",
}
"""What a method needs beyond NumPy and a framework."""

POOLED = ("normlime",)
"""Methods whose values for a sample are made of all samples with its target."""

NETS: dict[str, Callable[..., Model]] = {
    "cam": pooled_net,
    "attention_rollout": hybrid_net,
    "attention_relevance": hybrid_net,
    "attention_transition": hybrid_net,
    "attention_bidirectional": hybrid_net,
}


def net_for(method: str, backend: Backend, dtype: str = "float32") -> Model:
    """A network that the method holds for."""
    return NETS.get(method, small_net)(backend, dtype=dtype)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference as a share of the largest value."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))
