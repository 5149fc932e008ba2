"""Which framework a submission is written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.submission import read_submission

from .files import CODE
from .handed_in import write


class TestFramework:
    @pytest.mark.parametrize(
        ("line", "framework"),
        [
            ('FRAMEWORK = "paddle"', "paddle"),
            ("FRAMEWORK: str = 'PyTorch'", "torch"),
            ("import paddle.nn as nn", "paddle"),
            ('FRAMEWORK = "torch"\nimport paddle', "torch"),
            ('FRAMEWORK = "torch"\ndef f(:', "torch"),
            ('FRAMEWORK = "torch"\n' + "(" * 100_000, "torch"),
            ('FRAMEWORK = "torch"\nx = 1' + "+1" * 100_000, "torch"),
            ('FRAMEWORK = "paddle"\nx = "\0"', "paddle"),
        ],
        ids=["line", "annotated", "import", "both imported", "syntax error", "brackets", "deep", "nul"],
    )
    def test_it_is_read_from_the_code(self, tmp_path: Path, line: str, framework: str) -> None:
        assert read_submission(write(tmp_path / "lee", {"submission.py": line + "\n"})).framework == framework

    def test_it_is_read_from_the_manifest(self, tmp_path: Path) -> None:
        files = {"submission.py": "x = 1\n", "submission.toml": 'framework = "paddle"\nassignment = "tables"\n'}
        found = read_submission(write(tmp_path / "lee", files))
        assert (found.framework, found.assignment, found.flags) == ("paddle", "tables", ())

    @pytest.mark.parametrize(
        ("files", "named"),
        [
            ({"submission.py": "x = 1\n"}, "which framework"),
            ({"submission.py": "import torch, paddle\n"}, "which framework"),
            ({"submission.py": 'FRAMEWORK = "jax"\n'}, "jax"),
            ({"submission.py": 'FRAMEWORK = "to" + "rch"\n'}, "plain text"),
            ({"submission.py": 'FRAMEWORK = "torch"\nFRAMEWORK = "paddle"\n'}, "twice"),
            ({"submission.py": CODE, "submission.toml": 'framework = "paddle"\n'}, "names paddle"),
            ({"submission.py": CODE, "submission.toml": "framework = \n"}, "cannot be read"),
            ({"submission.py": CODE, "submission.toml": "a = " + "[" * 60_000}, "cannot be read"),
        ],
    )
    def test_what_is_unclear_is_refused(self, tmp_path: Path, files: dict[str, str], named: str) -> None:
        with pytest.raises(SubmissionError, match=named):
            read_submission(write(tmp_path / "lee", files))
