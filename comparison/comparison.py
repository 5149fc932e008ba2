"""Two networks, two methods, or two saved results: the same inputs, explained twice and held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Model, wrap
from ..backends.objective import Target
from ..errors import InputError, MethodError, suggest
from ..methods import Explanation, explain, get_method
from .agreement import check_top
from .measures import MEASURES, Failure, Threshold
from .memory import PeakMemory
from .pair import Pair, least_favourable, paired
from .parity import in_double


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` returns.

    Attributes
    ----------
    names : tuple of 2 str
        What A and B are.
    pairs : tuple of Pair
        One per method, or per file.
    missing : mapping of str to str
        Why explanations could not be paired, by name.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def worst(self) -> dict[str, float | None]:
        """The least favourable number of each kind over all pairs and samples."""
        found: dict[str, float | None] = {}
        for name in MEASURES:
            values = [v for pair in self.pairs if (v := pair.measures[name]) is not None]
            found[name] = least_favourable(name, np.concatenate(values)) if values else None
        return found

    def check(self, **limits: float) -> list[Failure]:
        """Hold the comparison to limits.

        Parameters
        ----------
        **limits
            By measure (see `MEASURES`): the most that is allowed of one whose best value is 0, such as
            ``relative_l2=1e-4``, and the least of one whose best value is 1, such as ``cosine=0.99``.

        Returns
        -------
        list of Failure
            Empty when every sample of every pair keeps to all of them, and nothing is missing.

        Raises
        ------
        ConfigError
            If there is no such measure, or a limit is no number.
        """
        return self.failures([Threshold.of(name, None, limit) for name, limit in limits.items()])

    def failures(self, thresholds: Sequence[Threshold]) -> list[Failure]:
        """Hold the comparison to limits of either direction; see `check`."""
        if not thresholds:
            return []
        beyond = [failure for threshold in thresholds for pair in self.pairs for failure in pair.failures(threshold)]
        return beyond + [Failure(name, None, reason=reason) for name, reason in self.missing.items()]

    def numbers(self) -> dict[str, Any]:
        """Everything but the explanations themselves, for JSON."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "worst": self.worst(),
            "pairs": [pair.numbers() for pair in self.pairs],
            "missing": dict(self.missing),
        }

    def __str__(self) -> str:
        lines = [f"A: {self.names[0]}", f"B: {self.names[1]}"]
        for pair in self.pairs:
            worst = ", ".join(f"{MEASURES[name].title} {v:.4g}" for name, v in pair.worst().items() if v is not None)
            lines += [f"{pair.name}: {worst}", *(f"  {note}" for note in pair.notes)]
        return "\n".join(lines + [f"{name}: {reason}" for name, reason in self.missing.items()])


def compare(
    a: Any,
    b: Any,
    x: Any = None,
    method: str | Sequence[str] = "integrated_gradients",
    target: Target = None,
    *,
    against: str | None = None,
    top: float = 0.05,
    dtype: str | None = None,
    **params: Any,
) -> Comparison:
    """Explain the same inputs with two models, or take two saved results, and measure how far they agree.

    Parameters
    ----------
    a, b : Model or native network; or Explanation, or path
        Two networks of any framework and architecture. Or two explanations, as objects or ``.npz`` files. Or two
        folders of runs, whose explanations are matched by file name.
    x : array (N, ...)
        The inputs; not for saved results.
    method : str or sequence of str
    target : as for `explain`
        None is settled once, by A's prediction, so that both explain the same class.
    against : str, optional
        The method that B is explained by, instead of A's: ``compare(model, model, x, "saliency", against="lime")``.
    top : float
        Share of the positions that ``top_k`` looks at.
    dtype : "float64", optional
        Work on copies in double precision, where a real difference is told from rounding.
    **params
        Parameters of the methods; each goes to the methods that have it.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If networks and saved results are mixed, or the explanations do not have the same shapes.
    MethodError
        If a method or parameter does not exist.

    Notes
    -----
    Seconds and memory are those of one run of each method, A before B, after each network has run on one sample.
    """
    saved = [isinstance(each, (Explanation, str, Path)) for each in (a, b)]
    if all(saved):
        if x is not None or target is not None or against is not None or dtype is not None or params:
            raise InputError("Saved explanations are compared as they are.", "Leave x and the methods' parameters out.")
        from .runs import compare_saved

        return compare_saved(a, b, top)
    if any(saved):
        raise InputError(
            f"A {type(a).__name__} and a {type(b).__name__} cannot be compared.",
            "Pass two networks and x=, or two explanations, files or folders.",
        )
    check_top(top)
    first, second = as_models(a, b, dtype)
    chosen = [method] if isinstance(method, str) else list(method)
    if x is None or not chosen:
        raise InputError(f"There is no {'input' if chosen else 'method'} to compare with.", "Pass x= and method=.")
    of_method = shared_params([*chosen, *([against] if against else [])], params)
    x = first.check_input(x)
    if target is None and any(get_method(name).targeted for name in of_method):
        target = first.predict(x).tolist()
    warm_up(first, second, x)
    return Comparison(
        (title(first), title(second)),
        tuple(
            explained_pair(first, second, x, name, against or name, target, of_method, top)
            for name in dict.fromkeys(chosen)
        ),
    )


def as_models(a: Any, b: Any, dtype: str | None = None) -> tuple[Model, Model]:
    """Two models of two networks, as they are or as copies in another precision."""
    first, second = (each if isinstance(each, Model) else wrap(each) for each in (a, b))
    if dtype is None:
        return first, second
    if dtype != "float64":
        raise InputError(f"dtype={dtype!r} is not known.", "Use float64, or leave it out.")
    return in_double(first), in_double(second)


def shared_params(methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each method, those of the parameters that it has.

    Raises
    ------
    MethodError
        If a method does not exist, or none has a parameter.
    """
    known = {name: get_method(name).defaults for name in methods}
    every = {param for defaults in known.values() for param in defaults}
    for param in params:
        if param not in every:
            raise MethodError(f"No chosen method has a parameter '{param}'.", suggest(param, every))
    return {name: {p: value for p, value in params.items() if p in defaults} for name, defaults in known.items()}


def warm_up(first: Model, second: Model, x: Any) -> None:
    """Run each network once, so that what a framework does at its first call is not taken for the method's time."""
    for model in (first, second):
        model.forward(x[:1])


def explained_pair(
    first: Model,
    second: Model,
    x: Any,
    method: str,
    against: str,
    target: Target,
    params: Mapping[str, Mapping[str, Any]],
    top: float = 0.05,
) -> Pair:
    """Explain A by `method` and B by `against`, one after the other, and compare.

    Parameters
    ----------
    first, second : Model
    x : ndarray (N, ...)
    method, against : str
    target : as for `explain`
        Left out for methods that have none.
    params : mapping of method to its parameters
    top : float
    """
    made, memory = [], []
    for model, name in ((first, method), (second, against)):
        with PeakMemory() as peak:
            made.append(explain(model, x, name, target if get_method(name).targeted else None, **params[name]))
        memory.append(peak.mib if model.device == "cpu" else None)
    return paired(pair_name(method, against), made[0], made[1], top, (memory[0], memory[1]))


def pair_name(method: str, against: str) -> str:
    """One method's name, or both."""
    return method if method == against else f"{method} / {against}"


def title(model: Model) -> str:
    """What a network is called in a comparison."""
    return f"{model.name} on {model.backend.name}"
