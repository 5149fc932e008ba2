"""Whether what a layer returns has one entry per sample."""

from __future__ import annotations

from typing import Any

from ...backends.model import Model
from ...backends.protocol import Tensor
from ...errors import LayerError


def check_samples(model: Model, x: Tensor, activation: Tensor, layer: str) -> None:
    """Raise `LayerError` unless the first axis of a layer's output is the samples.

    As many entries as samples may be chance, such as words of sentences that are as long as the batch: once per model
    and layer, the network runs on another number of samples.

    Parameters
    ----------
    model : Model
    x : native tensor (N, ...)
    activation : native tensor
        What the layer returned for it.
    layer : str
    """
    backend = model.backend
    samples = backend.shape(x)[0]
    _follows(backend.shape(activation), samples, layer)
    make_up = (*model.make_up(backend.shape(x)[1:]), layer)
    if make_up in model.sample_first:
        return
    # Not one sample: networks that squeeze their axes take that for no batch at all.
    count, seen = 3 if samples == 2 else 2, []

    def watch(_layer: Any, _inputs: Any, output: Any) -> None:
        seen.append(backend.shape(output))

    handle = backend.on_exit(model.layer(layer), watch)
    try:
        with model.unobserved():
            model.scores(backend.concat([x[:1]] * count))
    except Exception:  # a network may refuse a number of samples that it did not expect in any way it likes
        seen.clear()
    finally:
        handle.remove()
    for shape in seen:
        _follows(shape, count, layer)
    model.sample_first.add(make_up)


def _follows(shape: tuple[int, ...], samples: int, layer: str) -> None:
    if not shape or shape[0] != samples:
        raise LayerError(
            f"Layer '{layer}' returns shape {shape} for {samples} samples.",
            "Choose a layer whose first axis is the samples.",
        )
