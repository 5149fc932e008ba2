"""Before a task begins: the pictures, and the same network on every framework asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends import Model
from ..comparison import transfer
from ..datasets import Augmentation, PictureSet, in_memory
from ..models import History, evaluate, fit
from ..models.linear_probe import fit_head, last_linear
from .config import Part, Target, Training
from .networks import build, counterpart, first_backend, outputs, outputs_for, picture_size
from .pictures import explained_pictures, left_out, other_pictures, picture_set, training_sets

Array = npt.NDArray[Any]
Say = Callable[[str], None]


@dataclass
class Setup:
    """What the tasks of one part work on.

    Attributes
    ----------
    part : Part
    models : dict of str to Model
        By framework, with the same weights.
    images : ndarray (N, 3, H, W)
        The pictures to explain.
    targets : list of int
        The class explained, per picture.
    labels : list of (int or None)
        What the data says each picture is, in the network's classes; None where it does not say.
    masks : list of (ndarray (H, W) or None)
        Where the object is.
    names, classes : list of str
    others : ndarray (B, 3, H, W)
        Pictures of the same set that are not explained, for backgrounds; may be empty.
    seed : int
    facts : dict
        Of the model and the data, for the results.
    sets : tuple of two picture sets, or None
        What is learnt from and judged by, until `train` has done it.
    pretrained : Model or None
        The network whose layers are taken over when only a new last layer is trained.
    history : History or None
        Of the training of all layers.
    confusion : ndarray or None
        Rows true classes, columns predictions, on the validation set.
    """

    part: Part
    models: dict[str, Model]
    images: Array
    targets: list[int]
    labels: list[int | None]
    masks: list[Array | None]
    names: list[str]
    classes: list[str]
    others: Array
    seed: int
    facts: dict[str, Any] = field(default_factory=dict)
    sets: tuple[PictureSet, PictureSet] | None = None
    pretrained: Model | None = None
    history: History | None = None
    confusion: Array | None = None

    @property
    def network(self) -> Model:
        """The model of the first framework: the one that is trained."""
        return next(iter(self.models.values()))

    def explaining(self, target: Target) -> Setup:
        """The same setup for a task that explains this: a class, the label (where known) or the prediction."""
        if isinstance(target, int):
            return replace(self, targets=[target] * len(self.labels))
        predicted = [int(label) for label in self.network.predict(self.images)]
        if target == "predicted":
            return replace(self, targets=predicted)
        known = zip(self.labels, predicted, strict=True)
        return replace(self, targets=[guess if label is None else label for label, guess in known])

    def class_name(self, label: int) -> str:
        """Name of a class, or its number."""
        return self.classes[label] if label < len(self.classes) else f"class {label}"

    def titles(self) -> list[str]:
        """One line per picture: what is explained of it."""
        return [self.class_name(target) for target in self.targets]


def prepare(part: Part, backends: Sequence[str], seed: int, device: str, say: Say) -> Setup:
    """Build the models and read the pictures of one part; nothing is trained yet.

    Parameters
    ----------
    part : Part
    backends : sequence of str
    seed : int
    device : str
    say : callable
        Told what is going on.

    Returns
    -------
    Setup
    """
    choice, data, training = part.model, part.data, part.model.training
    say(f"{part.name}: building {choice.name} and reading the pictures")
    classes, pretrained = choice.classes, None
    name = first_backend(choice, backends)
    if training is not None:
        known = picture_set(data, 32, seed).classes
        if training.layers == "head":
            pretrained = build(choice, name, classes, seed, device, choice.weights)
            classes = len(known)
        else:
            classes = outputs_for(choice, known)
    network = build(choice, name, classes, seed, device, None if pretrained else choice.weights)
    if pretrained is not None:
        last_linear(network)
        network.preprocess, network.input_shape = pretrained.preprocess, pretrained.input_shape
    size = picture_size(network, data.size)
    pictures = picture_set(data, size, seed)
    samples = explained_pictures(data, pictures)
    images = np.stack([sample.image for sample in samples.values()])
    classes_out = outputs(network, images[0])
    sets = None
    if training is not None:
        sets = training_sets(data, training, size, seed, classes_out)
        network.labels = pictures.classes if len(pictures.classes) == classes_out else None
    models = {name: network}
    for other in backends:
        if other not in models:
            models[other] = counterpart(network, other)
    setup = Setup(
        part=part,
        models=models,
        images=images,
        targets=[],
        labels=_labels([sample.label for sample in samples.values()], pictures, network, classes_out),
        masks=[sample.mask for sample in samples.values()],
        names=[sample.name for sample in samples.values()],
        classes=network.labels or (pictures.classes if len(pictures.classes) == classes_out else []),
        others=other_pictures(pictures, list(samples)),
        seed=seed,
        facts={
            "model": network.name,
            "data": pictures.title,
            "synthetic": pictures.synthetic,
            "left_out": left_out(pictures),
        },
        sets=sets,
        pretrained=pretrained,
    )
    setup.facts["pictures"] = [
        {"name": name, "label": None if label is None else setup.class_name(label)}
        for name, label in zip(setup.names, setup.labels, strict=True)
    ]
    return setup


def train(setup: Setup, say: Say) -> None:
    """Train the network, if the configuration says so, and copy what it has learnt to the other framework."""
    training = setup.part.model.training
    if training is not None:
        _train(setup, training, say)
    for name, model in setup.models.items():
        if model is not setup.network:
            say(f"{setup.part.name}: copying the weights to {name}")
            setup.facts["transfer"] = str(transfer(setup.network, model))


def _train(setup: Setup, training: Training, say: Say) -> None:
    assert setup.sets is not None
    network = setup.network
    say(f"{setup.part.name}: training {network.name} on {network.backend.name}")
    learnt, judged = (in_memory(pictures) for pictures in setup.sets)
    if setup.pretrained is not None:
        fit_head(setup.pretrained, network, learnt)
    else:
        setup.history = fit(
            network,
            learnt,
            judged,
            epochs=training.epochs,
            batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            augment=Augmentation() if training.augment else None,
            patience=training.patience,
            seed=setup.seed,
        )
    accuracy, setup.confusion = evaluate(network, judged)
    setup.facts["trained_on"] = f"{learnt.title}, {len(learnt)} pictures"
    setup.facts["validation_accuracy"] = accuracy
    setup.facts["left_out"] = setup.facts["left_out"] + left_out(*setup.sets)


def _labels(labels: Sequence[int | None], pictures: PictureSet, network: Model, outputs: int) -> list[int | None]:
    """The data's labels, where they mean the network's classes."""
    names = pictures.classes
    same = not names or (network.labels == names if network.labels else len(names) == outputs)
    return [label if same and label is not None and label < outputs else None for label in labels]
