"""Networks that the frameworks' own libraries build: torchvision.models and paddle.vision.models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..backends import get_backend
from ..errors import CheckpointError, ModelError, suggest


@dataclass(frozen=True)
class Library:
    """A library of networks.

    Attributes
    ----------
    backend : str
        The framework that it builds for.
    title : str
        Its name for the user.
    constructors : callable
        Its networks' constructors by name; imports the framework.
    pretrained : mapping
        What a constructor is passed to download its trained weights.
    """

    backend: str
    title: str
    constructors: Callable[[], dict[str, Callable[..., Any]]]
    pretrained: Mapping[str, Any]

    def build(self, name: str, classes: int | None, pretrained: bool, options: Mapping[str, Any]) -> Any:
        """Call one constructor.

        Parameters
        ----------
        name : str
            Such as ``"resnet18"``.
        classes : int or None
            Number of outputs; the library's own default when None.
        pretrained : bool
            Download the trained weights.
        options : mapping
            Further arguments of the constructor.

        Returns
        -------
        torch.nn.Module or paddle.nn.Layer

        Raises
        ------
        ModelError
            If there is no such network, or it does not take these options.
        CheckpointError
            If the weights cannot be downloaded.
        """
        constructors = self.constructors()
        if name not in constructors:
            raise ModelError(f"{self.title} has no '{name}'.", suggest(name, constructors))
        arguments = {**options, **({} if classes is None else {"num_classes": classes})}
        if pretrained:
            arguments |= self.pretrained
        try:
            return constructors[name](**arguments)
        except Exception as error:
            reason = f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0]}"
            if pretrained:
                raise CheckpointError(
                    f"The trained weights of '{name}' could not be downloaded ({reason}).",
                    "Check the connection, or pass weights= the path of a file that you have.",
                ) from error
            raise ModelError(f"{self.title} does not build '{name}' ({reason}).", "Check its options.") from error


def picture_size(name: str) -> int:
    """Height and width that a network of the libraries was trained with."""
    return 299 if name == "inception_v3" else 224


def _torchvision() -> dict[str, Callable[..., Any]]:
    get_backend("torch")
    from ..backends.torch_backend import import_torchvision

    zoo = import_torchvision().models
    return {name: getattr(zoo, name) for name in zoo.list_models(module=zoo)}


def _paddle_vision() -> dict[str, Callable[..., Any]]:
    get_backend("paddle")
    from paddle.vision import models as zoo

    # The classes among the public names are capitalised, the constructors are not.
    return {name: getattr(zoo, name) for name in zoo.__all__ if name.islower()}


LIBRARIES = {
    "torchvision": Library("torch", "torchvision.models", _torchvision, {"weights": "DEFAULT"}),
    "paddle": Library("paddle", "paddle.vision.models", _paddle_vision, {"pretrained": True}),
}
