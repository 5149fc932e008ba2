"""Compare two networks on pictures, or two saved results: what ``twinlens compare`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends import Model, available_backends, get_backends
from ..comparison.agreement import check_top
from ..comparison.comparison import Comparison, as_models, explained_pair, pair_name, title, warm_up
from ..comparison.measures import Failure, Threshold
from ..comparison.runs import compare_saved
from ..comparison.twin import make_twin
from ..datasets import PictureFiles
from ..errors import BackendError, ConfigError, ModelError, WeightsError
from ..methods import get_method
from ..models import load_model
from ..models.libraries import LIBRARIES
from ..models.loading import PRETRAINED
from ..models.scores import read_outputs
from .asked import class_name, class_numbers, own_params, parsed_settings
from .comparing_report import Words, write_comparison
from .facts import versions
from .networks import picture_size
from .output import Output, run_folder
from .setup import Say


@dataclass(frozen=True)
class Network:
    """A network as the command line names it: see `load_model`."""

    spec: str
    weights: str | None = None
    backend: str | None = None

    @property
    def framework(self) -> str | None:
        """The framework that it is asked for on, where that is known before it is built."""
        library = LIBRARIES.get(self.spec.partition(":")[0])
        return self.backend or (library.backend if library else None)


@dataclass(frozen=True)
class Wish:
    """What is asked of both networks.

    Attributes
    ----------
    methods : sequence of str
    against : str or None
        The method that B is explained by, instead of A's.
    target : str or None
        A class's number or name; the class that A predicts when left out.
    settings : sequence of str
        ``NAME=VALUE`` for every method that has the parameter.
    background : sequence of path
        Pictures that stand for "nothing there", for the methods that need them.
    size : int or None
        Side of the pictures; A's own when left out.
    top : float
        Share of the positions that ``top_k`` looks at.
    double : bool
        Compute in float64.
    thresholds : sequence of Threshold
        Limits to hold the comparison to.
    seed, device
        As for `load_model`.
    """

    methods: Sequence[str] = ("integrated_gradients",)
    against: str | None = None
    target: str | None = None
    settings: Sequence[str] = ()
    background: Sequence[Path] = ()
    size: int | None = None
    top: float = 0.05
    double: bool = False
    thresholds: Sequence[Threshold] = ()
    seed: int = 0
    device: str = "auto"


def _silent(message: str) -> None:
    """Say nothing."""


def compare_files(
    files: Sequence[Path], folder: Path, a: Network, b: Network | None, wish: Wish, say: Say = _silent
) -> tuple[Comparison, list[Failure]]:
    """Explain pictures with two networks and write explanations, figures, numbers and a report.

    Parameters
    ----------
    files : sequence of path
        The pictures.
    folder : path
        Made by the run; an earlier run there is replaced, anything else is refused.
    a, b : Network
        Without B: A itself where two methods are compared, otherwise its counterpart in the other framework.
    wish : Wish
    say : callable
        Told what is going on.

    Returns
    -------
    Comparison, list of Failure
    """
    started = time.perf_counter()
    check_top(wish.top)
    chosen = [get_method(name) for name in dict.fromkeys(wish.methods)]
    every = [*chosen, *([get_method(wish.against)] if wish.against else [])]
    given = parsed_settings(wish.settings, every)
    with run_folder(folder) as output:
        _import_in_order(a, b, twins=b is None and wish.against is None)
        first = _built(a, wish, say)
        side = picture_size(first, wish.size)
        second, about_second = _second(first, b, wish, say)
        picture_size(second, side)
        first, second = as_models(first, second, "float64" if wish.double else None)
        images, rows = _pictures(files, side), _pictures(wish.background, side) if wish.background else None
        params = {method.name: own_params(method, given, wish.seed, rows) for method in every}
        for model in (first,) if second is first else (first, second):
            _settle_outputs(model, images, say)
        targets = class_numbers(wish.target, first, first.probabilities(images))
        warm_up(first, second, images)
        pairs = []
        for method in chosen:
            against = wish.against or method.name
            say(f"{pair_name(method.name, against)}: A, then B")
            pair = explained_pair(first, second, images, method.name, against, targets, params, wish.top)
            output.explanation(pair.first, f"{method.name}_a")
            output.explanation(pair.second, f"{method.name}_b")
            pairs.append(pair)
        comparison = Comparison((_title(first, a), _title(second, b)), tuple(pairs))
        words = Words([path.name for path in files], lambda label: class_name(first, label))
        facts = {"pictures": [str(path) for path in files], "target": targets, "seed": wish.seed} | about_second
        return comparison, _written(comparison, wish.thresholds, output, facts, started, words)


def compare_results(
    a: Path, b: Path, folder: Path, thresholds: Sequence[Threshold] = (), top: float = 0.05, say: Say = _silent
) -> tuple[Comparison, list[Failure]]:
    """Compare two saved explanations, or the explanations of two runs, and write figures, numbers and a report.

    Parameters
    ----------
    a, b : path
        Two ``.npz`` files, or two folders that ``twinlens explain`` or ``run`` wrote.
    folder : path
        As for `compare_files`.
    thresholds : sequence of Threshold
    top : float
        Share of the positions that ``top_k`` looks at.
    say : callable
        Told what is going on.

    Returns
    -------
    Comparison, list of Failure
    """
    started = time.perf_counter()
    with run_folder(folder) as output:
        say(f"reading {a} and {b}")
        comparison = compare_saved(a, b, top)
        return comparison, _written(comparison, thresholds, output, {}, started, Words())


def _second(a: Model, b: Network | None, wish: Wish, say: Say) -> tuple[Model, dict[str, Any]]:
    """Network B, and what is to be recorded of how it came about."""
    if b is not None:
        return _built(b, wish, say), {}
    if wish.against is not None:
        return a, {}
    say("building its twin in the other framework")
    try:
        made = make_twin(a)
    except (ModelError, WeightsError) as error:
        raise ConfigError(
            f"'{a.name}' has no twin in the other framework: {error.cause}", "Name network B with --model-b."
        ) from error
    for correction in made.corrections:
        say(f"changed in the twin: {correction}")
    return made.model, {"twin": {"how": made.how, "corrections": made.corrections, "scores": made.scores}}


def _title(model: Model, network: Network | None) -> str:
    """Two networks of one name differ in their weights."""
    weights = None if network is None else network.weights
    return title(model) if weights in (None, PRETRAINED) else f"{title(model)}, {weights}"


def _import_in_order(a: Network, b: Network | None, twins: bool) -> None:
    """Import what will be needed in the order that keeps both frameworks fast."""
    wanted = ["torch", "paddle"] if twins else [net.framework for net in (a, b) if net is not None]
    missing = [name for name in ("torch", "paddle") if name in wanted and name not in available_backends()]
    if twins and missing:
        raise BackendError(
            f"B is the twin of '{a.spec}' in the other framework, and {' and '.join(missing)} is not installed.",
            "Install it, or name another network with --model-b.",
        )
    get_backends([name for name in ("torch", "paddle") if name in wanted and name not in missing])


def _built(network: Network, wish: Wish, say: Say) -> Model:
    say(f"building {network.spec}")
    return load_model(network.spec, network.weights, backend=network.backend, seed=wish.seed, device=wish.device)


def _settle_outputs(model: Model, images: Any, say: Say) -> None:
    """Make class scores of what the network returns, as `twinlens explain` does."""
    raw = model.forward(images)
    if raw.ndim != 2:
        return  # the predicted classes are asked for next, which says so
    try:
        reading = read_outputs(model, raw)
    except ConfigError as error:
        raise ConfigError(error.cause, "Let its function return logits, or a probability for each class.") from error
    if reading.output is not None:
        model.output = reading.output
        say(f"{title(model)}: {reading.note}")


def _pictures(files: Sequence[Path], side: int) -> Any:
    return PictureFiles(files, size=side).stack(range(len(files)))[0]


def _written(
    comparison: Comparison,
    thresholds: Sequence[Threshold],
    output: Output,
    facts: Mapping[str, Any],
    started: float,
    words: Words,
) -> list[Failure]:
    failures = comparison.failures(thresholds)
    limits = {
        "thresholds": [str(threshold) for threshold in thresholds],
        "failures": [str(failure) for failure in failures],
    }
    about = versions() | dict(facts) | {"seconds": time.perf_counter() - started}
    output.results(about | comparison.numbers() | limits)
    write_comparison(comparison, thresholds, failures, output, about, words)
    return failures
