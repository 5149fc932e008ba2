"""The README names what is there: every method, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from twinlens.methods.registry import methods
from twinlens.tasks.config import STUDIES

README = Path(__file__).parent.parent / "README.md"


def test_the_table_of_methods_is_the_registrys() -> None:
    section = README.read_text(encoding="utf-8").split("## Methods\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "`" in line and "method=" not in line]
    assert sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row)) == sorted(methods())


def test_the_table_of_studies_names_all_of_them_and_each_has_its_file() -> None:
    section = README.read_text(encoding="utf-8").split("## Studies\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    names = [row.split("`")[1] for row in rows]
    assert sorted([*names, "tables"]) == sorted(STUDIES)
    assert all((README.parent / "configs" / f"{name}.yaml").is_file() for name in names)
