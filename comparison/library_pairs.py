"""What torchvision.models and paddle.vision.models share, and where they build one architecture differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..backends import Model, get_backend
from ..backends.protocol import Net
from ..errors import ModelError
from ..models.libraries import LIBRARIES
from .corrections import Correction, ceiling, dropout, epsilon, input_transform, six_by_six, stem_padding
from .structure import parts


@dataclass(frozen=True)
class LibraryPair:
    """One architecture in both libraries.

    Attributes
    ----------
    name : str
        What both libraries call it.
    corrections : tuple of Correction
        Where they differ, and what makes the counterpart equal.
    refusal : str
        Why there is no counterpart; empty where there is one.
    torch_options : mapping
        Further arguments of torchvision's constructor, for a network that is as Paddle's.
    unused : tuple of str
        Outermost layers of torchvision's network that it runs in training only, and that Paddle's lacks.
    """

    name: str
    corrections: tuple[Correction, ...] = ()
    refusal: str = ""
    torch_options: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


_EQUAL = (
    *("vgg11", "vgg13", "vgg16", "vgg19"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
)

PAIRS = {
    pair.name: pair
    for pair in (
        *(LibraryPair(name) for name in _EQUAL),
        LibraryPair("alexnet", (dropout, six_by_six)),
        LibraryPair("squeezenet1_0", (dropout, ceiling)),
        LibraryPair("squeezenet1_1", (dropout, ceiling, stem_padding)),
        LibraryPair(
            "inception_v3",
            (dropout, epsilon, input_transform),
            torch_options={"aux_logits": False, "init_weights": False},
            unused=("AuxLogits",),
        ),
        LibraryPair(
            "googlenet",
            refusal="Paddle's has no batch norms, applies ReLU only after its blocks are joined, and returns three"
            " outputs; torchvision's has a batch norm and a ReLU after every convolution and returns one",
        ),
    )
}
"""Every architecture that both libraries have, by name."""


_MODULES = {"torch": "torchvision.models.", "paddle": "paddle.vision.models."}
_CLASSES = {"resnext": "resnet", "wide": "resnet"}


def architecture_of(model: Model) -> str | None:
    """The architecture of both libraries that a network is, or None.

    A network that `load_model` built says so itself. One that was wrapped is recognised by its class and by the shapes
    of its weights, all but those of its last layer, whose size is the number of classes.
    """
    library, _, name = str(model.origin.get("spec", "")).rpartition(":")
    if library in LIBRARIES:
        return name if name in PAIRS else None
    if not type(model.net).__module__.startswith(_MODULES[model.backend.name]):
        return None
    cls = type(model.net).__name__.lower()
    family = [name for name in PAIRS if cls.startswith(_class(name))]
    if len(family) <= 1:
        return next(iter(family), None)
    shapes = _shapes({entry: array.shape for entry, array in model.state().items()}, ())
    return next((name for name in family if _torch_shapes(name) == shapes), None)


def known_differences(first: Model, second: Model) -> list[str]:
    """What is known to differ between a network of torchvision and its namesake of Paddle, as they are."""
    nets = {model.backend.name: model.net for model in (first, second)}
    names = {architecture_of(model) for model in (first, second)}
    pair = PAIRS.get(names.pop() or "") if len(names) == 1 else None
    if pair is None or len(nets) < 2:
        return []
    try:
        return [each.description for each in differing(pair, nets)]
    except ModelError:  # the weights may still fit, and its scores are another matter
        return []


def differing(pair: LibraryPair, nets: Mapping[str, Net]) -> list[Correction]:
    """The corrections that two networks of an architecture still need, by framework.

    Raises
    ------
    ModelError
        If one of the networks is not built as its library builds it.
    """
    try:
        return [each for each in pair.corrections if each.present(nets["torch"], nets["paddle"])]
    except (AttributeError, LookupError, TypeError, StopIteration) as error:
        raise ModelError(
            f"One of the networks is no longer the '{pair.name}' of its library.", "Leave its layers as they are."
        ) from error


def unused(source: Model, destination: Model) -> list[str]:
    """Layers of torchvision's network that serve training only, and that Paddle's, the destination, lacks."""
    if source.backend.name == destination.backend.name:
        return []
    pair = PAIRS.get(architecture_of(source) or "")
    if pair is None or not pair.unused:
        return []
    return [part.name for part in parts(source) if part.name.partition(".")[0] in pair.unused]


def _class(name: str) -> str:
    word = name.partition("_")[0].rstrip("0123456789")
    return _CLASSES.get(word, word)


@cache
def _torch_shapes(name: str) -> list[tuple[int, ...]]:
    import torch

    with get_backend("torch").seeded(0), torch.device("meta"):
        net = LIBRARIES["torchvision"].build(name, None, False, {})
    return _shapes({entry: tuple(t.shape) for entry, t in net.state_dict().items()}, PAIRS[name].unused)


def _shapes(state: Mapping[str, tuple[int, ...]], unused: tuple[str, ...]) -> list[tuple[int, ...]]:
    last = list(state)[-1].rpartition(".")[0]
    return [
        shape
        for entry, shape in state.items()
        if shape and entry.rpartition(".")[0] != last and entry.partition(".")[0] not in unused
    ]
