"""The network at work: in either mode, with a layer looked at or edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays


def layer_name(inputs: Arrays, suffix: str) -> str:
    """Name of the layer that stands at the asked convolution's place among those of another kind."""
    return f"{suffix}{int(inputs['layer']) + 1}"


@contextmanager
def mode(model: Model, training: bool) -> Iterator[None]:
    """Evaluation mode, or training mode with the driver's seed of dropout."""
    backend = model.backend
    if not training:
        with backend.frozen(model.net):
            yield
        return
    with backend.training(model.net), backend.seeded(0):
        yield


def activation_of(model: Model, pictures: Array, layer: str, training: bool = False) -> Array:
    """What a layer puts out."""
    with mode(model, training), model.backend.no_grad():
        return model.backend.numpy(model.activation(model.tensor(model.check_input(pictures)), layer))


def scores_without(
    model: Model,
    pictures: Array,
    layer: str,
    off: Sequence[int],
    factors: Callable[[Array, Sequence[int]], Array],
) -> Array:
    """Scores while a layer's activation is multiplied with `factors`, made from ones and the channels that are off."""

    def change(_module: Any, _inputs: Any, output: Any) -> Any:
        return output * model.tensor(factors(np.ones(model.backend.shape(output)), off))

    hook = model.hook(layer, post=change) if off else nullcontext()
    with model.backend.no_grad(), hook:
        return model.backend.numpy(model.scores(model.tensor(model.check_input(pictures))))
