"""``twinlens convert`` on the command line: what it prints, what it refuses, and its exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from twinlens.backends.weights import read_weights, write_weights
from twinlens.cli import app
from twinlens.models import load_model

from ..backends.hostile import as_paddle_file, hostile_pickles
from ..frameworks import ANY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build(nn, width=4):\n    return nn.Sequential(nn.Linear(width, width))\n")
    return tmp_path


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["convert", *arguments])


def assert_one_line(result: Any, *said: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for part in said:
        assert part in result.stderr


def saved(width: int = 4) -> dict[str, np.ndarray]:
    state = load_model("net.py:build", backend=ANY, width=width).state()
    write_weights("in.safetensors", state)
    return state


@pytest.mark.usefixtures("both", "folder")
def test_the_file_and_what_was_proved_are_printed() -> None:
    state = saved()
    result = call("in.safetensors", "out/b.pdparams", "--model", "net.py:build")
    assert result.exit_code == 0, result.output
    assert "2 arrays, 20 numbers (float32), read back bit for bit" in result.stdout
    assert "the scores of both networks differ by" in result.stdout
    np.testing.assert_array_equal(read_weights("out/b.pdparams").arrays["0.weight"], state["0.weight"].T)


@pytest.mark.usefixtures("folder")
def test_options_of_the_network_and_the_shape_of_a_sample_are_passed_on() -> None:
    saved(width=5)
    wrong = call("in.safetensors", "b.pdparams", "--model", "net.py:build")
    assert_one_line(wrong, "'0.weight' has shape (5, 5)")
    result = call("in.safetensors", "b.pdparams", "--model", "net.py:build", "--set", "width=5", "--shape", "7,5")
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("folder")
def test_a_file_that_has_been_there_stays_unless_forced() -> None:
    saved()
    Path("b.pdparams").write_text("mine")
    assert_one_line(call("in.safetensors", "b.pdparams", "--model", "net.py:build"), "exists already", "force")
    assert Path("b.pdparams").read_text() == "mine"
    assert call("in.safetensors", "b.pdparams", "--model", "net.py:build", "--force").exit_code == 0


@pytest.mark.usefixtures("folder")
def test_the_network_is_asked_for_where_the_file_alone_does_not_say_enough() -> None:
    saved()
    assert_one_line(call("in.safetensors", "b.pdparams"), "'0.weight'", "--model")
    assert not Path("b.pdparams").exists()


@pytest.mark.usefixtures("folder")
def test_what_was_not_tried_is_said() -> None:
    write_weights("in.safetensors", {"0.weight": np.ones((2, 3, 3, 3), np.float32)})
    result = call("in.safetensors", "b.pdparams")
    assert result.exit_code == 0, result.output
    assert "Note: without --model" in result.stdout


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "width"], "--set width is not a setting"),
        (["--set", "width=[1"], "not valid YAML"),
        (["--shape", "a,b"], "--shape a,b is not a shape"),
        (["--shape", "0"], "not a shape"),
        (["--model", "torchvision"], "no model 'torchvision'"),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], said: str) -> None:
    saved()
    assert_one_line(call("in.safetensors", "b.pdparams", *arguments), said)
    assert not Path("b.pdparams").exists()


@pytest.mark.parametrize("name", ["os.system", "getattr chain", "functools.partial", "copyreg", "numpy object array"])
def test_a_hostile_file_is_one_line_and_nothing_of_it_is_run(folder: Path, name: str) -> None:
    as_paddle_file(hostile_pickles(folder / "marker")[name], folder / "in")
    assert_one_line(call("in.pdparams", "b.pth", "--model", "small_cnn"), "in.pdparams")
    assert sorted(path.name for path in folder.iterdir()) == ["in.pdparams", "net.py"]
