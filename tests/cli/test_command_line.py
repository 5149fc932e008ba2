"""The commands as they are called from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from twinlens import __version__
from twinlens.backends import Backend
from twinlens.cli import app
from twinlens.methods.registry import methods
from twinlens.tasks import runner

HEAVY = ("torch", "torchvision", "paddle", "matplotlib", "cv2", "shap", "lime", "sklearn", "skimage", "pandas")
TINY: dict[str, Any] = {
    "model": {"name": "small_cnn", "options": {"size": 32, "widths": [4, 8]}},
    "data": {"source": "synthetic", "pictures": 1},
    "saliency": {"smoothgrad": None, "integrated_gradients": None},
}


@pytest.fixture
def config(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"backend": backend.name}), encoding="utf-8")
    return path


def shell(*arguments: str, cwd: Path | None = None, program: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["-m", "twinlens"]
    return subprocess.run([sys.executable, *start, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("arguments", [["--help"], ["methods"], ["methods", "--json"], ["models"], ["run", "--help"]])
def test_what_only_informs_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom twinlens.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "print('LOADED', *loaded)"
    )
    result = shell(*arguments, program=program)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "LOADED"
    assert result.stderr == ""


def test_python_m_twinlens_is_the_command_line() -> None:
    result = shell("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"twinlens {__version__}\n", "")


def test_a_wrong_configuration_ends_a_real_process_with_two_and_one_line(tmp_path: Path) -> None:
    result = shell("run", "nowhere.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "Error: There is no configuration file 'nowhere.yaml'. Check the path.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_layer_ends_a_real_process_with_two_and_nothing_written(config: Path) -> None:
    result = shell("run", "tiny.yaml", "--set", "feature_maps.layers=[nose]", cwd=config.parent)
    assert result.returncode == 2
    assert result.stdout == ""
    *progress, line = result.stderr.splitlines()
    assert all(told.startswith("main: ") for told in progress)
    assert line.startswith("Error: There is no layer 'nose'.")
    assert [path.name for path in config.parent.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["explane"], "explane"),
        (["run"], "config"),
        (["run", "a.yaml", "--bakend", "torch"], "--bakend"),
        (["run", "a.yaml", "--seed", "many"], "--seed"),
        (["run", "a.yaml", "--out"], "--out"),
    ],
)
def test_wrong_usage_ends_with_two_and_names_what_is_wrong(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert "Error" in result.stderr
    assert "Traceback" not in result.output


def test_run_writes_the_report_and_says_where(config: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(config), "--out", "here/run"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {Path('here/run/report.html')}\n"
    assert {path.name for path in Path("here/run").iterdir()} == {
        "explanations",
        "figures",
        "report.html",
        "results.json",
    }
    assert [path.name for path in Path("here").iterdir()] == ["run"]


def test_without_out_the_run_is_named_after_its_configuration(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(runner, "run", lambda chosen, folder, say: asked.append((chosen, folder)))
    result = CliRunner().invoke(
        app, ["run", str(config), "--seed", "7", "--set", "saliency.of=logit", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    ((chosen, folder),) = asked
    assert folder == Path("runs/tiny")
    assert (chosen.seed, chosen.device, chosen.parts[0].saliency.of) == (7, "cpu", "logit")


def test_a_run_that_is_stopped_leaves_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "train", stop)
    result = CliRunner().invoke(app, ["run", str(config)])
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Stopped; nothing was written."
    assert [path.name for path in config.parent.iterdir()] == ["tiny.yaml"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a program without asking it")
def test_a_run_that_is_ended_from_outside_leaves_nothing(config: Path) -> None:
    command = [sys.executable, "-m", "twinlens", "run", config.name]
    with subprocess.Popen(command, cwd=config.parent, stderr=subprocess.PIPE, text=True) as running:
        begun = time.monotonic()
        while not list(config.parent.glob("runs/.tiny.*")):
            assert running.poll() is None
            assert time.monotonic() - begun < 100
            time.sleep(0.01)
        running.terminate()
        _, said = running.communicate(timeout=100)
    assert running.returncode == 130
    assert said.splitlines()[-1] == "Stopped; nothing was written."
    assert [path.name for path in config.parent.iterdir()] == ["tiny.yaml"]


def test_debug_shows_where_an_error_comes_from(config: Path) -> None:
    result = shell("run", "tiny.yaml", "--backend", "jax", "--debug", cwd=config.parent)
    assert result.returncode != 0
    assert "Traceback" in result.stderr
    assert "ConfigError" in result.stderr


def test_methods_lists_every_method_with_its_paper() -> None:
    listed = json.loads(CliRunner().invoke(app, ["methods", "--json"]).stdout)
    assert set(listed) == set(methods())
    assert all(entry["paper"] and entry["summary"] for entry in listed.values())
    shown = CliRunner().invoke(app, ["methods"]).stdout
    assert "saliency" in shown


def test_models_lists_the_zoo() -> None:
    listed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert {"small_cnn", "lenet", "food11_cnn", "mlp", "efficientnet_lite0"} <= set(listed)
    assert listed["small_cnn"]["input_shape"] == [3, 64, 64]
