"""Words in which it is known which letter makes which sound, and how often the explanation finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.report import TableItem
from ..base import Context
from .settings import Seq2Seq

if TYPE_CHECKING:
    from ....methods.perturbation.token_attributions import TokenAttributions
    from ....models.grapheme_to_phoneme_speaker import Speaker

KNOWN = {
    "fact": "F AE K T",
    "napkin": "N AE P K IH N",
    "plastic": "P L AE S T IH K",
    "insect": "IH N S EH K T",
    "problem": "P R AA B L AH M",
    "dentist": "D EH N T AH S T",
    "velvet": "V EH L V AH T",
    "mascot": "M AE S K AA T",
    "picnic": "P IH K N IH K",
    "magnet": "M AE G N AH T",
    "limit": "L IH M AH T",
    "victim": "V IH K T AH M",
    "basket": "B AE S K AH T",
    "fabric": "F AE B R IH K",
    "helmet": "HH EH L M AH T",
    "trumpet": "T R AH M P AH T",
    "public": "P AH B L IH K",
    "frantic": "F R AE N T IH K",
    "robot": "R OW B AA T",
    "hotel": "HH OW T EH L",
    "wagon": "W AE G AH N",
}
"""Regular English words with their sounds: as many as letters, the first of the first letter, and so on."""

_ABOUT = (
    "In a regular word the letter that makes a sound is known: the first letter the first sound, and so on. A hit is a "
    "sound whose own letter adds most to it. Leaving one letter out at a time is the cheap alternative; chance is one "
    "over the number of letters."
)


def known_sounds(speaker: Speaker, settings: Seq2Seq, context: Context) -> tuple[TableItem, dict[str, Any]]:
    """Measure how often the known letter is found, with every way of hiding letters."""
    from ....models.grapheme_to_phoneme_speaker import MASKS

    words = {word: speaker.generate(list(word)) for word in KNOWN}
    right = {word: said for word, said in words.items() if says(said, KNOWN[word])}
    context.say(f"seq2seq: {len(right)} of {len(words)} words of known letters are said as expected")
    numbers: dict[str, Any] = {
        "words": list(right),
        "said_otherwise": {w: s for w, s in words.items() if w not in right},
    }
    rows = []
    for name, mask in MASKS.items():
        consonants, vowels = recall(speaker, right, mask)
        rows.append([f"Shapley values, {name}", consonants, vowels])
        numbers[name] = {"consonants": consonants, "vowels": vowels}
        if name == settings.mask:
            said = "-" if consonants is None else f"{consonants:.3f}"
            context.say(f"seq2seq: the known letter adds most to {said} of the consonants (letters: {name})")
    consonants, vowels = recall(speaker, right, MASKS[settings.mask], leave_one_out=True)
    rows.append([f"leave one out, {settings.mask}", consonants, vowels])
    chance = float(np.mean([1 / len(word) for word in right])) if right else None
    rows.append(["chance", chance, chance])
    numbers |= {"leave_one_out": {"consonants": consonants, "vowels": vowels}, "chance": chance}
    left_out = f" Not counted, because the network says them otherwise: {', '.join(numbers['said_otherwise'])}."
    caption = f"{_ABOUT} {len(right)} words.{left_out if numbers['said_otherwise'] else ''}"
    columns = ["method, and hidden letters", "consonants found", "vowels found"]
    return TableItem("Are the known letters found?", columns, rows, caption), numbers


def says(said: list[str], expected: str) -> bool:
    """Whether these are the expected sounds; any vowel will do for a vowel, whatever its stress."""
    plain = ["V" if is_vowel(sound) else sound for sound in said]
    return plain == ["V" if is_vowel(sound) else sound for sound in expected.split()]


def is_vowel(sound: str) -> bool:
    """Whether a sound is a vowel."""
    return re.fullmatch(r"[AEIOU][A-Z]\d?", sound) is not None


def recall(
    speaker: Speaker, words: dict[str, list[str]], mask: str | None, leave_one_out: bool = False
) -> tuple[float | None, float | None]:
    """Shares of the consonants and of the vowels whose own letter adds most; None where there are none."""
    hits: dict[bool, list[bool]] = {False: [], True: []}
    for word, said in words.items():
        values = _left_out(speaker, word, said, mask) if leave_one_out else _explained(speaker, word, said, mask).values
        for vowel, hit in _hits(values, said):
            hits[vowel].append(hit)
    consonants, vowels = (float(np.mean(hits[kind])) if hits[kind] else None for kind in (False, True))
    return consonants, vowels


def _hits(values: np.ndarray, said: list[str]) -> Iterator[tuple[bool, bool]]:
    for place, sound in enumerate(said):
        yield is_vowel(sound), int(values[:, place].argmax()) == place


def _explained(speaker: Speaker, word: str, said: list[str], mask: str | None) -> TokenAttributions:
    from ....methods.perturbation.token_attributions import token_attributions

    return token_attributions(list(word), speaker.generate, speaker.scores, output=said, method="exact", mask=mask)


def _left_out(speaker: Speaker, word: str, said: list[str], mask: str | None) -> np.ndarray:
    """What each sound loses when one letter is hidden: (letters, sounds)."""
    hidden = [] if mask is None else [mask]
    without = [[*word[:place], *hidden, *word[place + 1 :]] for place in range(len(word))]
    scores = speaker.scores([list(word), *without], said)
    lost: np.ndarray = scores[0] - scores[1:]
    return lost
