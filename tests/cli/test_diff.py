"""``twinlens diff``: two networks in; the tree, the verdict, an exit code and JSON out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twinlens.backends import Backend
from twinlens.cli import app

from ..frameworks import ANY
from .case import jpeg

NET = """
def sound(nn):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

def faulty(nn):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

def other(nn):
    return nn.Sequential(nn.Flatten(), nn.Softmax(dim=1))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    return tmp_path


def too_small() -> str:
    """The mean of no pixels is NaN to Paddle, and an error to torch."""
    return "computes NaN" if ANY == "paddle" else "fails on an input"


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["diff", *arguments])


def test_the_place_and_the_cause_are_printed(both: tuple[Backend, Backend], folder: Path) -> None:
    frameworks = ["--backend-a", both[0].name, "--backend-b", both[1].name]
    result = call(
        "net.py:sound", "net.py:faulty", *frameworks, "--image", "a.jpg", "--size", "16", "--json", "out.json"
    )
    assert result.exit_code == 0, result.output
    assert "<-- HERE" in result.stdout
    assert "relu in A, tanh in B" in result.stdout
    assert result.stdout.strip().endswith("The networks part at '1' (relu): activation.")
    read = json.loads((folder / "out.json").read_text())
    assert (read["first"], read["agrees"]) == ("1", False)


def test_the_exit_code_tells_on_request(both: tuple[Backend, Backend], folder: Path) -> None:
    frameworks = ["--backend-a", both[0].name, "--backend-b", both[1].name, "--size", "12"]
    assert call("net.py:sound", "net.py:faulty", *frameworks, "--fail").exit_code == 1
    agreeing = call("net.py:sound", "net.py:sound", *frameworks, "--fail", "--teacher-forced")
    assert agreeing.exit_code == 0
    assert "agree" in agreeing.stdout


@pytest.mark.parametrize("seed", ["-1", "99999999999"])
def test_a_seed_out_of_range_is_refused(folder: Path, seed: str) -> None:
    result = call("net.py:sound", "net.py:sound", "--size", "16", "--seed", seed)
    assert result.exit_code == 2
    assert "Invalid value" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.py:sound", "net.py:sound"], "not known"),
        (["net.py:sound", "net.py:sound", "--image", "a.jpg"], "--size"),
        (["net.py:sound", "net.py:sound", "--image", "none.jpg", "--size", "16"], "none.jpg"),
        (["net.py:sound", "net.py:nothing", "--size", "16"], "nothing"),
        (["net.py:sound", "net.py:other", "--size", "16"], "no layer in common"),
        (["net.py:sound", "net.py:sound", "--size", "16", "--tolerance", "-1"], "tolerance=-1.0"),
        (["net.py:sound", "net.py:sound", "--size", "16", "--weights-b", "none.pth"], "none.pth"),
        (["net.py:sound", "net.py:sound", "--size", "16", "--json", "a.jpg/out.json"], "a.jpg"),
        (["net.py:sound", "net.py:sound", "--size", "2"], too_small()),
        (["mlp", "mlp", "--image", "a.jpg"], "does not take pictures"),
    ],
)
def test_a_mistake_is_told_in_one_line(folder: Path, arguments: list[str], said: str) -> None:
    before = sorted(folder.iterdir())
    result = call(*arguments, "--backend-a", ANY, "--backend-b", ANY)
    assert result.exit_code == 2, result.output
    *_, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert sorted(folder.iterdir()) == before
