"""The pretrained network is the published one, on both frameworks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from twinlens.backends import Backend, Model
from twinlens.datasets import photographs
from twinlens.models import load_model


@cache
def pretrained(backend: Backend) -> Model:
    return load_model("efficientnet_lite0", "pretrained", backend=backend.name)


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    pytest.importorskip("skimage")
    found = photographs(224)
    return {name: found[index].image[None] for index, name in enumerate(found.names)}


def picture(pictures: dict[str, np.ndarray], word: str) -> np.ndarray:
    return next(image for name, image in pictures.items() if word in name)


def test_the_cat_is_a_cat(backend: Backend, pictures: dict[str, np.ndarray]) -> None:
    model = pretrained(backend)
    (probabilities,) = model.probabilities(picture(pictures, "chelsea"))
    best = np.argsort(-probabilities)[:3]
    assert {model.labels[label] for label in best} == {"tabby", "tiger cat", "Egyptian cat"}  # type: ignore[index]
    assert probabilities[best].sum() > 0.8


def test_the_coffee_is_an_espresso(backend: Backend, pictures: dict[str, np.ndarray]) -> None:
    model = pretrained(backend)
    (probabilities,) = model.probabilities(picture(pictures, "coffee"))
    assert model.labels[int(probabilities.argmax())] == "espresso"  # type: ignore[index]
    assert probabilities.max() > 0.9


def test_both_frameworks_give_the_same_logits(both: tuple[Backend, Backend], pictures: dict[str, np.ndarray]) -> None:
    for image in pictures.values():
        scores = [pretrained(backend).forward(image) for backend in both]
        np.testing.assert_allclose(scores[1], scores[0], atol=1e-5)
