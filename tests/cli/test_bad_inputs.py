"""Whatever is wrong, the command line says it in one line, with the cause and a cure, and leaves nothing behind."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from twinlens.cli import app

from ..frameworks import need
from . import bad_methods, bad_networks, bad_pictures, bad_settings, bad_weights
from .case import Case

CASES = [case for table in (bad_settings, bad_methods, bad_networks, bad_weights, bad_pictures) for case in table.CASES]


def _everything_in(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def _write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content() if callable(content) else content)


def _prepare(case: Case, folder: Path) -> list[str]:
    for name, content in case.files.items():
        _write(folder, name, content)
    if case.config is not None and not (folder / "config.yaml").exists():
        text = case.config if isinstance(case.config, bytes) else yaml.safe_dump(dict(case.config)).encode()
        _write(folder, "config.yaml", text)
    config, args = "config.yaml", list(case.args)
    if args and args[0].startswith("CONFIG:"):
        config = args.pop(0).removeprefix("CONFIG:")
    return ["run", config, *([] if "--out" in args else ["--out", "runs/out"]), *args]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for framework in case.needs:
        need(framework)
    monkeypatch.chdir(tmp_path)
    arguments = _prepare(case, tmp_path)
    before = _everything_in(tmp_path)

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2, result.stderr or repr(result.exception)
    assert isinstance(result.exception, SystemExit)
    *progress, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert case.cause in line
    assert case.cure in line.split(case.cause, 1)[1]
    assert line.endswith((".", "?"))
    # Progress, which names the part, may come before; training, the long work, may not have begun.
    assert all(re.match(r"(main|tables): ", told) for told in progress)
    assert not any("training" in told for told in progress)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    after = {name: content for name, content in _everything_in(tmp_path).items() if "__pycache__" not in name}
    assert after == before


def test_there_are_many_of_them() -> None:
    assert len(CASES) >= 50
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_place_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = _prepare(Case("read-only", "", "", args=("--out", "locked/run")), tmp_path)
    (tmp_path / "locked").mkdir(mode=0o555)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert re.search(r"locked/run' cannot be written .*Choose another --out\.\n$", result.stderr)
