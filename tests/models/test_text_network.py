"""A network that reads texts: the same on both frameworks, and an embedding bag in matrix form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from twinlens.backends import Backend
from twinlens.datasets.planted_texts import planted_texts
from twinlens.errors import DataError
from twinlens.methods import explain
from twinlens.models.text_network import TextNetwork, fit_text_networks

from ..frameworks import ANY, BOTH, need

CORPUS = planted_texts(160, 40, seed=2)


def fitted(*backends: str) -> dict[str, TextNetwork]:
    for name in backends:
        need(name)
    return fit_text_networks(
        CORPUS.train.texts, CORPUS.train.labels, backends, class_names=CORPUS.class_names, words=150, hidden=8, seed=1
    )


def test_it_learns_what_the_letters_say(backend: Backend) -> None:
    network = fitted(backend.name)[backend.name]
    probabilities = network.predict_proba(CORPUS.test.texts)
    assert probabilities.shape == (40, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == CORPUS.test.labels).mean() > 0.6  # by chance 0.25


def test_both_frameworks_hold_the_same_network() -> None:
    networks = fitted(*BOTH)
    answers = [network.predict_proba(CORPUS.test.texts) for network in networks.values()]
    np.testing.assert_allclose(*answers, atol=1e-6)


def test_a_text_is_the_weighted_sum_of_its_words_vectors() -> None:
    network = fitted(ANY)[ANY]
    text = CORPUS.test.texts[0]
    row, state = network.rows([text])[0], network.model.state()
    vectors = state["hidden1.weight"].T
    spelled = TfidfVectorizer().build_tokenizer()(text)
    bag = sum(row[i] * vectors[i] for i in {network.vocabulary[w] for w in spelled if w in network.vocabulary})
    hidden = np.maximum(bag + state["hidden1.bias"], 0)
    logits = state["output.weight"] @ hidden + state["output.bias"]
    np.testing.assert_allclose(network.model.forward(row[None])[0], logits, rtol=1e-4, atol=1e-5)


def test_only_the_most_frequent_words_are_known() -> None:
    network = fitted(ANY)[ANY]
    assert len(network.vocabulary) == 150
    assert network.rows(["zyzzyva qwerty"]).sum() == 0


def test_upper_and_lower_case_differ() -> None:
    network = fitted(ANY)[ANY]
    assert {"From", "Organization"} <= set(network.vocabulary)
    assert "organization" not in network.vocabulary


def test_a_word_of_every_text_is_not_blown_up() -> None:
    """Columns divided by their spread would make the loss of such a word the largest change of all."""
    network = fitted(ANY)[ANY]
    weights = np.abs(network.model.state()["hidden1.weight"]).max(axis=0)
    telling = max(weights[network.vocabulary[word]] for word in ("comet", "anchor", "oven", "violin"))
    assert weights[network.vocabulary["Organization"]] < telling


def test_integrated_gradients_share_out_the_rise_from_the_empty_text(backend: Backend) -> None:
    network = fitted(backend.name)[backend.name]
    row = network.rows(CORPUS.test.texts[:1])
    found = explain(network.model, row, "integrated_gradients", 1, of="probability", tolerance=1e-3)
    rise = network.model.probabilities(row)[0, 1] - network.model.probabilities(np.zeros_like(row))[0, 1]
    assert found.values.sum() == pytest.approx(rise, abs=2e-3)


def test_texts_without_words_are_an_error() -> None:
    with pytest.raises(DataError, match="no word"):
        fit_text_networks([". ,", "! ?"], np.array([0, 1]), [ANY], class_names=["a", "b"])
