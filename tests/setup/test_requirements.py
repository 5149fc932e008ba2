import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = ("requirements.txt", "requirements-gpu.txt")
TOOLS = ("requirements-data.txt", "requirements-dev.txt", "requirements-peers.txt")
ASSIGNMENT = {
    "torch",
    "torchvision",
    "opencv-python",
    "lime",
    "shap",
    "xgboost",
    "scikit-learn",
    "matplotlib",
    "pytest",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def lines(file):
    text = (ROOT / file).read_text("utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(file):
    found = {}
    for line in lines(file):
        if not line.startswith("-e"):
            requirement = Requirement(line)
            found[canonicalize_name(requirement.name)] = requirement
    return found


def declared():
    groups = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for extra, group in groups.items():
        for line in group:
            if not line.startswith("twinlens["):
                yield extra, Requirement(line)


@pytest.mark.parametrize("file", FILES)
def test_the_last_line_installs_twinlens_itself(file):
    assert lines(file)[-1] == "-e ."
    assert sum(line.startswith("-") for line in lines(file)) == 1


@pytest.mark.parametrize("file", [*FILES, *TOOLS])
def test_every_package_is_pinned_to_one_version(file):
    for name, requirement in pins(file).items():
        assert [part.operator for part in requirement.specifier] == ["=="], name
        assert requirement.url is None, name


@pytest.mark.parametrize("file", FILES)
def test_no_package_is_pinned_twice(file):
    names = [canonicalize_name(Requirement(line).name) for line in lines(file)[:-1]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", [*FILES, *TOOLS, "pyproject.toml", "Makefile"])
def test_no_file_says_where_packages_come_from(file):
    text = (ROOT / file).read_text("utf-8")
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host"):
        assert word not in text


def test_everything_of_the_assignment_is_installed():
    assert ASSIGNMENT | {"paddlepaddle"} <= set(pins("requirements.txt"))
    assert ASSIGNMENT | {"paddlepaddle-gpu"} <= set(pins("requirements-gpu.txt"))


@pytest.mark.parametrize("file", FILES)
def test_the_pins_are_inside_the_ranges_that_the_package_declares(file):
    pinned = {name: pin for one in (file, *TOOLS) for name, pin in pins(one).items()}
    pinned.setdefault("paddlepaddle", pinned.get("paddlepaddle-gpu"))
    for extra, requirement in declared():
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None:
            assert extra == "seq2seq" or (extra, requirement.name) == ("dev", "build")  # `make wheel-check` uses pip
            continue
        (version,) = (part.version for part in pin.specifier)
        assert requirement.specifier.contains(version), f"{requirement} but {pin}"


def test_declared_ranges_are_of_the_kind_that_doctor_compares():
    for _, requirement in declared():
        assert [part.operator for part in requirement.specifier] == [">="], requirement


def test_the_gpu_file_differs_only_where_paddle_and_numpy_force_it():
    plain, gpu = pins("requirements.txt"), pins("requirements-gpu.txt")
    assert set(plain) - set(gpu) == {"paddlepaddle"}
    assert set(gpu) - set(plain) == {"paddlepaddle-gpu", "astor", "decorator"}
    changed = {name for name in set(plain) & set(gpu) if str(plain[name]) != str(gpu[name])}
    assert changed == {"numpy", "pandas", "shap", "opencv-python", "xgboost"}
    assert gpu["numpy"].specifier.contains("1.26.4")


@pytest.mark.usefixtures("both")
def test_what_pinned_packages_need_is_pinned_as_well():
    file = FILES[1] if _installed("paddlepaddle-gpu") else FILES[0]
    pinned = pins(file)
    # torch names the exact versions of its own CUDA libraries; setuptools comes with the environment.
    given = {"setuptools", "triton"}
    for name, pin in pinned.items():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        for line in importlib.metadata.requires(name) or []:
            need = Requirement(line)
            needed = canonicalize_name(need.name)
            if (need.marker and not need.marker.evaluate({"extra": ""})) or needed.startswith(("nvidia-", "cuda-")):
                continue
            assert needed in pinned or needed in given, f"{name} needs {needed}, which {file} does not pin"


def _installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
