"""What a user says of a network: class names, colours, sizes, and what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import ConfigError, ModelError
from twinlens.models.class_names import read_class_names
from twinlens.models.colours import IMAGENET_NORMALISATION, normalisation
from twinlens.models.scores import read_outputs

from ..frameworks import ANY

BUILD = """
def build(nn, classes=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(48, classes))
"""


def model(folder: Path, said: str, backend: str = ANY, **options: Any) -> tl.backends.Model:
    (folder / "net.py").write_text(said + BUILD)
    return tl.load_model(f"{folder / 'net.py'}:build", backend=backend, **options)


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, 4, 4), dtype=np.float32)


def test_the_file_says_names_size_and_colours(backend: Backend, tmp_path: Path) -> None:
    plain = model(tmp_path, "", backend.name)
    said = model(
        tmp_path,
        "LABELS = ['mask', 'no mask']\nSIZE = 4\nMEAN = [0.1, 0.2, 0.3]\nSTD = (0.5, 0.25, 0.2)\n",
        backend.name,
    )
    assert said.labels == ["mask", "no mask"]
    assert said.input_shape == (3, 4, 4)
    x = pictures()
    mean, std = (np.float32(each).reshape(3, 1, 1) for each in ([0.1, 0.2, 0.3], [0.5, 0.25, 0.2]))
    np.testing.assert_allclose(said.forward(x), plain.forward((x - mean) / std), rtol=1e-4, atol=1e-5)


def test_preprocess_is_a_function_of_tensors_and_gradients_go_through_it(backend: Backend, tmp_path: Path) -> None:
    plain = model(tmp_path, "", backend.name)
    said = model(tmp_path, "def preprocess(x):\n    return 2 * x - 1\n", backend.name)
    x = pictures()
    np.testing.assert_allclose(said.forward(x), plain.forward(2 * x - 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(said.gradient(x, 1), 2 * plain.gradient(2 * x - 1, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("LABELS = 'mask'\n", "no list of texts"),
        ("LABELS = ['mask']\n", "only one class name"),
        ("LABELS = ['a', 'a']\n", "called 'a'"),
        ("LABELS = [1, 2]\n", "no list of texts"),
        ("SIZE = '224'\n", "SIZE='224'"),
        ("SIZE = 0\n", "SIZE=0"),
        ("MEAN = [123.7, 116.3, 103.5]\n", "outside 0..1"),
        ("STD = [0.2, 0.2]\n", "2 numbers"),
        ("MEAN = object()\n", "not made of numbers"),
        ("preprocess = 3\n", "is a int"),
        ("MEAN = 0.5\ndef preprocess(x):\n    return x\n", "beside MEAN"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(said: str, cause: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"net\.py") as error:
        model(tmp_path, said)
    assert cause in str(error.value)


def test_class_names_come_from_words_lines_or_json(tmp_path: Path) -> None:
    assert read_class_names("mask, no mask") == ["mask", "no mask"]
    files = {
        "lines.txt": "mask\nno mask\n",
        "byte order.txt": "\ufeffmask\r\nno mask\r\n\r\n",
        "list.json": '["mask", "no mask"]',
        "numbered.json": '{"1": "no mask", "0": "mask"}',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert read_class_names(str(tmp_path / name)) == ["mask", "no mask"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('{"1": "a", "2": "b"}', "number"),
        ("[1, 2]", "no list of texts"),
        ("[", "valid JSON"),
        ('["a", ""]', "is empty"),
        ('"ab"', "no list"),
    ],
)
def test_a_file_that_holds_no_class_names_is_refused(content: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(content)
    with pytest.raises(ConfigError, match=cause):
        read_class_names(str(tmp_path / "names.json"))


@pytest.mark.parametrize("text", ["mask", "nowhere.txt", "a,,b", "a,a", "x" * 5000])
def test_words_that_name_no_classes_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_class_names(text)


def test_class_names_in_another_encoding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes("masqué\nnon\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_class_names(str(tmp_path / "names.txt"))


def test_colours_are_numbers_words_or_sequences() -> None:
    assert normalisation() is None
    for mean, std in (("imagenet", None), (None, "ImageNet"), ("0.485,0.456,0.406", "0.229,0.224,0.225")):
        found = normalisation(mean, std)
        assert found is not None
        np.testing.assert_allclose(found.mean, IMAGENET_NORMALISATION.mean)
        np.testing.assert_allclose(found.std, IMAGENET_NORMALISATION.std)
    halves = normalisation(0.5, np.array([0.5, 0.5, 0.5]))
    assert halves is not None
    assert halves.mean.tolist() == halves.std.tolist() == [0.5] * 3
    only_mean = normalisation("0.5")
    assert only_mean is not None
    assert only_mean.std.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("mean", "std"), [("a,b,c", None), ("0.5,0.5", None), (None, "0"), (None, "58.4"), ("-1", None)]
)
def test_colours_in_other_units_are_refused(mean: str | None, std: str | None) -> None:
    with pytest.raises(ConfigError):
        normalisation(mean, std)


def test_one_logit_is_two_classes_by_its_sigmoid(backend: Backend, tmp_path: Path) -> None:
    net = model(tmp_path, "", backend.name, classes=1)
    x = 30 * pictures() - 15
    z = net.forward(x)
    reading = read_outputs(net, z)
    assert "logit of class 1" in reading.note
    net.output = reading.output
    np.testing.assert_allclose(net.probabilities(x)[:, 1:], 1 / (1 + np.exp(-z)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(net.gradient(x, 1), -net.gradient(x, 0), rtol=1e-5)


def test_one_probability_is_two_classes(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(
        "def build(nn):\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 1), nn.Sigmoid())\n"
    )
    net = tl.load_model(f"{tmp_path / 'p.py'}:build", backend=backend.name)
    x = pictures()
    p = net.forward(x)
    with pytest.raises(ConfigError, match=r"between 0 and 1.*--outputs"):
        read_outputs(net, p)
    net.output = read_outputs(net, p, "probabilities").output
    np.testing.assert_allclose(net.probabilities(x), np.hstack([1 - p, p]), rtol=1e-5)


def test_probabilities_stay_what_they_are(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(
        "def build(nn):\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3), nn.Softmax(1))\n"
    )
    net = tl.load_model(f"{tmp_path / 's.py'}:build", backend=backend.name)
    x = pictures()
    p = net.forward(x)
    reading = read_outputs(net, p)
    assert "probabilities already" in reading.note
    net.output = reading.output
    np.testing.assert_allclose(net.probabilities(x), p, rtol=1e-5)


def test_logits_are_left_alone_and_cannot_be_called_probabilities(tmp_path: Path) -> None:
    net = model(tmp_path, "")
    raw = net.forward(pictures())
    assert read_outputs(net, raw).output is None
    for wrong in (raw, np.array([[1.5], [0.2]])):
        with pytest.raises(ConfigError, match="no probabilities"):
            read_outputs(net, wrong, "probabilities")
    with pytest.raises(ConfigError, match="logits"):
        read_outputs(net, raw, "logit")
    assert read_outputs(net, np.array([[0.5], [0.2]]), "logits").output is not None
