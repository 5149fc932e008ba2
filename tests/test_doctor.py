import importlib.metadata
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from twinlens import doctor, probes
from twinlens.doctor import Row

ROOT = Path(__file__).resolve().parents[1]
WORKS = [Row("frameworks", "paddle", "ok", "3.3.1"), Row("frameworks", "torch", "missing", "not installed")]


@pytest.fixture(scope="module")
def rows():
    return doctor.diagnose()


def one(rows, section, name):
    (row,) = (row for row in rows if (row.section, row.name) == (section, name))
    return row


def text(rows, width=100):
    stream = io.StringIO()
    doctor.render(rows, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.fixture
def install_fake(tmp_path, monkeypatch):
    """Put a module that shadows the real one in front of everything that child processes import."""

    def install(name, code):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return install


def test_every_framework_that_is_installed_is_found_working(rows):
    for framework in ("torch", "paddle"):
        if importlib.util.find_spec(framework):
            row = one(rows, "frameworks", framework)
            assert row.state == "ok"
            assert "build, devices: cpu" in row.found
    assert doctor.exit_code(rows) == 0


def test_every_dependency_that_twinlens_declares_is_looked_at(rows):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = [*project["dependencies"], *(line for extra in ("torch", "images", "tables") for line in extras[extra])]
    for line in used:
        name, _, least = line.partition(">=")
        assert one(rows, "packages", name).wanted == f">={least}"


def test_versions_are_the_installed_ones(rows):
    assert one(rows, "packages", "numpy").found == importlib.metadata.version("numpy")
    assert one(rows, "machine", "Python").found.startswith(".".join(map(str, sys.version_info[:3])))


def test_looking_loads_no_framework_into_this_process():
    code = "import sys; from twinlens.doctor import diagnose; diagnose(['figures'])"
    code += "; print({'torch', 'paddle'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_a_framework_that_does_not_import_is_reported_with_its_reason(install_fake):
    install_fake("torch", "raise OSError('libtorch_cpu.so: cannot open shared object file')")
    row = one(doctor.diagnose(["torch"]), "frameworks", "torch")
    assert row.state == "broken"
    assert "libtorch_cpu.so" in row.found
    assert "pip install" in row.cure


def test_a_framework_that_crashes_the_process_is_reported(install_fake):
    install_fake("paddle", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    row = one(doctor.diagnose(["paddle"]), "frameworks", "paddle")
    assert row.state == "broken"
    assert "signal 9" in row.found


def test_a_framework_that_computes_nonsense_is_reported(install_fake):
    fake = "class tensor:\n    def __init__(self, *a, **k): pass\n    __mul__ = sum = lambda self, *a: self\n"
    fake += "    tolist = lambda self: [2.0, 4.0, 7.0]\nclass autograd:\n    grad = staticmethod(lambda y, x: (x,))\n"
    install_fake("torch", fake)
    row = one(doctor.diagnose(["torch"]), "frameworks", "torch")
    assert row.state == "broken"
    assert "[2.0, 4.0, 7.0]" in row.found


def test_a_framework_that_prints_on_import_does_not_disturb(install_fake):
    install_fake("torch", "print('hello'); raise ImportError('no')")
    assert "no" in one(doctor.diagnose(["torch"]), "frameworks", "torch").found


def test_a_file_named_like_a_framework_in_the_current_folder_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "paddle.py").write_text("raise SystemExit('the wrong file')")
    monkeypatch.chdir(tmp_path)
    assert not any("wrong file" in row.found for row in doctor.diagnose(["paddle"]))


def test_opencv_without_graphics_libraries_has_a_cure(install_fake):
    install_fake("cv2", "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')")
    row = one(doctor.diagnose(["extras"]), "packages", "import cv2")
    assert row.state == "broken"
    assert "opencv-python-headless" in row.cure


@pytest.mark.parametrize("name", ["torch", "paddle"])
def test_a_framework_that_is_not_installed_is_missing(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert [finding["state"] for finding in probes.run(name)] == ["missing"]


def test_output_that_is_no_report_becomes_a_row():
    (row,) = doctor.read_probe("torch", 1, "something else", "Traceback\nRuntimeError: bad build\n")
    assert row == Row("frameworks", "torch", "broken", "failed: RuntimeError: bad build")
    (row,) = doctor.read_probe("extras", 1, "", "")
    assert row.state == "broken"


@pytest.mark.parametrize(
    ("version", "wanted", "state"),
    [
        ("1.10", ">=1.9", "ok"),
        ("1.9.5", ">=1.10", "broken"),
        ("2", ">=2.0", "ok"),
        ("2.13.0+cpu", ">=2.4", "ok"),
        ("0.2.0.1", ">=0.2.0.1", "ok"),
        ("0.2.0", ">=0.2.0.1", "broken"),
        ("2.0rc1", ">=1.26", "ok"),
        ("0.1", "", "ok"),
    ],
)
def test_versions_are_compared_as_numbers(version, wanted, state, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    row = doctor.check_package("anything", wanted)
    assert row.state == state
    assert (state == "ok") == (row.cure == "")


def test_a_missing_package_comes_with_the_command_that_gets_it():
    row = doctor.check_package("no-such-package", ">=1.5")
    assert row.state == "missing"
    assert row.cure == f'{sys.executable} -m pip install "no-such-package>=1.5"'


def test_the_gpu_build_of_paddle_stands_in_for_the_cpu_build(monkeypatch):
    def version(name):
        if name == "paddlepaddle-gpu":
            return "2.6.2"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    row = doctor.check_package("paddlepaddle", ">=2.6")
    assert (row.state, row.found) == ("ok", "2.6.2 (paddlepaddle-gpu)")


def test_one_working_framework_is_enough():
    assert doctor.exit_code(WORKS) == 0


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Row("frameworks", "torch", "broken", "crashed"), Row("frameworks", "paddle", "missing", "not installed")],
        [Row("packages", "torch", "ok", "2.13.0"), Row("frameworks", "torch", "broken", "crashed")],
        [Row("frameworks", "torchvision", "ok", "0.28.0")],
    ],
)
def test_without_a_working_framework_the_exit_code_says_so(rows):
    assert doctor.exit_code(rows) == 2
    assert "Neither framework works" in text(rows)


def test_json_holds_the_same_rows(rows):
    report = json.loads(doctor.to_json(rows))
    assert report["exit_code"] == 0
    assert [Row(**row) for row in report["rows"]] == rows


def test_the_command_prints_json_or_tables_and_returns_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "diagnose", lambda: WORKS)
    assert doctor.doctor(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == "paddle"
    assert doctor.doctor() == 0
    assert "Frameworks" in capsys.readouterr().out


@pytest.mark.parametrize("width", [70, 100, 200])
def test_the_tables_name_everything_at_any_width(rows, width):
    printed = "".join(text(rows, width).split())
    assert all(row.name.replace(" ", "") in printed for row in rows if " " not in row.name)


def test_one_command_gets_all_that_is_missing():
    missing = [doctor.check_package(f"no-such-package-{index}", ">=1") for index in range(3)]
    (line,) = (line for line in text([*WORKS, *missing]).splitlines() if line.startswith("To get what is missing"))
    assert line.endswith('pip install "no-such-package-0>=1" "no-such-package-1>=1" "no-such-package-2>=1"')


def test_square_brackets_in_a_reason_are_printed_as_they_are():
    assert "[bold]" in text([Row("frameworks", "torch", "broken", "failed: [bold]", cure="see [1]")])


def test_no_display_is_needed(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "TkAgg")
    assert one(doctor.diagnose(["figures"]), "machine", "figures").state == "ok"
