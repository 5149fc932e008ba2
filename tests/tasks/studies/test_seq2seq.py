"""The study of sequence-to-sequence models: its numbers, its report, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from twinlens.errors import ConfigError, InputError, MissingPackageError
from twinlens.models.grapheme_to_phoneme_speaker import load_speaker
from twinlens.tasks import load_config, parse_config
from twinlens.tasks.runner import run
from twinlens.tasks.studies.seq2seq.sounds import KNOWN, is_vowel, recall, says

from ...frameworks import ANY, BOTH, need
from ...random_states import random_states

CONFIG = Path(__file__).parents[3] / "configs" / "seq2seq.yaml"
needs_weights = pytest.mark.skipif(importlib.util.find_spec("g2p_en") is None, reason="g2p-en is not installed")
has_transformers = importlib.util.find_spec("transformers") is not None


class Finished:
    def __init__(self, folder: Path) -> None:
        need("torch"), need("paddle")
        config = load_config(CONFIG)
        assert config.seq2seq is not None
        words = config.seq2seq.model_copy(update={"words": ["phone", "explainable"], "max_evaluations": 100})
        self.said: list[str] = []
        self.before = random_states()
        self.folder = run(config.model_copy(update={"seq2seq": words}), folder, self.said.append)
        self.after = random_states()
        self.results = json.loads((folder / "results.json").read_text(encoding="utf-8"))["seq2seq"]
        self.report = (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("seq2seq") / "run")


@needs_weights
def test_every_word_is_explained_on_both_frameworks_which_agree(finished: Finished) -> None:
    phone, long = finished.results["words"]["phone"], finished.results["words"]["explainable"]
    assert (phone["output"], phone["method"], phone["evaluations"]) == (["F", "OW1", "N"], "exact", 32)
    assert (len(long["output"]), long["method"]) == (11, "sampling")
    assert long["largest_standard_error"]["torch"] > 0 == phone["largest_standard_error"]["torch"]
    for word in (phone, long):
        assert np.shape(word["values"]["torch"]) == np.shape(word["values"]["paddle"])
        assert word["agreement"]["largest_difference"] < 1e-4
        assert word["agreement"]["same_top_letters"]
        assert max(word["additivity_residual"].values()) < 1e-9


@needs_weights
def test_p_and_h_make_the_f_of_phone(finished: Finished) -> None:
    phone = finished.results["words"]["phone"]
    values = np.array(phone["values"]["torch"])
    assert sorted(np.argsort(values[:, 0])[-2:].tolist()) == [0, 1]
    assert phone["top"][1:] == ["o", "n"]


@needs_weights
def test_the_known_letters_are_found(finished: Finished) -> None:
    known = finished.results["known_sounds"]
    assert len(known["words"]) + len(known["said_otherwise"]) == len(KNOWN)
    assert len(known["words"]) >= 15
    for mask in ("remove", "unknown", "padding"):
        assert known[mask]["consonants"] > 0.9
    assert known["remove"]["vowels"] > 2 * known["chance"]


@needs_weights
def test_the_files_are_there_and_can_be_read(finished: Finished) -> None:
    folder = finished.folder
    assert {path.name for path in (folder / "explanations").iterdir()} == {
        f"seq2seq_{word}_{backend}.npz" for word in ("phone", "explainable") for backend in BOTH
    }
    with np.load(folder / "explanations" / "seq2seq_phone_paddle.npz", allow_pickle=False) as file:
        np.testing.assert_allclose(file["values"], finished.results["words"]["phone"]["values"]["paddle"])
    for word in ("phone", "explainable"):
        pixels = cv2.imread(str(folder / "figures" / f"seq2seq_{word}.png"))
        assert pixels is not None
        assert pixels.std() > 0


@needs_weights
def test_the_report_holds_page_tables_and_figures_and_the_run_says_its_numbers(finished: Finished) -> None:
    for words in ("Which letters make which sound", "The letter behind each sound", "Are the known letters found?"):
        assert words in finished.report
    assert "[o]" in finished.report
    links = re.findall(r"<(?:img|script|link|iframe)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']*)", finished.report)
    assert len(links) == 2
    assert all(link.startswith("data:") for link in links)
    assert "seq2seq: phone is said F OW1 N" in finished.said
    assert any(re.search(r"known letter adds most to \d\.\d+ of the consonants", line) for line in finished.said)


@needs_weights
def test_global_random_states_are_left_alone(finished: Finished) -> None:
    assert finished.before == finished.after


@needs_weights
def test_recall_is_counted_over_sounds() -> None:
    need(ANY)
    speaker = load_speaker(ANY)
    words = {word: speaker.generate(list(word)) for word in ("fact", "robot")}
    assert recall(speaker, words, None)[0] == 1
    # Said backwards, no consonant comes from the letter of its place.
    assert recall(speaker, {"fact": ["T", "K", "AE1", "F"]}, None)[0] < 1
    assert recall(speaker, {}, None) == (None, None)


def test_every_known_word_has_as_many_sounds_as_letters() -> None:
    assert {word for word, sounds in KNOWN.items() if len(word) != len(sounds.split())} == set()


def test_any_vowel_will_do_for_a_vowel_and_no_consonant() -> None:
    assert says(["F", "AE1", "K", "T"], "F AH K T")
    assert not says(["F", "AE1", "G", "T"], "F AE K T")
    assert not says(["F", "AE1", "K"], "F AE K T")
    assert [is_vowel(sound) for sound in ("AE2", "UW", "Y", "HH", "ER0", "ZH")] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"words": []}, "no words and no texts"),
        ({"words": ["fact", " Fact"]}, "'fact' is listed twice"),
        ({"words": ["fact"], "mask": "hide"}, "mask"),
        ({"words": ["fact"], "max_evaluations": 3}, "max_evaluations"),
        ({"texts": {"model": "x", "texts": []}}, "texts"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse_config({"seq2seq": settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["", "r2d2", "größe", "x" * 21])
def test_a_word_that_cannot_be_read_is_one_line_and_nothing_is_written(word: str, tmp_path: Path) -> None:
    need(ANY)
    config = parse_config({"backend": ANY, "seq2seq": {"words": ["fact", word]}})
    with pytest.raises(InputError) as caught:
        run(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def texts(tmp_path: Path, **change: Any) -> Any:
    settings = {"model": str(tmp_path / "model"), "texts": ["the red cat"], "max_evaluations": 30, "max_new_tokens": 3}
    return parse_config({"backend": "torch", "seq2seq": {"words": [], "texts": settings | change}})


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Text number 1 "):
        run(texts(tmp_path, texts=["a", " "]), tmp_path / "run")


def test_texts_need_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("torch")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackageError, match="transformers"):
        run(texts(tmp_path), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not has_transformers, reason="transformers is not installed")
@pytest.mark.parametrize("method", ["auto", "partition"])
def test_texts_are_explained_and_reported(method: str, tmp_path: Path) -> None:
    need("torch")
    from ...models.test_hugging_face import network, tokenizer

    network("T5").save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    folder = run(texts(tmp_path, method=method), tmp_path / "run")
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))["seq2seq"]["texts"]
    (text,) = found["texts"]
    assert text["tokens"] == ["the", "red", "cat"]
    assert text["residual"] < 1e-9
    assert np.shape(text["values"]) == (3, len(text["output"]))
    assert (folder / "figures" / "seq2seq_text_0.png").is_file()
    assert "Which tokens make which token of the output" in (folder / "report.html").read_text(encoding="utf-8")
