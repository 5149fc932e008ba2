"""The pretrained network is the published one, on both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.backends import Model
from twinlens.datasets import photographs
from twinlens.models import load_model


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Model]:
    pytest.importorskip("skimage")
    return {name: load_model("efficientnet_lite0", "pretrained", backend=name) for name in ("torch", "paddle")}


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    found = photographs(224)
    return {name: found[index].image[None] for index, name in enumerate(found.names)}


def picture(pictures: dict[str, np.ndarray], word: str) -> np.ndarray:
    return next(image for name, image in pictures.items() if word in name)


def test_the_cat_is_a_cat(pretrained: dict[str, Model], pictures: dict[str, np.ndarray]) -> None:
    for model in pretrained.values():
        (probabilities,) = model.probabilities(picture(pictures, "chelsea"))
        best = np.argsort(-probabilities)[:3]
        assert {model.labels[label] for label in best} == {"tabby", "tiger cat", "Egyptian cat"}  # type: ignore[index]
        assert probabilities[best].sum() > 0.8


def test_the_coffee_is_an_espresso(pretrained: dict[str, Model], pictures: dict[str, np.ndarray]) -> None:
    for model in pretrained.values():
        (probabilities,) = model.probabilities(picture(pictures, "coffee"))
        assert model.labels[int(probabilities.argmax())] == "espresso"  # type: ignore[index]
        assert probabilities.max() > 0.9


def test_both_frameworks_give_the_same_logits(pretrained: dict[str, Model], pictures: dict[str, np.ndarray]) -> None:
    for image in pictures.values():
        scores = [model.forward(image) for model in pretrained.values()]
        np.testing.assert_allclose(scores[1], scores[0], atol=1e-5)
