"""Which tokens of the input make which token of the output: any model that turns one sequence into another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from ...errors import InputError, MethodError, ModelError, NonFiniteError
from ...files import write_arrays
from ..checks import positive_count, random_seed
from ..players import Bools
from .function_games import GameValues, Worth, exact_game, kernel_game, sampled_game
from .owen import owen_values
from .shapley_game import Floats

Tokens: TypeAlias = Sequence[str]
Generate: TypeAlias = Callable[[Tokens], Tokens]
"""The output of a model for a sequence of tokens."""
Scores: TypeAlias = Callable[[Sequence[Tokens], Tokens], Floats]
"""How much a model would say each of T given tokens after each of M inputs: (M, T), such as log-odds."""
TokenMethod: TypeAlias = Literal["exact", "sampling", "kernel", "partition"]

# All coalitions of more tokens than these are never run.
_MOST_EXACT = 20


@dataclass(frozen=True, eq=False)
class TokenAttributions:
    """What each input token adds to the score of each output token.

    Attributes
    ----------
    tokens, output : tuple of str
        K input and T output tokens.
    values : ndarray (K, T)
        Shapley values (Owen values of the method ``"partition"``).
    scores, base : ndarray (T,)
        Score of each output token with all input tokens, and with none.
    standard_error : ndarray (K, T)
        0 where nothing was left to chance.
    undivided : ndarray (T,)
        Of the method ``"partition"``: absolute shares of groups of tokens that were not divided. Otherwise 0.
    method : str
    mask : str or None
        What stood in the place of hidden tokens; None where they were left out.
    seed, evaluations : int
        `evaluations` counts different inputs that went through the model.
    """

    tokens: tuple[str, ...]
    output: tuple[str, ...]
    values: Floats
    scores: Floats
    base: Floats
    standard_error: Floats
    undivided: Floats
    method: str
    mask: str | None
    seed: int
    evaluations: int

    @property
    def residual(self) -> Floats:
        """How much the values of each output token miss what they share out, score minus base: (T,)."""
        missed: Floats = self.values.sum(axis=0) - (self.scores - self.base)
        return missed

    def top(self, output: int) -> int:
        """Place of the input token that adds most to an output token."""
        return int(self.values[:, output].argmax())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to an ``.npz`` file of plain arrays."""
        return write_arrays(path, {name: value for name, value in vars(self).items() if value is not None})


def token_attributions(
    tokens: Tokens,
    generate: Generate,
    scores: Scores | None = None,
    *,
    output: Tokens | None = None,
    method: TokenMethod | Literal["auto"] = "auto",
    mask: str | None = None,
    max_evaluations: int = 2048,
    seed: int = 0,
) -> TokenAttributions:
    """Explain each token that a black box generates by the tokens that it was given.

    Every output token is a game of its own, in which the input tokens are the players and its score is what a
    coalition is worth. The model is run once per coalition for all of them.

    Parameters
    ----------
    tokens : sequence of str
        The input.
    generate : callable
        Turns tokens into tokens.
    scores : callable, optional
        ``scores(inputs, output)``, see `Scores`. Where the model tells no probabilities: whether each token still
        appears in what it generates, see `still_there`.
    output : sequence of str, optional
        What to explain; what the model generates when left out.
    method : {"auto", "exact", "sampling", "kernel", "partition"}
        All coalitions, pairs of random orders, KernelSHAP's regression, or Owen values of a hierarchy of neighbours.
        ``"auto"`` is ``"exact"`` where `max_evaluations` allow it, else ``"sampling"`` where they allow four pairs of
        orders, else ``"partition"``.
    mask : str, optional
        Takes the place of hidden tokens; left out, they are left out of the input.
    max_evaluations : int
        How many inputs may go through the model, beside the whole one and the empty one.
    seed : int

    Raises
    ------
    InputError, ModelError, NonFiniteError
        If there is nothing to explain, or the scores are not finite numbers (M, T).
    MethodError
        If the method does not exist, or `max_evaluations` do not suffice for it.
    """
    given = tuple(tokens)
    if not given:
        raise InputError("There is no input token.", "Pass a sequence of at least one token.")
    budget, seed = positive_count("max_evaluations", max_evaluations), random_seed(seed)
    chosen = _method(method, len(given), budget)
    explained = tuple(generate(given) if output is None else output)
    if not explained:
        raise ModelError("The model generates nothing for this input.", "Explain another input.")
    game = _Game(given, explained, mask, scores or still_there(generate))
    whole, base = game(np.stack([np.ones(len(given), bool), np.zeros(len(given), bool)]))
    undivided = np.zeros(len(explained))
    if chosen == "partition":
        values, undivided = owen_values(game, len(given), budget)
        errors = np.zeros_like(values)
    else:
        found = [_values(chosen, game.of(place), len(given), budget, seed) for place in range(len(explained))]
        values, errors = (np.stack([getattr(each, what) for each in found], axis=1) for what in ("values", "errors"))
    return TokenAttributions(
        given, explained, values, whole, base, errors, undivided, chosen, mask, seed, game.evaluations
    )


def still_there(generate: Generate) -> Scores:
    """Scores of a model that tells no probabilities: 1 for a token that still appears in its output, else 0.

    The second "the" of an output is still there where the new output holds "the" at least twice.
    """

    def scores(inputs: Sequence[Tokens], output: Tokens) -> Floats:
        nth = [list(output[: place + 1]).count(token) for place, token in enumerate(output)]
        counts = [Counter(generate(tokens)) for tokens in inputs]
        return np.array([[float(found[token] >= n) for token, n in zip(output, nth, strict=True)] for found in counts])

    return scores


class _Game:
    """What coalitions of input tokens are worth to every output token; none is run twice."""

    def __init__(self, tokens: Tokens, output: Tokens, mask: str | None, scores: Scores) -> None:
        self._tokens, self._output, self._mask, self._scores = tokens, output, mask, scores
        self._known: dict[bytes, Floats] = {}

    @property
    def evaluations(self) -> int:
        return len(self._known)

    def __call__(self, present: Bools) -> Floats:
        """Scores (M, T) of coalitions (M, K)."""
        keys = [row.tobytes() for row in present]
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        if new:
            found = np.asarray(self._scores([self._shown(present[place]) for place in new.values()], self._output))
            if found.shape != (len(new), len(self._output)):
                raise ModelError(
                    f"The scores of {len(new)} inputs and {len(self._output)} output tokens have shape {found.shape}.",
                    "Return one row per input and one column per output token.",
                )
            if not np.isfinite(found).all():
                raise NonFiniteError(
                    "The scores hold NaN or infinite values.", "Clip probabilities before a logarithm."
                )
            self._known |= dict(zip(new, found.astype(np.float64), strict=True))
        return np.stack([self._known[key] for key in keys])

    def of(self, place: int) -> Worth:
        """The game of one output token."""
        return lambda present: self(present)[:, place]

    def _shown(self, present: Bools) -> list[str]:
        if self._mask is None:
            return [token for token, there in zip(self._tokens, present, strict=True) if there]
        return [token if there else self._mask for token, there in zip(self._tokens, present, strict=True)]


def _method(method: str, players: int, budget: int) -> str:
    if method not in ("auto", *get_args(TokenMethod)):
        raise MethodError(f"method='{method}' is not known.", f"Use auto, {', '.join(get_args(TokenMethod))}.")
    pairs = _pairs(players, budget)
    enumerable = players <= _MOST_EXACT and 2**players - 2 <= budget
    if method == "auto":
        return "exact" if enumerable else "sampling" if pairs >= 4 else "partition"
    fewest = {"exact": 2 ** min(players, _MOST_EXACT) - 2, "sampling": 4 * (players - 1), "partition": 2, "kernel": 2}
    if (method == "exact" and not enumerable) or budget < fewest[method]:
        if players > _MOST_EXACT and method == "exact":
            raise MethodError(
                f"{players} tokens have 2**{players} coalitions.", "Use method='sampling' or 'partition'."
            )
        raise MethodError(
            f"max_evaluations={budget} is too few for method='{method}' and {players} tokens.",
            f"Pass max_evaluations={fewest[method]} or more, or method='partition'.",
        )
    return method


def _pairs(players: int, budget: int) -> int:
    """How many orders, each with its reverse, the budget allows beside nobody and everybody."""
    return budget // (2 * max(1, players - 1))


def _values(method: str, worth: Worth, players: int, budget: int, seed: int) -> GameValues:
    if method == "exact":
        return exact_game(worth, players)
    if method == "kernel":
        return kernel_game(worth, players, budget, seed)
    return sampled_game(worth, players, 2 * _pairs(players, budget), seed)
