"""Write docs/parity.md: every method on both frameworks with the same weights, and beside the other libraries.

ResNet-18 with random weights and random batch-norm statistics, small random pictures; methods for attention on a small
vision transformer. In double precision the two
frameworks have to agree to rounding; what single precision adds is shown beside it.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from bench_methods import network, params_for
from peers import PEERS, background
from rich.progress import track

import twinlens as tl
from twinlens.backends.torch_backend import import_torchvision

_FAMILIES = {
    "gradients": "Gradients",
    "backpropagation": "Other rules of backpropagation",
    "cams": "Class activation maps",
    "attention": "Attention",
    "perturbation": "Perturbation",
    "layers": "Layers and neurons",
}
_GRID: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 4}}
# What is small enough to run twice in double precision, and what has to be given.
PARAMS: dict[str, dict[str, Any]] = {
    "smoothgrad": {"samples": 5},
    "smooth_taylor": {"samples": 5},
    "integrated_gradients": {"steps": 10},
    "blur_integrated_gradients": {"steps": 10},
    "guided_integrated_gradients": {"steps": 10},
    "expected_gradients": {"samples": 8, "background": background},
    "gradient_shap": {"samples": 8, "background": background},
    "noise_tunnel": {"inner": "integrated_gradients", "inner_params": {"steps": 5}, "samples": 3},
    "deepshap": {"background": background},
    "occlusion": {"window": 16, "stride": 8},
    "feature_ablation": _GRID,
    "feature_permutation": {"samples": 3, **_GRID},
    "rise": {"samples": 64},
    "lime": {"samples": 128, **_GRID},
    "lime_package": {"samples": 128, **_GRID},
    "normlime": {"samples": 128, **_GRID},
    "kernelshap": {"samples": 128, **_GRID},
    "shapley_sampling": {"samples": 4, **_GRID},
    "exact_shapley": {"segments": "grid", "segment_options": {"cells": 3}},
    "partition_shap": {"max_evaluations": 60},
    "sess": {"scales": 3},
    "feature_factorisation": {"components": 3},
    "layer_activation": {"layer": "layer3"},
    "layer_gradient_x_activation": {"layer": "layer3"},
    "layer_integrated_gradients": {"layer": "layer3", "steps": 10},
    "layer_conductance": {"layer": "layer3", "steps": 10},
    "layer_deeplift": {"layer": "layer3"},
    "layer_deepshap": {"layer": "layer3", "background": background},
    "layer_feature_ablation": {"layer": "layer3"},
    "layer_feature_permutation": {"layer": "layer3", "samples": 3},
    "layer_lrp": {"layer": "layer3"},
    "layer_expected_gradients": {"layer": "layer3", "samples": 8, "background": background},
    "internal_influence": {"layer": "layer3", "steps": 10},
    "neuron_gradient": {"layer": "layer3", "neuron": 3},
    "neuron_integrated_gradients": {"layer": "layer3", "neuron": 3, "steps": 10},
    "neuron_conductance": {"layer": "layer3", "neuron": 3, "steps": 10},
    "neuron_guided_backprop": {"layer": "layer3", "neuron": 3},
    "filter_visualisation": {"layer": "layer3", "filter": 3, "steps": 5},
    "class_visualisation": {"steps": 5},
    "tcav": {"layer": "layer3", "concepts": lambda x: {"own": x}, "random": background, "runs": 3},
}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative L2 distance."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), np.finfo(float).tiny))


def scaled(maps: np.ndarray) -> np.ndarray:
    """Each map from 0 to 1, as some libraries return it."""
    axes = tuple(range(1, maps.ndim))
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    return (maps - low) / np.maximum(high - low, 1e-12)


def twins(dtype: str) -> tuple[tl.Model, tl.Model]:
    """ResNet-18 on both frameworks, with statistics unlike the initial 0 and 1."""
    first, second = tl.load_model("torchvision:resnet18"), tl.load_model("paddle:resnet18")
    rng = np.random.default_rng(0)
    state = first.state()
    for name, array in state.items():
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, array.shape)
        elif name.endswith("running_mean"):
            state[name] = rng.normal(0, 0.1, array.shape)
    first.load_state(state)
    tl.transfer(first, second)
    return tuple(tl.wrap(model.net, dtype=dtype, input_shape=(3, 64, 64)) for model in (first, second))  # type: ignore[return-value]


def transformers(dtype: str, size: int) -> tuple[tl.Model, tl.Model]:
    """A small vision transformer and its twin, whose head, zero at first, has random weights."""
    torchvision = import_torchvision()
    net = torchvision.models.VisionTransformer(
        image_size=size, patch_size=size // 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10
    )
    first = tl.wrap(net, dtype=dtype, input_shape=(3, size, size))
    rng = np.random.default_rng(0)
    first.load_state({name: rng.normal(0, 0.1, array.shape) for name, array in first.state().items()})
    return first, tl.twin(first)


def beside_peer(method: str, size: int) -> tuple[str, str]:
    """Name of the other library, and how far it is from ours in double precision, on torch."""
    peer = PEERS.get(method)
    if peer is None:
        return "", ""
    if peer.compared == "none":
        return peer.library, "other noise or definition"
    model = tl.wrap(network(peer.net, size).net, dtype="float64")
    x = np.random.default_rng(0).random((2, 3, size, size))
    params = params_for(peer, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peer.make(model, x, [1, 2])()
    ours = tl.explain(model, x, method, [1, 2] if tl.methods()[method].targeted else None, **params).values
    if peer.compared == "scaled":
        ours, theirs = scaled(ours), scaled(theirs)
    # A superpixel's value stands once per pixel here, and once per colour channel there.
    return peer.library, f"{distance(np.broadcast_to(ours, theirs.shape), theirs):.0e}"


def main() -> None:
    """Run every method on both frameworks in both precisions, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "parity.md")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    precisions = ("float64", "float32")
    convolutional = {dtype: twins(dtype) for dtype in precisions}
    attending = {dtype: transformers(dtype, arguments.size) for dtype in precisions}
    x = np.random.default_rng(0).random((2, 3, arguments.size, arguments.size), dtype=np.float32)
    rows: dict[str, list[str]] = {family: [] for family in _FAMILIES}
    chosen = {name: m for name, m in tl.methods().items() if arguments.only is None or name in arguments.only}
    for name, method in track(chosen.items(), "methods", transient=True):
        params = {key: value(x) if callable(value) else value for key, value in PARAMS.get(name, {}).items()}
        pairs = attending if method.family == "attention" else convolutional
        found = {
            dtype: [tl.explain(model, x, name, [1, 2] if method.targeted else None, **params).values for model in pair]
            for dtype, pair in pairs.items()
        }
        library, difference = beside_peer(name, arguments.size)
        cells = [f"`{name}`", *(f"{distance(*found[dtype]):.0e}" for dtype in pairs), library, difference]
        rows[method.family].append(f"| {' | '.join(cells)} |")
    lines = [
        "# Do both frameworks, and the other libraries, give the same numbers?",
        "",
        "Relative L2 distance between PyTorch and Paddle with the same weights: ResNet-18 with random weights and",
        "batch-norm statistics (for attention, a small vision transformer), on two random pictures of",
        f"{arguments.size} x {arguments.size}.",
        "In double precision what is left is rounding. In single precision one unit whose sign flips by rounding",
        "moves a whole map: PyTorch differs from itself in double precision by 1e-3. The last columns compare PyTorch",
        "in double precision with another library, for the methods that are deterministic and mean the same there;",
        "class activation maps after scaling both to 0 to 1.",
        "",
        "Where the last column is large the definitions differ: grad-cam centres the activations before Eigen-CAM's",
        "decomposition and adds a constant to Grad-CAM++'s denominators, captum enlarges the map of guided Grad-CAM",
        "to the nearest pixel instead of bilinearly, and the default weights of its neuron conductance sum to",
        "(n - 1) / n.",
        "",
        "Made by `make parity`.",
    ]
    for family, title in _FAMILIES.items():
        if rows[family]:
            lines += ["", f"## {title}", "", "| method | Paddle, double | Paddle, single | library | library, double |"]
            lines += ["|---|---|---|---|---|", *sorted(rows[family])]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Wrote {arguments.out}")


if __name__ == "__main__":
    main()
