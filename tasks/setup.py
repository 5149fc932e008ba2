"""Before a task begins: the pictures, and the same network on every framework asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends import Model
from ..comparison import transfer
from ..datasets import Augmentation, Food11, PictureFiles, PictureSet, SyntheticFood, in_memory, photographs
from ..errors import ConfigError, DataError
from ..models import History, evaluate, fit, load_model
from ..models.linear_probe import fit_head
from .config import Data, ModelChoice, Part, Training

Array = npt.NDArray[Any]
Say = Callable[[str], None]


@dataclass
class Setup:
    """What the tasks of one part work on.

    Attributes
    ----------
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
    facts : dict
        Of the model and the data, for the results.
    history : History or None
        Of the training of all layers.
    confusion : ndarray or None
        Rows true classes, columns predictions, on the validation set.
    """

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
    history: History | None = None
    confusion: Array | None = None

    def class_name(self, label: int) -> str:
        """Name of a class, or its number."""
        return self.classes[label] if label < len(self.classes) else f"class {label}"

    def titles(self) -> list[str]:
        """One line per picture: what is explained of it."""
        return [self.class_name(target) for target in self.targets]


def prepare(
    part: Part,
    backends: Sequence[str],
    seed: int,
    device: str,
    target: str | int,
    say: Say,
    check: Callable[[Model], None],
) -> Setup:
    """Build the models and read the pictures of one part.

    Parameters
    ----------
    part : Part
    backends : sequence of str
    seed : int
    device : str
    target : "label", "predicted" or int
        Which class is explained.
    say : callable
        Told what is going on.
    check : callable
        Called with the first model before it is trained; raises if a task cannot be done on it.

    Returns
    -------
    Setup
    """
    choice = part.model
    first = _first_model(part, _only(choice, backends), seed, device)
    check(first)
    size = part.data.size or _size_of(first)
    pictures = picture_set(part.data, size, seed)
    facts: dict[str, Any] = {"model": first.name, "data": pictures.title, "synthetic": pictures.synthetic}
    history, confusion = None, None
    if choice.training is not None:
        first, history, confusion = _train(first, part, choice.training, size, seed, say, facts)
    models = {first.backend.name: first}
    for name in backends:
        if name not in models:
            say(f"{part.name}: copying the weights to {name}")
            models[name] = _counterpart(first, choice, name, device)
            facts["transfer"] = str(transfer(first, models[name]))
    chosen = _chosen(part.data, pictures)
    images, read = pictures.stack(chosen)
    if len(images) < len(chosen):
        raise DataError("Some of the chosen pictures cannot be read.", "Choose others with data.pictures.")
    samples = [pictures[index] for index in chosen]
    labels = _labels(pictures, read, first)
    setup = Setup(
        models={name: models[name] for name in backends},
        images=images,
        targets=_targets(target, labels, first, images),
        labels=labels,
        masks=[sample.mask for sample in samples],
        names=[sample.name for sample in samples],
        classes=first.labels or pictures.classes,
        others=_others(pictures, chosen),
        seed=seed,
        facts=facts,
        history=history,
        confusion=confusion,
    )
    facts["pictures"] = [
        {"name": name, "label": label, "explained": setup.class_name(target)}
        for name, label, target in zip(setup.names, labels, setup.targets, strict=True)
    ]
    return setup


def picture_set(data: Data, size: int, seed: int) -> PictureSet:
    """The pictures that a configuration names; `data.files` are added to photographs."""
    if data.source == "synthetic":
        count = data.pictures if isinstance(data.pictures, int) else max(data.pictures, default=0) + 1
        return SyntheticFood(count + 22, size, seed, data.split)
    if data.source == "folder":
        assert data.path is not None
        return Food11(data.path, data.split, size, on_error=data.on_error)
    if data.source == "files" or not data.files:
        return PictureFiles(data.files, size) if data.source == "files" else photographs(size)
    bundled = photographs(size)
    known = bundled.labels.tolist() if bundled.labels is not None else []
    files = [*bundled.paths, *data.files]
    return PictureFiles(
        files, size, labels=[*known, *[-1] * len(data.files)], title=f"{bundled.title}, and files given"
    )


def _only(choice: ModelChoice, backends: Sequence[str]) -> str:
    """The framework to build on first: of those asked for, the one that the network's name allows."""
    library = {"torchvision": "torch", "paddle": "paddle"}.get(choice.name.partition(":")[0])
    if library is not None and library not in backends:
        raise ConfigError(
            f"The network '{choice.name}' needs the framework '{library}'.", f"Use --backend {library} or both."
        )
    return library or backends[0]


def _counterpart(first: Model, choice: ModelChoice, backend: str, device: str) -> Model:
    kind, separator, name = choice.name.partition(":")
    spec = choice.name
    if separator and kind in ("torchvision", "paddle"):
        spec = f"{'torchvision' if backend == 'torch' else 'paddle'}:{name}"
    classes = choice.classes or (len(first.labels) if first.labels else _outputs(first))
    model = load_model(spec, backend=backend, classes=classes, device=device, **choice.options)
    model.preprocess, model.labels, model.input_shape = first.preprocess, first.labels, first.input_shape
    return model


def _outputs(model: Model) -> int:
    return int(model.forward(np.zeros((1, *_shape_of(model)))).shape[1])


def _shape_of(model: Model) -> tuple[int, ...]:
    if model.input_shape is None:
        raise ConfigError(f"The picture size that '{model.name}' wants is not known.", "Set data.size.")
    return model.input_shape


def _size_of(model: Model) -> int:
    shape = _shape_of(model)
    if len(shape) != 3:
        raise ConfigError(f"'{model.name}' does not take pictures.", "Choose another model.name.")
    return shape[-1]


def _first_model(part: Part, backend: str, seed: int, device: str) -> Model:
    choice = part.model
    classes = choice.classes
    if classes is None and choice.training is not None and choice.training.layers == "all":
        classes = len(picture_set(part.data.model_copy(update={"pictures": 1}), 32, seed).classes) or None
    return load_model(
        choice.name, choice.weights, backend=backend, classes=classes, seed=seed, device=device, **choice.options
    )


def _train(
    model: Model, part: Part, training: Training, size: int, seed: int, say: Say, facts: dict[str, Any]
) -> tuple[Model, History | None, Array]:
    say(f"{part.name}: training {model.name} on {model.backend.name}")
    train, validation = _training_sets(part.data, training, size, seed)
    history = None
    if training.layers == "head":
        options = part.model.options
        fresh = load_model(
            part.model.name, backend=model.backend.name, classes=len(train.classes), device=model.device, **options
        )
        fresh.preprocess, fresh.input_shape = model.preprocess, model.input_shape
        fit_head(model, fresh, train)
        model = fresh
    else:
        history = fit(
            model,
            train,
            validation,
            epochs=training.epochs,
            batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            augment=Augmentation() if training.augment else None,
            patience=training.patience,
            seed=seed,
        )
    model.labels = train.classes
    accuracy, confusion = evaluate(model, validation)
    facts |= {"trained_on": f"{train.title}, {len(train)} pictures", "validation_accuracy": accuracy}
    return model, history, confusion


def _training_sets(data: Data, training: Training, size: int, seed: int) -> tuple[PictureSet, PictureSet]:
    if data.source == "synthetic":
        return (
            in_memory(SyntheticFood(training.pictures, size, seed, "training")),
            in_memory(SyntheticFood(training.validation_pictures, size, seed, "validation")),
        )
    if data.source == "folder":
        assert data.path is not None
        sets = [Food11(data.path, split, size, on_error=data.on_error) for split in ("training", "validation")]
        return in_memory(sets[0]), in_memory(sets[1])
    raise ConfigError(f"There is nothing to train on in '{data.source}'.", "Use a folder or the synthetic pictures.")


def _chosen(data: Data, pictures: PictureSet) -> list[int]:
    if isinstance(data.pictures, int):
        return list(range(min(data.pictures, len(pictures))))
    wrong = [index for index in data.pictures if index >= len(pictures)]
    if wrong:
        raise ConfigError(
            f"data.pictures asks for picture {wrong[0]}: there are {len(pictures)}.", f"Use 0 to {len(pictures) - 1}."
        )
    return data.pictures


def _labels(pictures: PictureSet, labels: Array, model: Model) -> list[int | None]:
    """The data's labels, where they mean the network's classes."""
    same = not pictures.classes or not model.labels or list(model.labels) == list(pictures.classes)
    return [int(label) if same and label >= 0 else None for label in labels]


def _targets(target: str | int, labels: list[int | None], model: Model, images: Array) -> list[int]:
    if isinstance(target, int):
        return [target] * len(labels)
    predicted = model.predict(images).tolist()
    if target == "predicted":
        return [int(label) for label in predicted]
    return [int(p) if label is None else label for label, p in zip(labels, predicted, strict=True)]


def _others(pictures: PictureSet, chosen: Sequence[int]) -> Array:
    rest = [index for index in range(len(pictures)) if index not in set(chosen)][:64]
    return pictures.stack(rest)[0] if rest else np.zeros((0, 3, 1, 1), dtype=np.float32)
