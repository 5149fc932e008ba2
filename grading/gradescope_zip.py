"""The autograder that Gradescope takes: twinlens itself, the assignment with its answers, and how they are started."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DataError
from ..files import write_whole
from .assignment import LoadedAssignment

_PARTS = ("backends", "comparison", "datasets", "figures", "grading", "methods", "models", "tasks")
_MADE = (1980, 1, 1, 0, 0, 0)
_RUNNABLE = ("setup.sh", "run_autograder")
_INDEX = "https://download.pytorch.org/whl/cpu"

_WHEEL = b"Wheel-Version: 1.0\nGenerator: twinlens\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

_SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the autograder. Choose a container with 2 CPUs and at least 3 GB of memory.
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends bubblewrap ca-certificates libgl1 libglib2.0-0 libgomp1 \\
    python3-pip python3-venv
python3 -m venv /opt/uv
/opt/uv/bin/pip install uv
export UV_PYTHON_INSTALL_DIR=/opt/python
/opt/uv/bin/uv venv --python 3.12 /opt/twinlens
cd /autograder/source
{install}
# The answers are for the grader's own account.
chmod -R go-rwx /autograder/source/assignment
"""

_RUN = """#!/usr/bin/env bash
# Runs for every submission. Where it fails it writes no results, and Gradescope tells the instructor.
set -euo pipefail
made=$(mktemp -d)
/opt/twinlens/bin/twinlens grade /autograder/submission --single \\
    --assignment /autograder/source/assignment --out "$made/run"{weak}
cp "$made"/run/gradescope/*.json /autograder/results/results.json
"""


def write_gradescope_zip(assignment: LoadedAssignment, path: Path, allow_weak: bool = False) -> Path:
    """Write the zip to upload as the autograder of an assignment.

    Parameters
    ----------
    assignment : LoadedAssignment
    path : Path
    allow_weak : bool
        Grade also where the container lets students' processes see the answers.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it cannot be written, or the installed twinlens cannot be read.
    """
    wheel, content = build_wheel()
    files = {
        "setup.sh": _SETUP.format(install=_install(assignment, wheel)).encode(),
        "run_autograder": _RUN.format(weak=" \\\n    --allow-weak" if allow_weak else "").encode(),
        wheel: content,
        **{f"assignment/{name}": text for name, text in _folder(assignment.folder)},
    }
    return write_whole(path, _zip(files))


def _install(assignment: LoadedAssignment, wheel: str) -> str:
    command = "/opt/uv/bin/uv pip install --python /opt/twinlens/bin/python"
    lines = []
    if "torch" in assignment.assignment.frameworks:
        lines.append(f"{command} torch torchvision --index-url {_INDEX}")
    if "paddle" in assignment.assignment.frameworks:
        lines.append(f"{command} paddlepaddle")
    return "\n".join([*lines, f'{command} "./{wheel}[images,figures,tables]"'])


def build_wheel() -> tuple[str, bytes]:
    """The installed twinlens as a wheel, also where it runs from a clone.

    Returns
    -------
    name : str
    content : bytes

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        distribution = importlib.metadata.distribution("twinlens")
        metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except importlib.metadata.PackageNotFoundError:
        metadata = ""
    if not metadata:
        raise DataError("twinlens is not installed, so it cannot be packed.", "pip install -e .")
    stem = f"twinlens-{distribution.version}"
    files = {f"twinlens/{name}": content for name, content in _package()}
    files |= {
        f"{stem}.dist-info/METADATA": metadata.encode("utf-8"),
        f"{stem}.dist-info/WHEEL": _WHEEL,
        f"{stem}.dist-info/entry_points.txt": b"[console_scripts]\ntwinlens = twinlens.cli:main\n",
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    return f"{stem}-py3-none-any.whl", _zip({**files, record: "\n".join([*lines, f"{record},,", ""]).encode()})


def _package() -> Iterator[tuple[str, bytes]]:
    """All files of twinlens by their names in a wheel, wherever each part lies."""
    spec = importlib.util.find_spec("twinlens")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("twinlens cannot be found, so it cannot be packed.", "pip install -e .")
    yield from _folder(Path(spec.submodule_search_locations[0]), without=_PARTS)
    for part in _PARTS:
        found = importlib.util.find_spec(f"twinlens.{part}")
        places = found.submodule_search_locations if found is not None else None
        if places:
            yield from ((f"{part}/{name}", content) for name, content in _folder(Path(places[0])))


def _folder(folder: Path, without: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in name.parts)
        if path.is_file() and not hidden and name.parts[0] not in without:
            yield name.as_posix(), path.read_bytes()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same files, with what is run marked as such."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _MADE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (0o100755 if name in _RUNNABLE else 0o100644) << 16
            archive.writestr(info, data)
    return content.getvalue()
