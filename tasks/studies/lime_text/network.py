"""The same text explained through a small network of every framework: by LIME, and by the network's own gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ....methods import Explanation, explain
from ....models.text_network import TextNetwork
from .removal import Agreement, agreement, removal_effects
from .words import TextLime, explain_text

_TOLERANCE = 1e-3
_MOST_GRADIENTS = 2000


@dataclass(frozen=True, eq=False)
class NetworkView:
    """What one network says of one text, for one class.

    Attributes
    ----------
    lime : TextLime
    path : Explanation
        Integrated gradients of the probability on the TF-IDF row, from the text without any word.
    gradient : Explanation
        Input times gradient of the probability.
    path_weights, gradient_weights : ndarray (words,)
        Both by word, in the order of ``lime.words``.
    removal : ndarray (words,)
        How much the probability falls when the word is removed.
    """

    lime: TextLime
    path: Explanation
    gradient: Explanation
    path_weights: np.ndarray
    gradient_weights: np.ndarray
    removal: np.ndarray

    @property
    def residual(self) -> float:
        """What the integrated gradients miss of the rise in probability from no word to all words."""
        assert self.path.error is not None  # integrated gradients always have one
        return float(np.abs(self.path.error.values[0]))

    def agreements(self) -> dict[str, Agreement]:
        """Each explanation against the removal of words, on as many of its heaviest words as LIME chose."""
        weakest = np.argsort(-np.abs(self.path_weights), kind="stable")[np.count_nonzero(self.lime.weights[0]) :]
        heaviest = self.path_weights.copy()
        heaviest[weakest] = 0.0
        weights = {"lime": self.lime.weights[0], "integrated_gradients": heaviest}
        return {name: agreement(one, self.removal) for name, one in weights.items()}


def explain_through_network(
    network: TextNetwork, text: str, label: int, *, words: int, samples: int, seed: int
) -> NetworkView:
    """Explain a text for one class through one network; see `explain_text` for the parameters."""
    lime = explain_text(text, network.predict_proba, [label], words=words, samples=samples, repeats=1, seed=seed)
    row = network.rows([text])
    path = explain(
        network.model,
        row,
        "integrated_gradients",
        label,
        of="probability",
        tolerance=_TOLERANCE,
        max_evaluations=_MOST_GRADIENTS,
    )
    gradient = explain(network.model, row, "input_x_gradient", label, of="probability")
    columns = [network.vocabulary.get(word) for word in lime.words]

    def by_word(explanation: Explanation) -> np.ndarray:
        return np.array([0.0 if column is None else explanation.values[0, column] for column in columns])

    return NetworkView(
        lime=lime,
        path=path,
        gradient=gradient,
        path_weights=by_word(path),
        gradient_weights=by_word(gradient),
        removal=removal_effects(text, network.predict_proba)[:, label],
    )


@dataclass(frozen=True)
class Parity:
    """How far two frameworks differ on one text.

    Attributes
    ----------
    same_words : bool
        Whether LIME chose the same words in the same order.
    lime, integrated_gradients : float
        Largest difference of a word's weight.
    """

    same_words: bool
    lime: float
    integrated_gradients: float


def parity(views: Mapping[str, NetworkView]) -> Parity | None:
    """Compare two frameworks; None where there is one."""
    if len(views) < 2:
        return None
    first, second = list(views.values())[:2]
    label = first.lime.labels[0]
    names = [[word for word, _ in view.lime.ranking(label)] for view in (first, second)]
    return Parity(
        same_words=names[0] == names[1],
        lime=float(np.abs(first.lime.weights - second.lime.weights).max()),
        integrated_gradients=float(np.abs(first.path_weights - second.path_weights).max()),
    )
