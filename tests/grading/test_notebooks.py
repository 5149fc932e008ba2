"""Which cells of a notebook are graded, and what becomes of lines that are no Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.submission import read_submission

from .files import CODE, notebook
from .handed_in import write


class TestNotebooks:
    @pytest.mark.parametrize(
        "cell",
        [
            {"metadata": {"tags": ["grade"]}, "source": CODE},
            {"metadata": {"tags": [3, "solution"]}, "source": CODE.splitlines(keepends=True)},
            {"metadata": {}, "source": f"# twinlens: grade\n{CODE}"},
            {"metadata": {"nbgrader": {"solution": True}}, "source": CODE},
        ],
    )
    def test_cells_are_tagged_in_any_of_the_usual_ways(self, tmp_path: Path, cell: dict[str, object]) -> None:
        content = {"cells": [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", **cell}], "nbformat": 4}
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": json.dumps(content)}))
        assert CODE.encode() in found.files["submission.py"]

    def test_magics_and_shell_lines_are_left_out_with_a_flag_and_lines_keep_their_numbers(self, tmp_path: Path) -> None:
        lines = [
            "%pylab inline",
            'FRAMEWORK = "torch"',
            "if FRAMEWORK:",
            "    !rm -rf /",
            "files = !ls",
            "x = (7",
            " % 3)",
            "x?",
        ]
        source = "\n".join(lines)
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((source, ("grade",)))}))
        text = found.files["submission.py"].decode()
        compile(text, "submission.py", "exec")
        assert len(found.flags) == 4
        kept = text.splitlines()[1:]
        assert [number for number, line in enumerate(lines) if kept[number] == line] == [1, 2, 5, 6]

    def test_what_is_no_python_and_no_magic_either_stays_for_the_student_to_see(self, tmp_path: Path) -> None:
        source = 'FRAMEWORK = "torch"\n!ls\ndef f(:\n'
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((source, ("grade",)))}))
        assert source.encode() in found.files["submission.py"]
        assert found.flags == ()

    def test_cells_for_another_language_are_left_out(self, tmp_path: Path) -> None:
        cells = notebook((CODE, ("grade",)), ("%%bash\nrm -rf /", ("grade",)), ("%%time\ny = 1", ("grade",)))
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": cells}))
        text = found.files["submission.py"].decode()
        assert "rm -rf" not in text
        assert "y = 1" in text
        assert len(found.flags) == 2

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [3, {"cell_type": "code"}]}', "[" * 200_000, "\0"],
    )
    def test_what_is_no_notebook_is_refused(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(SubmissionError, match="otebook"):
            read_submission(write(tmp_path / "lee", {"submission.ipynb": content}))

    def test_without_tags_the_sentence_says_how_to_tag(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="Tag the cells"):
            read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((CODE, ()))}))
