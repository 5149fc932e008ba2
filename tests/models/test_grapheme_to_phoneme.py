"""The network that says words: what NumPy computes of its weights, on both frameworks, as black box and as model."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import CheckpointError, DeviceError, InputError, MissingPackageError
from twinlens.methods.perturbation.token_attributions import token_attributions
from twinlens.models import grapheme_to_phoneme_speaker as module
from twinlens.models.grapheme_to_phoneme import END, LETTERS, PHONEMES, START, UNKNOWN
from twinlens.models.grapheme_to_phoneme_speaker import Speaker, load_speaker, one_hot, speaker_weights, word_letters

needs_weights = pytest.mark.skipif(importlib.util.find_spec("g2p_en") is None, reason="g2p-en is not installed")

SAID = {
    "activation": "AE2 K T IH0 V EY1 SH AH0 N",
    "explainable": "IH0 K S P L EY1 N AH0 B AH0 L",
    "saliency": "S EY1 L Y AH0 N S IY0",
}


@cache
def loaded(backend: str, dtype: str = "float32") -> Speaker:
    return load_speaker(backend, dtype)


def by_numpy(letters: Sequence[str], output: Sequence[str]) -> np.ndarray:
    """Log-odds of sounds after letters, in double precision."""
    weights = {name: array.astype(np.float64) for name, array in np.load(speaker_weights()).items()}

    def cell(x: np.ndarray, h: np.ndarray, part: str) -> np.ndarray:
        xr, xz, xn = np.split(weights[f"{part}_w_ih"] @ x + weights[f"{part}_b_ih"], 3)
        hr, hz, hn = np.split(weights[f"{part}_w_hh"] @ h + weights[f"{part}_b_hh"], 3)
        update = 1 / (1 + np.exp(-(xz + hz)))
        return (1 - update) * np.tanh(xn + hn / (1 + np.exp(-(xr + hr)))) + update * h

    h = np.zeros(256)
    for letter in [*letters, END]:
        h = cell(weights["enc_emb"][LETTERS.index(letter)], h, "enc")
    odds = []
    for heard, said in zip([START, *output[:-1]], output, strict=True):
        h = cell(weights["dec_emb"][PHONEMES.index(heard)], h, "dec")
        logits = weights["fc_w"] @ h + weights["fc_b"]
        place = PHONEMES.index(said)
        odds.append(logits[place] - np.logaddexp.reduce(np.delete(logits, place)))
    return np.array(odds)


def masked(word: str) -> list[list[str]]:
    return [list(word), list(word[1:]), [*word[:3], UNKNOWN, *word[4:]], [*word[:2], *word[5:]], []]


@needs_weights
@pytest.mark.parametrize(("word", "sounds"), SAID.items())
def test_it_says_words_as_they_are_known_to_be_said(backend: Backend, word: str, sounds: str) -> None:
    assert loaded(backend.name).generate(word_letters(word)) == sounds.split()


@needs_weights
@pytest.mark.parametrize(("dtype", "relative", "absolute"), [("float64", 0, 1e-10), ("float32", 1e-4, 1e-5)])
@pytest.mark.parametrize(("word", "sounds"), SAID.items())
def test_the_scores_are_the_log_odds_that_numpy_computes(
    backend: Backend, word: str, sounds: str, dtype: str, relative: float, absolute: float
) -> None:
    output = sounds.split()
    expected = np.stack([by_numpy(letters, output) for letters in masked(word)])
    found = loaded(backend.name, dtype).scores(masked(word), output)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)


@needs_weights
def test_both_frameworks_have_the_same_scores(both: tuple[Backend, Backend]) -> None:
    first, second = (
        loaded(backend.name, "float64").scores(masked("saliency"), SAID["saliency"].split()) for backend in both
    )
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-10)


@needs_weights
def test_a_row_of_zeros_is_no_letter(backend: Backend) -> None:
    model = loaded(backend.name, "float64").saying(["F", "AE1"])
    gap = one_hot(["fast"])
    gap[0, 2] = 0
    np.testing.assert_allclose(model.forward(gap), model.forward(one_hot(["fat"])), rtol=1e-12)


@needs_weights
def test_the_likeliest_sound_is_the_one_it_says(backend: Backend) -> None:
    said = loaded(backend.name).generate(word_letters("robot"))
    others = [[*said[:2], sound] for sound in PHONEMES]
    odds = [loaded(backend.name).scores([list("robot")], other)[0, 2] for other in others]
    assert PHONEMES[int(np.argmax(odds))] == said[2]


@needs_weights
def test_methods_for_networks_explain_a_sound_as_the_black_box_does(backend: Backend) -> None:
    speaker, letters = loaded(backend.name, "float64"), word_letters("phone")
    output = speaker.generate(letters)
    x = one_hot([letters])
    # The end of the word belongs to no letter: it stays.
    baseline = x.copy()
    baseline[:, : len(letters)] = 0
    players = np.repeat(np.arange(len(letters) + 1)[:, None], len(LETTERS), axis=1)
    players[-1] = 0
    black_box = token_attributions(letters, speaker.generate, speaker.scores)
    for place in range(len(output)):
        found = tl.explain(speaker.saying(output), x, "exact_shapley", place, baseline=baseline, segments=players)
        np.testing.assert_allclose(found.values[0, :-1, 0], black_box.values[:, place], atol=1e-9)


@needs_weights
def test_gradients_reach_the_letters(backend: Backend) -> None:
    model = loaded(backend.name, "float64").saying(["F", "AE1", "K", "T"])
    x = one_hot(["fact"])
    found = tl.explain(model, x, "integrated_gradients", 0, steps=200)
    promised = model.forward(x)[0, 0] - model.forward(np.zeros_like(x))[0, 0]
    assert abs(found.values.sum() - promised) < 0.02 * abs(promised)
    assert np.abs(found.values[0]).sum(axis=1)[:-1].argmax() == 0


@needs_weights
def test_it_stays_in_the_mode_it_was_in(backend: Backend) -> None:
    speaker = load_speaker(backend.name)
    speaker.net.train()
    speaker.scores([["a"]], speaker.generate(["a"]))
    assert speaker.net.training
    assert speaker.net.decoder.training


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("r2d2", "holds '2'"),
        ("naïve", "holds 'ï'"),
        ("two words", "holds ' '"),
        ("pneumonoultramicroscopic", "has 24 letters"),
    ],
)
def test_a_word_that_cannot_be_read_is_refused_in_one_line(word: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        word_letters(word)
    assert "\n" not in str(caught.value)


def test_capitals_and_spaces_around_a_word_do_not_matter() -> None:
    assert word_letters(" Phone\n") == list("phone")


@needs_weights
def test_unknown_sounds_and_devices_are_refused(backend: Backend) -> None:
    with pytest.raises(InputError, match="'XX' is not a sound"):
        loaded(backend.name).scores([["a"]], ["XX"])
    with pytest.raises(InputError, match="no sound"):
        loaded(backend.name).saying([])
    with pytest.raises(DeviceError, match="no device 'cuda:77'"):
        load_speaker(backend.name, device="cuda:77")


def test_without_its_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps g2p-en==2\.1\.0"):
        speaker_weights()


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04broken"])
def test_a_damaged_file_is_reported(
    backend: Backend, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint20.npz"
    path.write_bytes(content)
    monkeypatch.setattr(module, "speaker_weights", lambda: path)
    with pytest.raises(CheckpointError, match="damaged"):
        load_speaker(backend.name)


def test_a_file_of_another_version_is_reported(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint20.npz"
    np.savez(path, enc_emb=np.zeros((29, 256)))
    monkeypatch.setattr(module, "speaker_weights", lambda: path)
    with pytest.raises(CheckpointError, match="another version"):
        load_speaker(backend.name)
