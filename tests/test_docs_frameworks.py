"""docs/frameworks.md promises nothing that does not run: every snippet is executed and its output compared."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twinlens.cli import app

from .frameworks import need

PAGE = Path(__file__).parent.parent / "docs" / "frameworks.md"
_PART = re.compile(
    r"^(?P<level>#{1,3}) (?P<title>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass
class Section:
    """What stands below one heading: pieces of code or text, in order."""

    title: str
    blocks: list[tuple[str, str]]


def sections() -> list[Section]:
    found = [Section("", [])]
    for part in _PART.finditer(PAGE.read_text(encoding="utf-8")):
        if part["title"] is not None:
            found.append(Section(part["title"], []))
        else:
            found[-1].blocks.append((part["language"], part["code"]))
    return [section for section in found if section.blocks]


SETUP, *SNIPPETS = sections()


def console(text: str) -> tuple[str, str]:
    """What a session on the command line prints, and what it is said to print."""
    printed, said = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            words = shlex.split(line[2:])
            assert words[0] == "twinlens"
            printed += CliRunner().invoke(app, words[1:]).output
        else:
            said += line
    return printed, said


@pytest.mark.parametrize("section", SNIPPETS, ids=lambda section: section.title)
@pytest.mark.filterwarnings("ignore")
def test_every_snippet_prints_what_the_page_says(
    section: Section, both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "(Paddle 3)" in section.title and need("paddle").version.startswith("2."):
        pytest.skip("true of Paddle 3 only")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(SETUP.blocks[0][1], names)
    printed = ""
    for language, code in section.blocks:
        if language == "python":
            stream = io.StringIO()
            with redirect_stdout(stream):
                exec(compile(code, section.title, "exec"), names)
            printed += stream.getvalue()
        elif language == "text":
            assert printed == code
            printed = ""
        else:
            found, said = console(code)
            # Three dots stand for a number that rounding makes, which no two machines share.
            assert re.fullmatch(re.escape(said).replace(r"\.\.\.", "[0-9e.-]+"), found), found
    assert printed == "", "the page does not show this output"


def test_the_page_has_no_snippet_that_is_not_run() -> None:
    languages = {language for section in sections() for language, _ in section.blocks}
    assert languages <= {"python", "text", "console"}
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * sum(len(section.blocks) for section in sections())
    assert SETUP.blocks[0][0] == "python"
    assert len(SNIPPETS) >= 20
