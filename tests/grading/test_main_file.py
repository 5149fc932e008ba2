"""Which file of a submission is its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.submission import read_submission

from .files import CODE, STARTER, notebook
from .handed_in import write


class TestMainFile:
    def test_one_script_of_another_name_is_taken_and_flagged(self, tmp_path: Path) -> None:
        found = read_submission(write(tmp_path / "lee", {"homework.py": CODE}))
        assert set(found.files) == {"submission.py"}
        assert "homework.py" in found.flags[0]

    @pytest.mark.parametrize(
        "files",
        [{}, {"notes.txt": "x"}, {"a.py": CODE, "b.py": CODE}, {"lee.tar.gz": "x"}, {"numpy.py": CODE}],
        ids=["empty", "no code", "two scripts", "tar", "a library's name"],
    )
    def test_without_a_main_file_it_is_refused_in_one_line(self, tmp_path: Path, files: dict[str, str]) -> None:
        (tmp_path / "lee").mkdir()
        with pytest.raises(SubmissionError, match=r"submission\.py") as caught:
            read_submission(write(tmp_path / "lee", files))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("script", "cells", "flags", "taken"),
        [
            (STARTER, CODE, 0, "return 1"),
            (CODE, STARTER, 0, "return 1"),
            (STARTER.replace("torch", "paddle"), CODE, 0, "return 1"),
            (CODE, CODE.replace("1", "2"), 1, "return 1"),
            (STARTER, STARTER, 0, "NotImplementedError"),
        ],
    )
    def test_of_script_and_notebook_the_one_that_was_worked_on_counts(
        self, tmp_path: Path, script: str, cells: str, flags: int, taken: str
    ) -> None:
        files = {"submission.py": script, "submission.ipynb": notebook((cells, ("grade",)))}
        found = read_submission(write(tmp_path / "lee", files), given={"submission.py": STARTER.encode()})
        assert taken in found.files["submission.py"].decode()
        assert len(found.flags) == flags
