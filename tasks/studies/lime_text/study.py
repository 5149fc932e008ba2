"""LIME on texts: which words decide, whether they should, and how far the explanation can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ....datasets.texts import Corpus
from ....figures.report import Item, Row, Section, TableItem
from ..base import Context, Findings
from .classifier import TextClassifier, fit_classifier
from .corpus import Document, chosen_documents, class_numbers, read_corpus
from .document import explain_document
from .networks import NetworkPart
from .settings import LimeText
from .truth import Recovery, recovery

_RECOVERY_SAMPLES = 1000


def run(settings: LimeText, context: Context) -> Findings:
    """Explain texts of a corpus, and texts of one's own."""
    context.say(f"lime_text: reading the corpus '{settings.source}'")
    corpus = read_corpus(settings, context.seed)
    documents = chosen_documents(corpus, settings.documents or [], settings.texts)
    labels = class_numbers(settings.labels or [], corpus.class_names)
    classifier = fit_classifier(corpus, settings.alpha)
    for document in documents:
        classifier.check(document.text, document.name)
    context.say(f"lime_text: weighted F1 on {len(corpus.test)} test texts: {classifier.f1:.3f}")
    if classifier.f1_without_headers is not None:
        context.say(f"lime_text: weighted F1 without their headers: {classifier.f1_without_headers:.3f}")
    networks = NetworkPart.fitted(settings.network, corpus, context)
    found = _recoveries(settings, corpus, classifier, context)
    sections, numbers = [_overview(corpus, classifier, networks, found)], []
    for document in documents:
        context.say(f"lime_text: explaining {document.name}")
        chosen = labels or np.argsort(-classifier.predict_proba([document.text])[0], kind="stable")[:2].tolist()
        rows, results = explain_document(document, chosen, corpus, classifier, settings, context)
        network_rows, network_results = networks.explain_document(document, chosen[0], settings, context)
        sections.append(Section(f"LIME: {document.name}", _introduction(document, corpus), rows + network_rows))
        numbers.append(results | ({"network": network_results} if network_results else {}))
    return sections, {
        "corpus": {
            "name": corpus.name,
            "classes": corpus.class_names,
            "train_texts": len(corpus.train),
            "test_texts": len(corpus.test),
        },
        "classifier": {
            "words": len(classifier.vocabulary),
            "weighted_f1": classifier.f1,
            "weighted_f1_without_headers": classifier.f1_without_headers,
            "accuracy": classifier.accuracy,
        },
        "network": networks.numbers,
        "recovery": {name: asdict(one) for name, one in found.items()},
        "documents": numbers,
    }


def _recoveries(
    settings: LimeText, corpus: Corpus, classifier: TextClassifier, context: Context
) -> dict[str, Recovery]:
    """What LIME finds of planted words, without and with headers; nothing for a corpus without a truth."""
    if corpus.truth is None or settings.recovery_texts == 0:
        return {}
    found = {}
    for name, headers in (("without headers", False), ("whole letters", True)):
        one = recovery(
            corpus.truth,
            corpus.test,
            classifier.predict_proba,
            headers=headers,
            texts=settings.recovery_texts,
            samples=_RECOVERY_SAMPLES,
            seed=context.seed,
        )
        if one is not None:
            found[name] = one
            context.say(f"lime_text: planted words found, {name}: {one.recall:.3f} of them in {one.texts} texts")
    return found


def _overview(
    corpus: Corpus, classifier: TextClassifier, networks: NetworkPart, found: Mapping[str, Recovery]
) -> Section:
    scores: list[list[Any]] = [["naive Bayes", len(classifier.vocabulary), classifier.f1]]
    if classifier.f1_without_headers is not None:
        scores.append(
            ["naive Bayes, test texts without headers", len(classifier.vocabulary), classifier.f1_without_headers]
        )
    for name, score in networks.numbers.get("weighted_f1", {}).items():
        scores.append([f"network on {name}", networks.numbers["words"], score])
    items: list[Item] = [TableItem("Classifiers", ["classifier", "words it knows", "weighted F1"], scores)]
    if found:
        rows = [[name, one.texts, one.telling_words, one.recall, one.classifier] for name, one in found.items()]
        items.append(
            TableItem(
                "Does LIME find the planted words?",
                ["texts", "number", "telling words", "found by LIME", "found by removal"],
                rows,
                "Share of a text's n telling words among the n that weigh most: by LIME, and by the classifier's own "
                "loss when a word is removed. What removal does not find either, the classifier has not learnt.",
            )
        )
    text = (
        f"{corpus.description} TF-IDF (upper and lower case differ) and multinomial naive Bayes learn to tell the "
        "classes apart; LIME removes words at random and asks which of them moved the answer. Words of a header that "
        "give the class away raise the score and mean nothing: compare the scores, and look for such words below."
    )
    return Section("LIME on texts", text, [Row(items)])


def _introduction(document: Document, corpus: Corpus) -> str:
    if document.label is None:
        return "A text of one's own; its class is not known."
    return f"From the test texts of the corpus '{corpus.name}'; its class is {corpus.class_names[document.label]}."
