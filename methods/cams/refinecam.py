"""RefineCAM: the maps of several layers, multiplied: fine as the early ones, and without their noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ...errors import LayerError, MethodError
from ..budget import Budget
from ..checks import check_flags, finite_values, pictures, random_seed
from ..explanation import Array, ErrorEstimate
from ..inner_method import by_name, seed_of
from ..registry import Attribution, Method, get_method, register
from .target_layer import check_layer, target_layers
from .upsampling import resized

# As many as the authors take: the ends of the stages of a ResNet, or the last four poolings of a VGG.
_LAYERS = 4
_OWN = {"layer": "layers", "upsample": "upsample", "batch_size": "batch_size"}


def product(maps: Sequence[Array], size: tuple[int, ...]) -> Array:
    """Maps (N, h, w) of several layers, each without what is negative, enlarged, of largest value 1, multiplied.

    Parameters
    ----------
    maps : sequence of ndarray (N, h, w)
        0 everywhere where one is.
    size : tuple of int (H, W)

    Returns
    -------
    ndarray (N, H, W)
    """
    fused = np.ones((len(maps[0]), *size))
    for each in maps:
        large = resized(np.maximum(each, 0), size)
        highest = large.max(axis=(1, 2), keepdims=True)
        fused *= np.divide(large, highest, out=np.zeros_like(large), where=highest > 0)
    return fused


def _named(model: Model, x: Array, layers: Sequence[str] | None) -> list[str]:
    """The layers asked for, or those that are chosen."""
    if layers is None:
        check_layer(model, None)
        return target_layers(model, x, _LAYERS, "layers=[...]")
    if not isinstance(layers, (list, tuple)) or not layers or not all(isinstance(name, str) for name in layers):
        raise LayerError(
            f"layers={layers!r} is not a list of names of layers.",
            'Pass a list, such as layers=["layer3", "layer4"], of a sequence layers=["4", "7"], or None to have them '
            "chosen.",
        )
    for place, name in enumerate(layers):
        check_layer(model, name)
        if name in layers[:place]:
            raise LayerError(f"Layer '{name}' is named twice, and would count twice.", "Name each layer once.")
    return list(layers)


def _method(inner: str, inner_params: Mapping[str, Any] | None) -> tuple[Method, dict[str, Any]]:
    """The method that makes each layer's map, and its parameters, checked."""
    method = get_method(inner)
    if method.family != "cams" or method.scope == "global" or not set(_OWN) <= set(method.defaults):
        raise MethodError(
            f"inner='{inner}' makes no map of each input for a layer that it is told.",
            "Choose gradcam++, gradcam, layercam or hirescam, for example.",
        )
    given = by_name(inner_params, '{"of": "loss"}')
    for name in given:
        if name in _OWN:
            raise MethodError(
                f"inner_params has '{name}', which refinecam gives to each layer itself.",
                f"Pass {_OWN[name]}=... beside inner_params.",
            )
    return method, given


@register(
    "refinecam",
    family="cams",
    paper="How to Evaluate and Refine your CAM (Domeniconi et al., 2026, arXiv:2605.14641)",
    needs="gradient",
    error="disagreement of the layers: 1 minus the largest value of the product, 0 where all maps peak at one place",
)
def refinecam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layers: Sequence[str] | None = None,
    inner: str = "gradcam++",
    inner_params: Mapping[str, Any] | None = None,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Π_l ReLU(M_l) / max ReLU(M_l)``: the maps M of several layers, enlarged to one size and multiplied.

    Only places at which every layer's map has something keep a value: the deep layers say where, the early ones how
    fine. The inner method runs once per layer, each time for the class that the first run settles. The values are maps
    (N, 1, H, W) from 0 to 1, not scaled once more after the product. The authors' code and that of libraries take each
    map's smallest value off, too; here a map that is above 0 everywhere stays so.

    An inner method that draws random numbers draws others for each layer: its seed for the layer in place l is
    ``numpy.random.SeedSequence([seed, l]).generate_state(1)[0]``, where `seed` is its own.

    Where a layer's map is nowhere above 0, the product is 0 and the error estimate 1: ``extras["highest"]``, the
    largest value (N, layers) of each layer's map before it is scaled, tells which layer to leave out.

    Parameters
    ----------
    layers : list of str or None
        Whose maps are multiplied. None chooses the last convolution and the last one of each larger or smaller size of
        map before it, up to four; ``extras["layers"]`` says which these are. gradcam++ wants activations that are not
        negative: better name the layers behind a ReLU at which the network's stages end.
    inner : str
        The method that makes the map of each layer: any class activation map that is told its layer.
    inner_params : dict, optional
        Its parameters but for layer, upsample and batch_size.
    upsample : bool
        Enlarge each layer's map bilinearly to the size of the input before they are multiplied, and keep what False
        returns in ``extras["map"]``; False enlarges them to that of the largest of the maps only, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "refinecam")
    check_flags(upsample=upsample)
    method, given = _method(inner, inner_params)
    chosen = method.completed({"batch_size": batch_size} | given)
    names = _named(model, x, layers)
    maps: list[Array] = []
    first: Attribution | None = None
    budget: Budget | None = None
    for place, name in enumerate(names):
        own = {"layer": name, "upsample": False}
        if "seed" in chosen:
            own["seed"] = seed_of(random_seed(chosen["seed"]), place)
        explained = target if first is None or first.target is None else first.target
        found = method.function(model, x, explained, **chosen | own)
        finite_values(found.values)
        maps.append(found.values[:, 0])
        first = first or found
        if found.budget is not None:
            budget = budget or Budget(len(x))
            budget.evaluations += found.budget.evaluations
    assert first is not None
    largest = tuple(max(lengths) for lengths in zip(*(each.shape[1:] for each in maps), strict=True))
    small = product(maps, largest)[:, None]
    extras = {
        "layers": np.array(names),
        "highest": np.stack([each.max(axis=(1, 2)) for each in maps], axis=1).astype(x.dtype),
    }
    values = small
    if upsample:
        extras["map"] = small.astype(x.dtype)
        values = product(maps, x.shape[2:])[:, None]
    error = ErrorEstimate(
        "disagreement of the layers",
        1 - values.max(axis=(1, 2, 3)),
        "1 minus the largest value of the product: 0 where all layers' maps are highest at the same place, 1 where the "
        "product is 0 everywhere, as where one layer's map is.",
    )
    return Attribution(values.astype(x.dtype), first.scores, first.target, error, extras, budget)
