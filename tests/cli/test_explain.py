"""``twinlens explain``: picture files in; what the network says, maps, numbers and a report out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import twinlens as tl
from twinlens.backends import Backend
from twinlens.cli import app
from twinlens.datasets.images import read_image
from twinlens.figures.panels import panels
from twinlens.tasks import explained_drawing

from ..frameworks import ANY
from .case import jpeg

NET = """
def build(nn, classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

def fails(nn):
    raise RuntimeError("no network today")
"""
MODEL = ["--model", "net.py:build", "--size", "16"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    return tmp_path


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["explain", *arguments])


def test_every_picture_is_explained_and_the_guesses_are_printed(backend: Backend, folder: Path) -> None:
    result = call("a.jpg", "b.jpg", *MODEL, "--backend", backend.name, "--method", "saliency", "--out", "out")
    assert result.exit_code == 0, result.output
    model = tl.load_model("net.py:build", backend=backend.name)
    picture = read_image("a.jpg", 16, "crop")
    probabilities = model.probabilities(picture[None])[0]
    best = int(probabilities.argmax())
    assert f"a.jpg ({backend.name}): class {best} {probabilities[best]:.3f}" in result.stdout
    results = json.loads((folder / "out/results.json").read_text())
    saved = tl.Explanation.load(folder / f"out/explanations/saliency_{backend.name}.npz")
    assert results["target"] == saved.target.tolist()
    np.testing.assert_allclose(saved.values, model.gradient(saved.inputs, saved.target), rtol=1e-6)
    assert (folder / "out/figures/saliency.png").stat().st_size > 1000
    assert "saliency" in (folder / "out/report.html").read_text()


def test_both_frameworks_are_compared(both: tuple[Backend, Backend], folder: Path) -> None:
    result = call("a.jpg", *MODEL, "--backend", "both", "--method", "saliency", "--method", "integrated_gradients")
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "runs/explain/results.json").read_text())["methods"]
    for method in ("saliency", "integrated_gradients"):
        assert found[method]["agreement"]["relative_l2"] < 1e-4


def test_parameters_targets_and_backgrounds_reach_the_methods(folder: Path) -> None:
    result = call(
        "a.jpg", *MODEL, "--backend", ANY, "--method", "expected_gradients", "--method", "integrated_gradients",
        "--set", "samples=7", "--set", "steps=3", "--background", "b.jpg", "--target", "2", "--seed", "5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    saved = [
        tl.Explanation.load(folder / f"runs/explain/explanations/{name}_{ANY}.npz")
        for name in ("expected_gradients", "integrated_gradients")
    ]
    assert (saved[0].params["samples"], saved[0].seed, saved[1].params["steps"]) == (7, 5, 3)
    assert all(each.target.tolist() == [2] for each in saved)


def test_the_layer_that_was_chosen_is_said(folder: Path) -> None:
    result = call("a.jpg", *MODEL, "--backend", ANY, "--method", "gradcam")
    assert result.exit_code == 0, result.output
    assert json.loads((folder / "runs/explain/results.json").read_text())["methods"]["gradcam"][ANY]["layer"] == "0"
    assert "Layer 0." in (folder / "runs/explain/report.html").read_text()


def test_concepts_are_drawn_one_by_one_for_all_pictures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    drawn: list[Any] = []
    monkeypatch.setattr(explained_drawing, "panels", lambda *given: drawn.append(given) or panels(*given))
    chosen = ["--method", "feature_factorisation", "--set", "components=2"]
    result = call("a.jpg", "b.jpg", *MODEL, "--backend", ANY, *chosen)
    assert result.exit_code == 0, result.output
    rows, _, title = drawn[0][:3]
    expected = [f"{name}.jpg · {ANY} · concept {number}" for name in "ab" for number in range(2)]
    assert ([row.title for row in rows], "what the pictures share" in title) == (expected, True)
    saved = tl.Explanation.load(folder / f"runs/explain/explanations/feature_factorisation_{ANY}.npz")
    np.testing.assert_array_equal([row.values for row in rows], saved.values.reshape(4, 16, 16))
    assert all("factorisation residual" in row.note and "probability" not in row.note for row in rows)
    assert "Layer 1." in (folder / "runs/explain/report.html").read_text()


def test_what_matters_to_a_class_is_not_drawn_as_speaking_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(explained_drawing, "panels", lambda *given: drawn.append(given) or panels(*given))
    for method in ("lime", "normlime"):
        result = call("a.jpg", *MODEL, "--backend", ANY, "--method", method, "--set", "segments=grid")
        assert result.exit_code == 0, result.output
    (_, local, told, _, speaks), (_, pooled, weighed, _, matters) = drawn
    assert (len(local), len(pooled)) == (4, 3)
    assert told == "lime: what speaks for the class"
    assert weighed == "normlime: what matters to the class"
    assert [words.split(": ")[1] for _, words in speaks] == ["speaks for the class", "speaks against it"]
    assert [words.split(": ")[1] for _, words in matters] == ["matters to the class"]


def test_a_name_that_is_a_number_is_a_name(folder: Path) -> None:
    for target, number in (("7", 0), ("1", 1), ("0", 0), ("2", 2)):
        result = call(
            "a.jpg", *MODEL, "--backend", ANY, "--method", "saliency", "--labels", "7,1,9", "--target", target
        )
        assert result.exit_code == 0, result.output
        assert json.loads((folder / "runs/explain/results.json").read_text())["target"] == [number]


def test_several_layers_are_said_and_their_numbers_need_no_quotes(folder: Path) -> None:
    result = call("a.jpg", *MODEL, "--backend", ANY, "--method", "refinecam", "--set", "layers=[0, 1]")
    assert result.exit_code == 0, result.output
    results = json.loads((folder / "runs/explain/results.json").read_text())
    assert results["methods"]["refinecam"][ANY]["layer"] == "0, 1"
    assert "Layers 0, 1." in (folder / "runs/explain/report.html").read_text(encoding="utf-8")


def test_a_layer_whose_name_is_a_number_needs_no_quotes(folder: Path) -> None:
    for layer in ("1", "'1'"):
        result = call("a.jpg", *MODEL, "--backend", ANY, "--method", "gradcam", "--set", f"layer={layer}")
        assert result.exit_code == 0, result.output
        results = json.loads((folder / "runs/explain/results.json").read_text())
        assert results["methods"]["gradcam"][ANY]["layer"] == "1"


@pytest.mark.parametrize("option", ["--size=0", "--size=-3", "--seed=-1", "--seed=99999999999"])
def test_a_number_out_of_range_is_refused_before_anything_is_built(option: str, folder: Path) -> None:
    result = call("a.jpg", "--model", "net.py:fails", option)
    assert result.exit_code == 2
    assert "Invalid value" in result.stderr
    assert "no network today" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "cause", "cure"),
    [
        (["nowhere.jpg"], "'nowhere.jpg' is not a file", "spelling"),
        (["net.py"], "net.py", "picture"),
        (["a.jpg", "--method", "salience"], "no method 'salience'", "Did you mean 'saliency'"),
        (["a.jpg", "--set", "step=3"], "no parameter 'step'|No chosen method has a parameter 'step'", "steps"),
        (["a.jpg", "--set", "steps"], "--set steps is not a setting", "name=value"),
        (["a.jpg", "--set", "steps=[1"], "not valid YAML", "Quote"),
        (["a.jpg", "--set", "steps=0"], "steps=0", "1 or more"),
        (["a.jpg", "--target", "9"], "no class 9", "0 to 2"),
        (["a.jpg", "--target", "cat"], "no class 'cat'", "number"),
        (["a.jpg", "--target", "²"], "no class '²'", "number"),
        (["a.jpg", "--target=--5"], "no class '--5'", "number"),
        (["a.jpg", "--target", "-1"], "no class -1", "0 to 2"),
        (
            ["a.jpg", "--target", "2", "--labels", "2,1,0"],
            "'2' is the name of class 0, and the number of class 2",
            "'c",
        ),
        (["a.jpg", "--set", "steps=2000-13-45"], "--set steps=2000-13-45: the value is not valid YAML", "Quote"),
        (["a.jpg", "--set", "steps=!!bool maybe"], "not valid YAML", "Quote"),
        (["a.jpg", "--set", f"steps={'[' * 3000}"], "not valid YAML", "Quote"),
        (["a.jpg", "--model", "mlp", "--weights", "random"], "'mlp' does not take pictures", "another network"),
        (["a.jpg", "--method", "expected_gradients"], "compares with other pictures", "--background"),
        (["a.jpg", "--method", "tcav", "--set", "layer=1"], "'tcav' learns from pictures of concepts", "from Python"),
        (["a.jpg", "--backend", "jax"], "no backend 'jax'", "torch"),
        (["a.jpg", "--model", "net.py:fails"], "no network today", "Python alone"),
        (["a.jpg", "--size", "2"], "fails on|shape|NaN", ""),  # the mean of no pixels is NaN to Paddle
        (["a.jpg", "--weights", "nowhere.pth"], "nowhere.pth", ""),
        (["a.jpg", "--out", "net.py"], "is a file", "--out"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments: list[str], cause: str, cure: str, folder: Path) -> None:
    import re

    defaults = [] if "--model" in arguments else ["--model", "net.py:build"]
    defaults += [] if "--size" in arguments else ["--size", "16"]
    defaults += [] if "--backend" in arguments else ["--backend", ANY]
    result = call(*arguments, *defaults)
    assert result.exit_code == 2, result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert re.search(cause, line), line
    assert cure in line
    assert result.stdout == ""
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == ["a.jpg", "b.jpg", "net.py"]
