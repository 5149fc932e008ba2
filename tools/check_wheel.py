"""Build the wheel, compare it with the source tree, and import it where only the core dependencies are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

IMPORT_ALL = """
import importlib, sys, twinlens
for package in {packages!r}:
    importlib.import_module(package)
loaded = sorted(set(sys.modules) & set(["torch", "torchvision", "paddle"]))
assert not loaded, f"importing twinlens loads {{loaded}}"
assert {place!r} in twinlens.__file__, f"{{twinlens.__file__}} is not the installed wheel"
"""


def expected_files() -> set[str]:
    """Paths inside the wheel of everything that lies in the packages' folders.

    Folders without an ``__init__.py`` are data of the package above them.
    """
    files = set()
    for package, folder in SETTINGS["tool"]["setuptools"]["package-dir"].items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}")
    return files


def check_contents(wheel: Path) -> None:
    """Stop if the wheel lacks a file of the packages or carries one that does not belong to them."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = expected_files()
    if packed != expected:
        sys.exit(f"Missing in the wheel: {sorted(expected - packed)}. Not ours: {sorted(packed - expected)}.")
    print(f"{wheel.name}: {len(packed)} files, {wheel.stat().st_size / 1e3:.0f} kB")


def check_import(wheel: Path, folder: Path) -> None:
    """Stop if the wheel cannot be imported, or its command does not answer, without frameworks and extras."""
    place = folder / "environment"
    venv.create(place, with_pip=True)
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pins = folder / "pins.txt"
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins.write_text("\n".join(line for line in lines if not line.startswith("-e")), "utf-8")
    run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, wheel, at=folder)
    packages = SETTINGS["tool"]["setuptools"]["packages"]
    run(python, "-c", IMPORT_ALL.format(packages=packages, place=str(place)), at=folder)
    run(python.with_name("twinlens"), "--help", at=folder)
    print(f"{len(packages)} packages import without either framework; `twinlens --help` answers")


def run(*command: str | Path, at: Path) -> None:
    """Run a command quietly; on failure show what it said and stop."""
    done = subprocess.run([str(part) for part in command], cwd=at, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}\nfailed with exit code {done.returncode}")


def main() -> None:
    """Check the wheel of this clone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools packs what an earlier build left there
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, at=folder)
        (wheel,) = folder.glob("twinlens-*.whl")
        check_contents(wheel)
        check_import(wheel, folder)


if __name__ == "__main__":
    main()
