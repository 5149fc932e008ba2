"""``twinlens compare``: two networks, methods or results in; a table, a folder and an exit code out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import twinlens as tl
from twinlens.backends import Backend
from twinlens.cli import app
from twinlens.comparison.measures import MEASURES
from twinlens.tasks import comparing

from ..frameworks import ANY, need
from .case import jpeg

NET = """
def build(nn, classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

def other(nn, classes=3):
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes))
"""
PROBABILITIES = """
import torch

class Net(torch.nn.Module):
    def __init__(self, share):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 1, 1)
        self.share = torch.nn.Parameter(torch.tensor([share, 1 - share]).log())

    def forward(self, x):
        return torch.softmax(self.share + 0 * self.conv(x).mean((2, 3)), 1)

def sure():
    return Net(0.9)

def undecided():
    return Net(0.55)

class One(Net):
    def forward(self, x):
        return super().forward(x)[:, :1]

def one():
    return One(0.9)
"""
A = ["a.jpg", "b.jpg", "--size", "16", "--model-a", "net.py:build", "--backend-a", ANY]
AB = [*A, "--model-b", "net.py:other", "--backend-b", ANY]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    return tmp_path


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["compare", *arguments])


def some_pictures() -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, 16, 16))


def results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in str(path)}


def test_one_network_is_compared_with_its_twin(both: tuple[Backend, Backend], folder: Path) -> None:
    result = call(
        *A, "--method", "saliency", "--method", "integrated_gradients", "--set", "steps=5", "--float64",
        "--fail-if", "relative_l2>1e-10", "--fail-if", "same_prediction<1", "--out", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "All limits are kept" in result.stdout
    found = results(folder / "out")
    assert {found["a"], found["b"]} == {"net.py:build on torch", "net.py:build on paddle"}
    assert [pair["name"] for pair in found["pairs"]] == ["saliency", "integrated_gradients"]
    assert found["pairs"][1]["a"]["params"]["steps"] == 5
    assert found["worst"]["relative_l2"] < 1e-10
    assert (found["failures"], found["missing"]) == ([], {})
    assert found["thresholds"] == ["relative_l2 > 1e-10", "same_prediction < 1"]


def test_the_folder_holds_explanations_figures_numbers_and_a_report(folder: Path) -> None:
    result = call(*AB, "--method", "saliency", "--target", "2", "--out", "out")
    assert result.exit_code == 0, result.output
    assert files(folder / "out") == {
        "explanations", "explanations/saliency_a.npz", "explanations/saliency_b.npz",
        "figures", "figures/saliency.png", "figures/saliency_values.png", "report.html", "results.json",
    }  # fmt: skip
    saved = [tl.Explanation.load(folder / f"out/explanations/saliency_{side}.npz") for side in "ab"]
    expected = tl.agreement(saved[0].values, saved[1].values, ssim=True)
    (pair,) = results(folder / "out")["pairs"]
    for name in ("relative_l2", "cosine", "spearman", "top_k", "sign", "ssim"):
        assert pair["per_sample"][name] == getattr(expected, name).tolist()
    assert saved[0].target.tolist() == [2, 2]
    assert f"{expected.worst()['cosine']:.4g}".replace("-", "−") in result.stdout
    report = (folder / "out/report.html").read_text()
    for text in ("net.py:other", "a.jpg", "relative L2", "What both networks say", "class 2"):
        assert text in report


def test_different_networks_fall_short_with_exit_code_1_and_are_written_all_the_same(folder: Path) -> None:
    result = call(*AB, "--method", "saliency", "--fail-if", "relative_l2>1e-4", "--fail-if", "cosine<0.99")
    assert result.exit_code == 1, result.output
    assert len(re.findall(r"Fell short: saliency: (?:relative_l2 > 0.0001|cosine < 0.99): ", result.stderr)) == 2
    found = results(folder / "runs/compare")
    assert len(found["failures"]) == 2
    assert "not kept" in (folder / "runs/compare/report.html").read_text()


def test_two_weights_of_one_network_are_told_apart(folder: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    for seed in (0, 1):
        save_file(tl.load_model("net.py:build", backend=ANY, seed=seed).state(), f"{seed}.safetensors")
    again = ["--model-b", "net.py:build", "--backend-b", ANY]
    result = call(*A, *again, "--weights-a", "0.safetensors", "--weights-b", "1.safetensors", "--method", "saliency")
    assert result.exit_code == 0, result.output
    found = results(folder / "runs/compare")
    assert (found["a"], found["b"]) == (
        f"net.py:build on {ANY}, 0.safetensors",
        f"net.py:build on {ANY}, 1.safetensors",
    )
    assert found["worst"]["relative_l2"] > 0.01


def test_probabilities_are_compared_as_the_probabilities_that_they_are(folder: Path) -> None:
    need("torch")
    (folder / "soft.py").write_text(PROBABILITIES)
    pair = ["a.jpg", "--size", "16", "--model-a", "soft.py:sure", "--model-b", "soft.py:undecided"]
    result = call(*pair, "--method", "saliency", "--fail-if", "probability_difference>0.3", "--out", "out")
    assert result.exit_code == 1, result.output
    assert "A: " in result.stdout
    assert len(re.findall("outputs are probabilities already", result.stderr)) == 2
    worst = results(folder / "out")["pairs"][0]["worst"]["probability_difference"]
    assert worst == pytest.approx(0.35, abs=1e-6)


def test_one_output_that_may_be_a_probability_is_refused(folder: Path) -> None:
    need("torch")
    (folder / "soft.py").write_text(PROBABILITIES)
    result = call("a.jpg", "--size", "16", "--model-a", "soft.py:one", "--model-b", "soft.py:sure")
    assert result.exit_code == 2
    assert "may be a logit or a probability. Let its function return logits" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("option", ["--size=0", "--seed=-1", "--seed=99999999999"])
def test_a_number_out_of_range_is_refused(option: str, folder: Path) -> None:
    result = call(*AB, option)
    assert result.exit_code == 2
    assert "Invalid value" in result.stderr


def test_two_methods_are_compared_on_one_network(folder: Path) -> None:
    result = call(*A, "--method", "saliency", "--against", "gradcam", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "saliency / gradcam: Each sample is divided" in result.stdout
    found = results(folder / "out")
    assert found["a"] == found["b"]
    assert found["worst"]["score_difference"] == 0
    assert (folder / "out/figures/saliency_against_gradcam.png").is_file()


def test_files_and_runs_are_compared(folder: Path) -> None:
    made = tl.explain(tl.load_model("net.py:build", backend=ANY), some_pictures(), "saliency", 0)
    for name in ("one/explanations/saliency", "one/explanations/gone", "two/explanations/saliency"):
        made.save(f"{name}.npz")
    same = ["one/explanations/saliency.npz", "two/explanations/saliency.npz"]
    result = call("--files", *same, "--out", "out", "--fail-if", "max_abs>0")
    assert result.exit_code == 0, result.output
    assert results(folder / "out")["worst"]["cosine"] == pytest.approx(1)

    result = call("--files", "one", "two", "--out", "out", "--fail-if", "cosine<-1")
    assert result.exit_code == 1
    assert "Not compared: gone: missing in two" in result.stdout
    found = results(folder / "out")
    assert found["missing"] == {"gone": "missing in two"}
    assert [pair["name"] for pair in found["pairs"]] == ["saliency"]
    assert found["pairs"][0]["a"]["peak_memory_mib"] is None
    assert "missing in two" in (folder / "out/report.html").read_text()


def test_names_in_files_lead_to_no_file_outside_of_the_folder(folder: Path) -> None:
    made = tl.explain(tl.load_model("net.py:build", backend=ANY), some_pictures(), "saliency", 0)
    made.__dict__["method"] = "../../escaped <b>"
    made.save("a.npz")
    before = files(folder)
    assert call("--files", "a.npz", "a.npz", "--out", "runs/out").exit_code == 0
    assert all(name.startswith("runs") for name in files(folder) - before)
    assert "<b>" not in (folder / "runs/out/report.html").read_text()


def test_an_interrupted_comparison_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    before = files(folder)
    monkeypatch.setattr(comparing, "write_comparison", interrupt)
    result = call(*AB, "--method", "saliency")
    assert result.exit_code == 130
    assert files(folder) == before


def test_a_twin_needs_the_other_framework(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "available_backends", lambda: [ANY])
    result = call(*A, "--method", "saliency")
    assert result.exit_code == 2
    assert re.search(r"twin of 'net.py:build' .* (torch|paddle) is not installed.*--model-b", result.stderr)


def test_the_help_names_every_measure() -> None:
    shown = " ".join(call("--help").stdout.split())
    for name in MEASURES:
        assert f"{name}: " in shown


@pytest.mark.parametrize(
    ("arguments", "cause", "cure"),
    [
        ([], "There is no picture", "--files"),
        (["a.jpg"], "There is no network", "--model-a"),
        (["a.jpg", "--model-a", "net.py:build", "--weights-b", "w.pth"], "second network", "--model-b"),
        ([*AB, "--fail-if", "cosin<0.9"], "no measure 'cosin'", "Did you mean 'cosine'"),
        ([*AB, "--fail-if", "cosine"], "'cosine' is not a limit", "quotes"),
        ([*AB, "--fail-if", "cosine<much"], "'much'", "number"),
        ([*AB, "--method", "salience"], "no method 'salience'", "Did you mean 'saliency'"),
        ([*AB, "--set", "step=3"], "has a parameter 'step'|No chosen method", "steps"),
        ([*AB, "--target", "9"], "no class 9", "0 to 2"),
        ([*AB, "--top", "7"], "top=7", "0.05"),
        ([*AB, "--method", "expected_gradients"], "compares with other pictures", "--background"),
        ([*AB, "--method", "tcav"], "'tcav' learns from pictures of concepts", "from Python"),
        ([*AB, "--out", "net.py"], "is a file", "--out"),
        ([*A, "--against", "lim"], "no method 'lim'", "lime"),
        (["nowhere.jpg", *AB[1:]], "nowhere.jpg", "spelling"),
        (["--files", "a.npz", "b.npz"], "no file 'a.npz'", "path"),
        (["--files", "a.jpg", "a.jpg"], "not a saved explanation", "Explanation.save"),
        (["a.jpg", "--files", "a.npz", "b.npz"], "--files compares", "Leave out"),
        ([*AB[:-1], "jax"], "jax", ""),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments: list[str], cause: str, cure: str, folder: Path) -> None:
    before = files(folder)
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert re.search(cause, line), line
    assert cure in line
    assert result.stdout == ""
    assert files(folder) == before
