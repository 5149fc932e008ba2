"""The whole study: a configuration in, numbers and a report out; and every mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import yaml
from sklearn.metrics import f1_score
from sklearn.utils import Bunch

from twinlens.datasets.planted_texts import planted_texts
from twinlens.errors import DataError, TwinlensError
from twinlens.methods import Explanation
from twinlens.tasks import parse_config
from twinlens.tasks.runner import run
from twinlens.tasks.studies.lime_text.classifier import fit_classifier
from twinlens.tasks.studies.lime_text.corpus import chosen_documents, class_numbers
from twinlens.tasks.studies.lime_text.network import explain_through_network, parity

from ...frameworks import ANY, BOTH, need
from ...random_states import random_states
from ..test_runs import without_seconds

CONFIG = Path(__file__).parents[3] / "configs" / "lime_text.yaml"
QUICK = {"samples": 300, "repeats": 2, "recovery_texts": 2, "train_texts": 200, "test_texts": 101}
ALONE = {"source": "planted", "samples": 100, "repeats": 1, "recovery_texts": 0, "network": None, "train_texts": 60}
HOSTILE = "<script>alert('comet')</script> & the comet from Marlow"


def config(**changes: Any) -> dict[str, Any]:
    return {"lime_text": ALONE | {"test_texts": 8} | changes}


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The configuration that is shipped, with fewer texts, and one text of one's own."""
    for framework in BOTH:
        need(framework)
    told: list[str] = []
    shipped = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    shipped["lime_text"] |= QUICK | {"texts": [HOSTILE]}
    before = random_states()
    folder = run(parse_config(shipped), tmp_path_factory.mktemp("lime_text") / "run", told.append)
    assert random_states() == before
    return folder, told


# -- the shipped configuration ---------------------------------------------------------------------------------------


def test_every_text_has_its_page_figures_and_numbers(whole: tuple[Path, list[str]]) -> None:
    folder, _ = whole
    found = results(folder)["lime_text"]
    assert [one["name"] for one in found["documents"]] == ["test text 0", "test text 100", "own text 1"]
    for stem in ("document0", "document100", "text1"):
        assert (folder / "figures" / f"lime_text_{stem}.html").is_file()
        assert (folder / "figures" / f"lime_text_{stem}_network.html").is_file()
        assert len(list((folder / "figures").glob(f"lime_text_{stem}_class*.png"))) == 2
        with np.load(folder / "explanations" / f"lime_text_{stem}.npz") as arrays:
            assert arrays["weights"].shape == (2, len(arrays["words"]))
        for framework in BOTH:
            path = folder / "explanations" / f"lime_text_{stem}_integrated_gradients_{framework}.npz"
            assert Explanation.load(path).backend == framework


def test_the_report_shows_every_text_and_nothing_runs(whole: tuple[Path, list[str]]) -> None:
    folder, _ = whole
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("LIME on texts", "LIME: test text 100", "LIME: own text 1", "Second opinions", "planted letters"):
        assert words in page
    assert page.count('<iframe sandbox="allow-scripts"') == 6
    assert "alert(" in page
    assert "<script>alert" not in page
    own = (folder / "figures" / "lime_text_text1.html").read_text(encoding="utf-8")
    assert "<script" not in own


def test_the_key_numbers_are_told(whole: tuple[Path, list[str]]) -> None:
    folder, told = whole
    found = results(folder)["lime_text"]
    lines = "\n".join(told)
    assert f"weighted F1 on 101 test texts: {found['classifier']['weighted_f1']:.3f}" in lines
    first = found["documents"][0]["labels"][0]
    assert f"{first['words'][0]['word']} {first['words'][0]['weight']:+.3f}" in lines
    assert f"local R² {first['local_r2']:.2f}" in lines


def test_the_scores_are_scikit_learns(whole: tuple[Path, list[str]]) -> None:
    found = results(whole[0])["lime_text"]["classifier"]
    corpus = planted_texts(200, 101, seed=0)
    predicted = fit_classifier(corpus).predict_proba(corpus.test.texts).argmax(axis=1)
    assert found["weighted_f1"] == pytest.approx(f1_score(corpus.test.labels, predicted, average="weighted"))
    bodies = [text.split("\n\n", 1)[1] for text in corpus.test.texts]
    predicted = fit_classifier(corpus).predict_proba(bodies).argmax(axis=1)
    assert found["weighted_f1_without_headers"] == pytest.approx(
        f1_score(corpus.test.labels, predicted, average="weighted")
    )


def test_lime_agrees_with_what_removal_really_does(whole: tuple[Path, list[str]]) -> None:
    documents = results(whole[0])["lime_text"]["documents"]
    for document in documents[:2]:
        assert document["labels"][0]["class"] == document["predicted"]
        for one in document["labels"]:
            assert one["local_r2"] > 0.7
            assert one["agreement_with_removal"]["spearman"] > 0.9
            assert one["agreement_with_removal"]["same_sign"] > 0.8
    assert "true_log_odds" in documents[0]["labels"][0]["words"][0]
    assert "true_log_odds" not in documents[2]["labels"][0]["words"][0]


def test_both_frameworks_give_the_same_words_and_weights(whole: tuple[Path, list[str]]) -> None:
    found = results(whole[0])["lime_text"]
    scores = found["network"]["weighted_f1"]
    assert scores["torch"] == scores["paddle"] > 0.7
    for document in found["documents"]:
        assert document["network"]["parity"]["same_words"]
        assert document["network"]["parity"]["lime"] < 1e-4
        assert document["network"]["parity"]["integrated_gradients"] < 1e-4
        for framework in BOTH:
            assert document["network"][framework]["completeness_residual"] < 2e-3


def test_planted_words_are_recovered_in_the_run(whole: tuple[Path, list[str]]) -> None:
    found = results(whole[0])["lime_text"]["recovery"]
    assert set(found) == {"without headers", "whole letters"}
    assert found["without headers"]["telling_words"] == 3


def test_few_samples_are_warned_of(whole: tuple[Path, list[str]]) -> None:
    folder, told = whole
    documents = results(folder)["lime_text"]["documents"]
    assert ["distinct words and only 300 samples" in " ".join(one["warnings"]) for one in documents] == [
        True,
        True,
        False,
    ]
    assert any("test text 100: " in line and "only 300 samples" in line for line in told)
    assert "Beware: " in (folder / "report.html").read_text(encoding="utf-8")


# -- other sources and settings --------------------------------------------------------------------------------------


def test_without_a_network_no_framework_is_needed(tmp_path: Path) -> None:
    told: list[str] = []
    folder = run(parse_config(config(documents=[1])), tmp_path / "run", told.append)
    found = results(folder)
    assert found["backends"] == []
    assert found["lime_text"]["network"] == {}
    assert "network" not in found["lime_text"]["documents"][0]
    assert not any("network" in line for line in told)


def test_the_same_configuration_gives_the_same_report(tmp_path: Path) -> None:
    first, again = (run(parse_config(config(labels=[2]) | {"seed": 3}), tmp_path / name) for name in ("a", "b"))
    assert without_seconds(results(first)) == without_seconds(results(again))
    pages = [(folder / "figures" / "lime_text_document0.html").read_bytes() for folder in (first, again)]
    assert pages[0] == pages[1]


def test_the_courses_letter_and_classes_are_the_newsgroups_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    letters = planted_texts(40, 8, seed=0)
    names = [f"group.number{i}" for i in range(20)]

    def fetch(subset: str, **arguments: Any) -> Bunch:
        texts = letters.train.texts if subset == "train" else (letters.test.texts * 168)[:1341]
        return Bunch(data=texts, target=np.arange(len(texts)) % 20, target_names=names)

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    study = {"source": "newsgroups", "path": str(tmp_path), "samples": 100, "repeats": 1, "network": None}
    found = results(run(parse_config({"lime_text": study, "seed": 42}), tmp_path / "run"))["lime_text"]
    (document,) = found["documents"]
    assert (document["name"], document["seed"]) == ("test text 1340", 42)
    assert [one["class"] for one in document["labels"]] == ["number0", "number15"]
    assert found["recovery"] == {}
    assert len(document["probabilities"]) == 20


def test_a_folder_of_texts_can_be_explained(tmp_path: Path) -> None:
    for name, word in (("cats", "purr"), ("dogs", "bark")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "pets" / name / f"{number}.txt").write_text(f"They {word} on day {number}0 of the year.")
    study = config(source="folder", path=str(tmp_path / "pets"), labels=["dogs"], texts=["Hear them bark!"])
    del study["lime_text"]["train_texts"], study["lime_text"]["test_texts"]
    found = results(run(parse_config(study), tmp_path / "run"))["lime_text"]
    assert found["classifier"]["weighted_f1_without_headers"] is None
    (document,) = found["documents"]
    assert document["label"] is None
    assert document["labels"][0]["words"][0]["word"] == "bark"
    assert document["labels"][0]["words"][0]["weight"] > 0


def test_classes_that_nothing_tells_apart_have_no_words(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "pets" / name / f"{number}.txt").write_text("always the same words")
    study = {"source": "folder", "path": str(tmp_path / "pets"), "samples": 100, "network": None}
    folder = run(parse_config({"lime_text": study}), tmp_path / "run")
    (document,) = results(folder)["lime_text"]["documents"]
    assert [one["words"] for one in document["labels"]] == [[], []]
    assert not list((folder / "figures").glob("*.png"))


def test_a_network_of_one_framework_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    need(ANY)
    study = config(network={"hidden": 4, "words": 60}) | {"backend": ANY}
    network = results(run(parse_config(study), tmp_path / "run"))["lime_text"]["documents"][0]["network"]
    assert "parity" not in network
    assert ANY in network


def test_a_network_that_knows_no_word_of_a_text_is_explained_by_nothing(tmp_path: Path) -> None:
    need(ANY)
    study = config(network={"hidden": 4, "words": 5}, texts=["orchestra"]) | {"backend": ANY}
    found = results(run(parse_config(study), tmp_path / "run"))["lime_text"]["documents"][0]["network"][ANY]
    assert found["lime"] == {}
    assert found["completeness_residual"] == 0


class Halves:
    """A stand-in for a network, with a known answer."""

    def __init__(self, network: Any) -> None:
        self.__dict__.update(network.__dict__)
        self.model, self.rows = network.model, network.rows

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        return np.full((len(texts), 4), 0.25) + np.array([["comet" in text] for text in texts]) * [
            0.3,
            -0.1,
            -0.1,
            -0.1,
        ]


def test_parity_is_the_largest_difference_of_a_word() -> None:
    need(ANY)
    from twinlens.models.text_network import fit_text_networks

    corpus = planted_texts(60, 8, seed=0)
    network = fit_text_networks(
        corpus.train.texts, corpus.train.labels, [ANY], class_names=corpus.class_names, hidden=4
    )[ANY]
    text = "the comet and the oven"
    view = explain_through_network(network, text, 0, words=4, samples=100, seed=0)
    other = explain_through_network(Halves(network), text, 0, words=4, samples=100, seed=0)  # type: ignore[arg-type]
    found = parity({"one": view, "other": other})
    assert found is not None
    assert found.lime == pytest.approx(np.abs(view.lime.weights - other.lime.weights).max())
    assert found.lime > 0.01
    assert found.integrated_gradients == 0
    assert parity({"one": view}) is None


# -- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"documents": [8]}, "no test text 8. Choose a number from 0 to 7"),
        ({"documents": [-1]}, "documents"),
        ({"documents": []}, "no text to explain"),
        ({"texts": [""]}, "own text 1 is empty"),
        ({"texts": [" \n "]}, "own text 1 is empty"),
        ({"texts": ["zyzzyva qwerty"]}, "knows no word of the own text 1 ('zyzzyva qwerty')"),
        ({"texts": ["?!"]}, "knows no word of the own text 1"),
        ({"texts": [3]}, "It should be a text"),
        ({"labels": ["musik"]}, "no class 'musik'. Did you mean 'music'?"),
        ({"labels": [4]}, "no class 4: the corpus has 4. Choose from 0 to 3"),
        ({"labels": []}, "a list that is not empty"),
        ({"train_texts": 2}, "No training text"),
        ({"train_texts": 1}, "All 1 training texts"),
        ({"samples": 99}, "samples"),
        ({"source": "folder"}, "needs a path"),
        ({"source": "folder", "path": "no_such_folder"}, "'no_such_folder' does not exist"),
        ({"path": "somewhere"}, "not read from a path"),
        ({"source": "newsgroup"}, "'newsgroups'"),
        ({"alpha": 0}, "alpha"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TwinlensError) as caught:
        run(parse_config(config(**changes)), tmp_path / "run")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_single_letters_holds_no_word(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.txt").write_text("a b c")
    with pytest.raises(DataError, match="hold no word"):
        run(parse_config({"lime_text": {"source": "folder", "path": str(tmp_path), "network": None}}), tmp_path / "run")


@pytest.mark.parametrize("text", [None, 3, b"comet", ["comet"]])
def test_the_classifier_takes_strings_only(text: object) -> None:
    with pytest.raises(TwinlensError, match="Give a string"):
        fit_classifier(planted_texts(20, 4)).check(text)


def test_classes_are_known_by_number_and_name_and_asked_for_once() -> None:
    assert class_numbers(["b", 0, 1, "a"], ["a", "b"]) == [1, 0]


def test_a_document_asked_for_twice_is_explained_once() -> None:
    corpus = planted_texts(20, 4)
    chosen = chosen_documents(corpus, [2, 2], ["mine"])
    assert [(one.text, one.stem, one.label) for one in chosen] == [
        (corpus.test.texts[2], "document2", int(corpus.test.labels[2])),
        ("mine", "text1", None),
    ]


def test_only_a_network_needs_a_framework() -> None:
    assert not parse_config(config()).lime_text.needs_networks  # type: ignore[union-attr]
    assert parse_config({"lime_text": {}}).lime_text.needs_networks  # type: ignore[union-attr]
