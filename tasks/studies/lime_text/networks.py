"""The part of the study that runs networks: fitted once, explained on every framework of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ....datasets.texts import Corpus
from ....figures.report import HtmlItem, Row, TableItem
from ....models.text_network import TextNetwork, fit_text_networks
from ..base import Context
from .classifier import weighted_f1
from .corpus import Document
from .document import likely, write_page
from .network import NetworkView, Parity, explain_through_network, parity
from .settings import LimeText, TextNetworkSettings

_TITLES = {"torch": "torch", "paddle": "Paddle"}


@dataclass(frozen=True, eq=False)
class NetworkPart:
    """The networks by framework, none where the study has none; and what is known about them."""

    networks: Mapping[str, TextNetwork]
    numbers: dict[str, Any]
    class_names: list[str]

    @classmethod
    def fitted(cls, settings: TextNetworkSettings | None, corpus: Corpus, context: Context) -> NetworkPart:
        """Fit one network and put it on every framework of the run."""
        if settings is None:
            return cls({}, {}, corpus.class_names)
        context.say(f"lime_text: fitting a network for {' and '.join(context.backends)}")
        texts = corpus.train.first(settings.texts)
        networks = fit_text_networks(
            texts.texts,
            texts.labels,
            context.backends,
            class_names=corpus.class_names,
            words=settings.words,
            hidden=settings.hidden,
            seed=context.seed,
            device=context.device,
        )
        scores = {name: weighted_f1(network.predict_proba, corpus.test) for name, network in networks.items()}
        known = len(next(iter(networks.values())).vocabulary)
        numbers = {"train_texts": len(texts), "words": known, "hidden": settings.hidden, "weighted_f1": scores}
        return cls(networks, numbers, corpus.class_names)

    def explain_document(
        self, document: Document, label: int, settings: LimeText, context: Context
    ) -> tuple[list[Row], dict[str, Any]]:
        """Explain a text for one class through every network; write its files."""
        if not self.networks:
            return [], {}
        views = {
            name: explain_through_network(
                network, document.text, label, words=settings.words, samples=settings.samples, seed=context.seed
            )
            for name, network in self.networks.items()
        }
        for name, view in views.items():
            context.output.explanation(view.path, f"lime_text_{document.stem}_integrated_gradients_{name}")
        found = parity(views)
        if found is not None:
            context.say(
                f"lime_text: {document.name}: LIME's weights differ by {found.lime:.1e} at most between the frameworks"
            )
        name = self.class_names[label]
        rows = [
            Row([_page(document, views, name, self.class_names, context)]),
            Row([_table(views, name, found)]),
        ]
        numbers: dict[str, Any] = {"class": name}
        numbers |= {backend: _numbers(view) for backend, view in views.items()}
        return rows, numbers | ({} if found is None else {"parity": asdict(found)})


def _page(
    document: Document, views: Mapping[str, NetworkView], name: str, names: list[str], context: Context
) -> HtmlItem:
    from ....figures.text_html import TextPanel, page_height, text_page

    framework, view = next(iter(views.items()))
    lime = view.lime
    panels = [
        TextPanel(f"LIME, class {name}", dict(lime.ranking(lime.labels[0]))),
        TextPanel(
            f"Integrated gradients, class {name}", dict(zip(lime.words, view.path_weights.tolist(), strict=True))
        ),
    ]
    page = text_page(
        document.text,
        panels,
        f"The network on {_TITLES.get(framework, framework)}: {document.name}",
        likely(lime.probabilities, names),
        "the network says",
    )
    path = write_page(context.output, page, f"lime_text_{document.stem}_network")
    return HtmlItem("The same text through a network", path, page_height(document.text, len(panels)))


def _table(views: Mapping[str, NetworkView], name: str, found: Parity | None) -> TableItem:
    first = next(iter(views.values()))
    words = [word for word, _ in first.lime.ranking(first.lime.labels[0])]
    places = [first.lime.words.index(word) for word in words]
    columns = ["word", *(f"LIME, {_TITLES.get(one, one)}" for one in views)]
    columns += ["integrated gradients", "input × gradient", "removal"]
    rows: list[list[Any]] = [
        [
            word,
            *(float(view.lime.weights[0, i]) for view in views.values()),
            float(first.path_weights[i]),
            float(first.gradient_weights[i]),
            float(first.removal[i]),
        ]
        for word, i in zip(words, places, strict=True)
    ]
    caption = (
        f"LIME's local R² is {first.lime.scores[0]:.2f}. Integrated gradients share out the rise of the probability "
        f"from a text without words, and miss {first.residual:.1e} of it."
    )
    for method, one in first.agreements().items():
        if one.spearman is not None:
            caption += f" Rank correlation of {method.replace('_', ' ')} with removal: {one.spearman:.2f}."
    if found is not None:
        caption += f" Between the frameworks LIME differs by {found.lime:.1e}, the gradients by "
        caption += f"{found.integrated_gradients:.1e} at most."
    return TableItem(f"Second opinions: words for and against {name}", columns, rows, caption)


def _numbers(view: NetworkView) -> dict[str, Any]:
    lime = view.lime
    listed = [lime.words.index(word) for word, _ in lime.ranking(lime.labels[0])]
    order = np.argsort(-np.abs(view.path_weights), kind="stable")[: len(listed)]
    return {
        "probability": lime.probabilities[lime.labels[0]],
        "local_r2": lime.scores[0],
        "lime": {lime.words[i]: lime.weights[0, i] for i in listed},
        "integrated_gradients": {lime.words[i]: view.path_weights[i] for i in order},
        "input_x_gradient": {lime.words[i]: view.gradient_weights[i] for i in order},
        "removal": {lime.words[i]: view.removal[i] for i in sorted({*listed, *order.tolist()})},
        "completeness_residual": view.residual,
        "agreement_with_removal": {name: asdict(one) for name, one in view.agreements().items()},
    }
