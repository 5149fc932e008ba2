"""Training, written once: Adam on cross entropy, from the same numbers and through the same batches on both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ..backends import Model
from ..backends.protocol import Array, Optimizer
from ..errors import CheckpointError, ConfigError, ModelError, NoGradientError, NonFiniteError, suggest
from .checkpoint import Checkpoint
from .evaluation import Data, as_samples, check_labels, evaluate_with_loss
from .history import History
from .schedule import Schedule, step_size


def fit(
    model: Model,
    training_set: Data,
    validation_set: Data,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    schedule: Schedule = "one_cycle",
    augment: Callable[[Array, np.random.Generator], Array] | None = None,
    patience: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> History:
    """Train a network in place and leave it with the weights of its best epoch.

    The order of the samples and their augmentation follow from `seed` alone, so that both frameworks see the same
    batches; only dropout is drawn by the framework itself.

    Parameters
    ----------
    model : Model
        Its network is trained.
    training_set, validation_set : picture set or (inputs, labels)
        What to learn from, and what to choose the best epoch by.
    epochs : int
        How often to go through the training set, those before a resumption included.
    batch_size : int
        Samples per step.
    learning_rate, weight_decay : float
        Adam's step size, at its highest, and L2 penalty.
    schedule : {"one_cycle", "constant"}
        How the step size changes: up to `learning_rate` in the first three tenths of all steps and down to almost
        nothing at the end (Smith and Topin, 2018), or not at all.
    augment : callable, optional
        ``augment(sample, rng) -> sample``, such as `twinlens.datasets.Augmentation`.
    patience : int, optional
        Stop after so many epochs in a row that were no better than the best.
    seed : int
        Decides order, augmentation and dropout.
    checkpoint : str or path, optional
        A ``.safetensors`` file, written after every epoch. If it exists, the training goes on from it and ends with
        the very weights that it would have had without the interruption; then it is also a file of the best weights.
    progress : bool
        Show a progress bar on the error stream.

    Returns
    -------
    History

    Raises
    ------
    NonFiniteError
        If the loss becomes NaN or infinite. As after any exception, the network has its best weights so far.
    DataError
        If a set is empty or a label missing or too large.
    CheckpointError
        If the checkpoint cannot be read or written, or belongs to a training with other settings.
    """
    _check(epochs=(epochs, 1), batch_size=(batch_size, 1), patience=(1 if patience is None else patience, 1))
    if not learning_rate > 0 or not weight_decay >= 0:
        raise ConfigError(
            f"learning_rate={learning_rate} and weight_decay={weight_decay} cannot be trained with.",
            "Use a positive learning rate, such as 0.001, and a weight decay of 0 or more.",
        )
    if schedule not in get_args(Schedule):
        raise ConfigError(f"schedule={schedule!r} is not known.", suggest(schedule, get_args(Schedule)))
    training, validation = as_samples(training_set), as_samples(validation_set)
    steps = -(-len(training) // batch_size)
    settings = {
        "samples": len(training),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "augment": getattr(augment, "__qualname__", repr(augment)),
        "seed": seed,
    }
    if schedule == "one_cycle":
        settings["epochs"] = epochs
    backend, net = model.backend, model.net
    optimizer = backend.optimizer(net, learning_rate, weight_decay)
    best, history = backend.state(net), History()
    path = None if checkpoint is None else _writable(Path(checkpoint))
    if path is not None and path.exists():
        best, history = _resume(model, optimizer, path, settings)
    try:
        with _bar(progress, epochs, history.epochs, steps) as show:
            while history.epochs < epochs and not _exhausted(history, patience):
                epoch, start = history.epochs + 1, time.perf_counter()
                batches = training.batches(batch_size, shuffle=True, seed=(seed, epoch), augment=augment)
                rate = partial(step_size, schedule, learning_rate, steps * epochs, steps * history.epochs)
                loss, accuracy = _epoch(model, optimizer, batches, rate, (seed, epoch), partial(show, epoch))
                evaluation, validation_loss = evaluate_with_loss(model, validation)
                history.training_loss.append(loss)
                history.training_accuracy.append(accuracy)
                history.validation_loss.append(validation_loss)
                history.validation_accuracy.append(evaluation.accuracy)
                history.seconds.append(time.perf_counter() - start)
                last = backend.state(net)
                if history.best_epoch == epoch:
                    best = last
                if path is not None:
                    Checkpoint(best, last, optimizer.state(), settings, asdict(history)).write(path)
    finally:
        backend.load(net, best)
    history.stopped_early = history.epochs < epochs
    return history


def _check(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name}={value!r} will not do.", f"Use a whole number, {least} or more.")


def _writable(path: Path) -> Path:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"A checkpoint is not written as '{path.name}'.", "Let the name end in '.safetensors'.")
    if not path.parent.is_dir():
        raise CheckpointError(f"There is no folder '{path.parent}'.", "Make it first, or name another one.")
    return path


def _resume(
    model: Model, optimizer: Optimizer, path: Path, settings: dict[str, Any]
) -> tuple[dict[str, Array], History]:
    found = Checkpoint.read(path, settings)
    try:
        history = History(**{f.name: found.history[f.name] for f in fields(History)})
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"'{path}' lacks the training's history.", "Train again to another file.") from error
    model.backend.load(model.net, found.last)
    optimizer.load_state(found.optimiser)
    return found.best, history


def _exhausted(history: History, patience: int | None) -> bool:
    return patience is not None and history.epochs - history.best_epoch >= patience


def _epoch(
    model: Model,
    optimizer: Optimizer,
    batches: Iterator[tuple[Array, Array]],
    rate: Callable[[int], float],
    seed: tuple[int, int],
    show: Callable[[str], None],
) -> tuple[float, float]:
    """Take a step for each batch; return the mean loss and the accuracy on the way."""
    total, right, seen = 0.0, 0, 0
    dropout_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    with model.backend.training(model.net), model.backend.seeded(dropout_seed):
        for step, (inputs, labels) in enumerate(batches):
            # Batch norm has no statistics of a single left-over sample.
            if len(labels) == 1 and seen:
                continue
            optimizer.learning_rate = rate(step)
            loss, correct = _step(model, optimizer, inputs, labels)
            total, right, seen = total + loss * len(labels), right + correct, seen + len(labels)
            show(f"loss {total / seen:.3f}, accuracy {right / seen:.1%}")
    return total / seen, right / seen


def _step(model: Model, optimizer: Optimizer, inputs: Array, labels: Array) -> tuple[float, int]:
    backend = model.backend
    try:
        scores = model.scores(model.tensor(inputs))
    except (ModelError, ValueError) as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ModelError(
            f"Batch norm has no statistics of a batch of {len(labels)}.", "Raise batch_size to 2 or more."
        ) from error
    shape = backend.shape(scores)
    check_labels(labels, shape)
    if shape[1] == 1:
        raise NoGradientError(
            "Cross entropy over one class is constant, so every gradient is exactly zero.",
            "Build the network with one output a class, two or more.",
        )
    loss = -backend.mean(backend.pick(backend.log_softmax(scores, 1), labels))
    value = float(backend.numpy(loss))
    if not np.isfinite(value):
        raise NonFiniteError(f"The training's loss became {value}.", "Use a lower learning rate.")
    correct = int((backend.numpy(scores).argmax(axis=1) == labels).sum())
    optimizer.step(loss)
    return value, correct


@contextmanager
def _bar(shown: bool, epochs: int, done: int, steps: int) -> Iterator[Callable[[int, str], None]]:
    if not shown:
        yield lambda epoch, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=epochs * steps, completed=done * steps, epoch=f"{done}/{epochs}")
        yield lambda epoch, text: bar.update(task, advance=1, description=text, epoch=f"{epoch}/{epochs}")
