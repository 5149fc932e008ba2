import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
FOLDERS = SETUPTOOLS["package-dir"]
HEAVY = (
    *("torch", "torchvision", "paddle", "cv2", "matplotlib", "sklearn", "scipy", "skimage"),
    *("pandas", "shap", "lime", "xgboost", "jinja2"),
)


def python(code, cwd=ROOT):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_package(folder, top):
    """Whether it and all folders above it, up to the top one, are packages."""
    return (folder / "__init__.py").exists() and (folder == top or is_package(folder.parent, top))


def test_every_folder_with_code_is_a_listed_package():
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            if is_package(init.parent, ROOT / folder):
                found.add(".".join([package, *init.parent.relative_to(ROOT / folder).parts]))
    assert found == set(SETUPTOOLS["packages"])
    assert set(FOLDERS) <= found


def test_every_file_beside_the_code_is_listed_as_package_data():
    for package, folder in FOLDERS.items():
        patterns = SETUPTOOLS["package-data"].get(package, [])
        listed = {path for pattern in patterns for path in (ROOT / folder).glob(pattern) if path.is_file()}
        # Python and numba keep there what they compiled.
        files = {path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        # Code in a folder that is no package, such as an assignment's, is a file like any other.
        beside = {path for path in files if path.suffix != ".py" or not is_package(path.parent, ROOT / folder)}
        assert beside == listed, package


def test_importing_twinlens_loads_nothing_heavy(tmp_path):
    code = f"import sys, twinlens; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code, tmp_path) == "[]"


@pytest.mark.parametrize("package", sorted(SETUPTOOLS["packages"]))
def test_importing_a_package_loads_neither_framework(package, tmp_path):
    code = f"import sys, {package}; print([n for n in ('torch', 'torchvision', 'paddle') if n in sys.modules])"
    assert python(code, tmp_path) == "[]"


@pytest.mark.parametrize("start", ["root", "elsewhere"])
def test_packages_are_found_wherever_python_starts(start, tmp_path):
    cwd = ROOT if start == "root" else tmp_path
    found = python("import twinlens.datasets; print(twinlens.datasets.__file__)", cwd)
    assert Path(found).resolve() == ROOT / "datasets" / "loaders" / "__init__.py" or "site-packages" in found


def test_the_folder_datasets_shadows_nobody_elses_datasets(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("whose = 'Hugging Face'")
    # The other package stands behind the clone on the path, as site-packages does.
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import datasets; print(datasets.whose)"
    assert python(code) == "Hugging Face"


def link(target):
    tool = ROOT / "tools" / "link_packages.py"
    return subprocess.run([sys.executable, tool, "--target", target], capture_output=True, text=True)


def test_the_links_show_tools_one_complete_package(tmp_path):
    target = tmp_path / "typings"
    for _ in range(2):  # writing them again replaces them
        assert link(target).returncode == 0
    for package, folder in FOLDERS.items():
        linked = target.joinpath(*package.split("."))
        names = {path.name for path in linked.iterdir() if path.suffix == ".py"}
        assert names == {path.name for path in (ROOT / folder).glob("*.py")}
        assert (linked / "__init__.py").resolve() == (ROOT / folder / "__init__.py").resolve()


def test_links_that_cannot_be_written_are_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = link(tmp_path / "file" / "typings")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Cannot write the links" in done.stderr


@pytest.mark.parametrize("version", [(3, 8, 1), (3, 10, 12), (3, 14, 0)])
def test_another_python_is_refused_in_one_line(version):
    tool = str(ROOT / "tools" / "check_python.py")
    code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path({tool!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert ".".join(map(str, version)) in done.stderr
    assert "make PYTHON=" in done.stderr


def test_this_python_is_accepted():
    assert subprocess.run([sys.executable, ROOT / "tools" / "check_python.py"]).returncode == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_without_a_python_says_so(tmp_path):
    command = ["make", "PYTHON=", f"VENV={tmp_path / 'venv'}", "install"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No Python found" in done.stdout


def test_the_licence_is_there_in_full():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
