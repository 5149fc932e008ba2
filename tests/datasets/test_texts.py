"""Corpora: what a classifier can learn from, folders of one's own, and the header of a letter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.datasets.text_folders import text_folders
from twinlens.datasets.texts import Corpus, Texts, check_corpus, without_header
from twinlens.errors import ConfigError, DataError


def make_corpus(**changes: Any) -> Corpus:
    parts = {
        "train": Texts(["one cat", "two dogs"], np.array([0, 1])),
        "test": Texts(["a cat"], np.array([0])),
        "class_names": ["cats", "dogs"],
        "name": "pets",
        "description": "",
    }
    return Corpus(**{**parts, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "pets" / name / f"{number}.txt").write_text(f"{name} number {number} é", encoding="utf-8")
    return tmp_path / "pets"


# -- corpora ---------------------------------------------------------------------------------------------------------


def test_a_sound_corpus_passes() -> None:
    corpus = make_corpus()
    assert check_corpus(corpus) is corpus


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": Texts([], np.array([], int))}, "no training texts"),
        ({"test": Texts([], np.array([], int))}, "no test texts"),
        ({"test": Texts(["a cat", "  \n"], np.array([0, 1]))}, "test text 1 .* is empty"),
        ({"train": Texts(["one cat", 3], np.array([0, 1]))}, "training text 1 .* is a int"),
        ({"train": Texts(["one cat", "two dogs"], np.array([0]))}, "2 training texts and 1 labels"),
        ({"test": Texts(["a cat"], np.array([2]))}, "2 class names.* 2 to 2"),
        ({"train": Texts(["one cat", "a cat"], np.array([0, 0]))}, "All 2 training texts .* class 'cats'"),
        ({"class_names": ["cats", "dogs", "birds"]}, "No training text .* class 'birds'"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_corpus(make_corpus(**changes))


def test_a_limit_keeps_the_first_texts() -> None:
    limited = make_corpus().limited(1, None)
    assert limited.train.texts == ["one cat"]
    assert limited.train.labels.tolist() == [0]
    assert limited.test.texts == ["a cat"]


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("From: a@b.c\nSubject: x\n\nHello\n\nagain", "Hello\n\nagain"),
        ("X-Mailer: y\n\nHello", "Hello"),
        ("Hello there,\n\nFrom: no header", "Hello there,\n\nFrom: no header"),
        ("From: nobody", "From: nobody"),
        ("From: nobody\n\n  ", "From: nobody\n\n  "),
    ],
)
def test_a_header_ends_at_the_first_empty_line(text: str, body: str) -> None:
    assert without_header(text) == body


# -- folders ---------------------------------------------------------------------------------------------------------


def test_every_text_of_a_folder_is_in_one_part_with_its_class(folder: Path) -> None:
    (folder / "cats" / "notes.md").write_text("not a text")
    corpus = text_folders(folder, test_share=0.25, seed=3)
    assert corpus.class_names == ["cats", "dogs"]
    assert corpus.name == "pets"
    assert np.bincount(corpus.test.labels).tolist() == [2, 2]
    together = [*corpus.train.texts, *corpus.test.texts]
    assert sorted(together) == sorted(path.read_text(encoding="utf-8") for path in folder.rglob("*.txt"))
    for part in (corpus.train, corpus.test):
        assert [text.split()[0] for text in part.texts] == [corpus.class_names[label] for label in part.labels]


def test_the_seed_decides_which_texts_are_held_back(folder: Path) -> None:
    first, again, other = (text_folders(folder, seed=seed).test.texts for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_every_class_is_in_both_parts_whatever_the_share(folder: Path, share: float) -> None:
    corpus = text_folders(folder, test_share=share)
    for part in (corpus.train, corpus.test):
        assert set(part.labels.tolist()) == {0, 1}


def test_an_empty_file_is_named(folder: Path) -> None:
    (folder / "dogs" / "3.txt").write_text(" \n")
    with pytest.raises(DataError, match=r"3\.txt' is empty"):
        text_folders(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "cats" / "pipe.txt")
    with pytest.raises(DataError, match=r"pipe\.txt' cannot be read"):
        text_folders(folder)


def test_a_file_in_another_encoding_is_named_with_the_place(folder: Path) -> None:
    (folder / "dogs" / "3.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(DataError, match=r"3\.txt' is not UTF-8: byte 2"):
        text_folders(folder)


def test_one_class_is_too_few(folder: Path) -> None:
    for path in (folder / "dogs").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds 1 folder with"):
        text_folders(folder)


def test_a_class_of_one_text_cannot_be_split(folder: Path) -> None:
    for path in sorted((folder / "dogs").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match=r"class 'dogs' .* single text"):
        text_folders(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere' does not exist"):
        text_folders(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="file' is not a folder"):
        text_folders(tmp_path / "file")


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_none_is_refused(folder: Path, share: float) -> None:
    with pytest.raises(ConfigError, match="test_share"):
        text_folders(folder, test_share=share)
