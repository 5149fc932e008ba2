"""Words, explained letter by letter on every framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..base import Context
from .settings import Seq2Seq

if TYPE_CHECKING:
    from ....methods.perturbation.token_attributions import TokenAttributions
    from ....models.grapheme_to_phoneme_speaker import Speaker

Found: TypeAlias = "dict[str, dict[str, TokenAttributions]]"
"""By word, then by framework."""


def checked_words(words: Sequence[str]) -> dict[str, list[str]]:
    """The letters of each word that is asked for; `InputError` for one that the network cannot read."""
    from ....models.grapheme_to_phoneme_speaker import word_letters

    return {"".join(letters): letters for letters in map(word_letters, words)}


def load_speakers(context: Context) -> dict[str, Speaker]:
    """The network on every framework of the run."""
    from ....models.grapheme_to_phoneme_speaker import load_speaker

    context.say(f"seq2seq: loading the network that says words on {' and '.join(context.backends)}")
    return {backend: load_speaker(backend, device=context.device) for backend in context.backends}


def explain_words(
    words: Mapping[str, list[str]], speakers: Mapping[str, Speaker], settings: Seq2Seq, context: Context
) -> Found:
    """Explain what the first framework's network says of each word, on all of them."""
    from ....methods.perturbation.token_attributions import token_attributions
    from ....models.grapheme_to_phoneme_speaker import MASKS

    first = next(iter(speakers.values()))
    found: Found = {}
    for word, letters in words.items():
        said = first.generate(letters)
        context.say(f"seq2seq: {word} is said {' '.join(said)}")
        found[word] = {
            backend: token_attributions(
                letters,
                speaker.generate,
                speaker.scores,
                output=said,
                method=settings.method,
                mask=MASKS[settings.mask],
                max_evaluations=settings.max_evaluations,
                seed=context.seed,
            )
            for backend, speaker in speakers.items()
        }
    return found


def words_numbers(found: Found, settings: Seq2Seq) -> dict[str, Any]:
    """What ``results.json`` keeps of the words."""
    return {"mask": settings.mask, "words": {word: word_numbers(each) for word, each in found.items()}}


def word_numbers(found: Mapping[str, TokenAttributions]) -> dict[str, Any]:
    """What ``results.json`` keeps of one word."""
    shown = next(iter(found.values()))
    return {
        "output": shown.output,
        "method": shown.method,
        "evaluations": shown.evaluations,
        "values": {backend: each.values for backend, each in found.items()},
        "scores": shown.scores,
        "base": shown.base,
        "top": [shown.tokens[shown.top(place)] for place in range(len(shown.output))],
        "additivity_residual": {backend: largest(each.residual) for backend, each in found.items()},
        "largest_standard_error": {backend: largest(each.standard_error) for backend, each in found.items()},
        "undivided": largest(shown.undivided),
        "agreement": agreement(found),
    }


def agreement(found: Mapping[str, TokenAttributions]) -> dict[str, Any] | None:
    """How far the second framework's values are from the first's; None where there is one."""
    if len(found) < 2:
        return None
    first, second = list(found.values())[:2]
    difference = first.values - second.values
    scale = float(np.linalg.norm(first.values))
    return {
        "largest_difference": largest(difference),
        "relative_l2": float(np.linalg.norm(difference)) / scale if scale else None,
        "same_top_letters": all(first.top(place) == second.top(place) for place in range(len(first.output))),
    }


def largest(values: Any) -> float:
    """Largest absolute value."""
    return float(np.abs(values).max())
