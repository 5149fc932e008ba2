"""Submissions are found in a folder, and each has an id of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinlens.grading.submission_ids import find_submissions, submission_id, submission_ids

from .handed_in import write


class TestFinding:
    @pytest.mark.parametrize(
        ("name", "id"),
        [
            ("lee.zip", "lee"),
            ("lee", "lee"),
            ("leekim_12345_67890_submission.zip", "leekim_12345"),
            ("leekim_LATE_12345_67890_my_homework-1.ipynb", "leekim_12345"),
            ("Kim Lee_123456_assignsubmission_file_", "Kim Lee_123456"),
            ("submission_42", "submission_42"),
            ("李雷.py", "李雷"),
            ("\x1b[31mred.py", "red"),
            ("v1.2", "v1.2"),
        ],
    )
    def test_ids_follow_from_names_alone(self, name: str, id: str) -> None:
        assert submission_id(Path(name)) == id

    def test_two_of_one_name_are_told_apart_in_the_same_way_every_time(self) -> None:
        paths = [Path("/b/lee"), Path("/b/lee.zip"), Path("/b/LEE.py"), Path("/b/kim.py"), Path("/c/kim.py")]
        found = submission_ids(paths)
        assert found == submission_ids(paths[::-1])
        assert set(found) == {"lee", "lee.zip", "LEE.py", "b_kim.py", "c_kim.py"}

    def test_a_folder_of_submissions_gives_folders_zips_scripts_and_notebooks(self, tmp_path: Path) -> None:
        names = {"a/x": "", "b.zip": "", "c.py": "", "d.ipynb": "", "e.txt": "", ".f.py": "", "__MACOSX/g": ""}
        found = find_submissions(write(tmp_path, names))
        assert [path.name for path in found] == ["a", "b.zip", "c.py", "d.ipynb"]

    def test_a_folder_that_is_a_submission_is_one(self, tmp_path: Path) -> None:
        assert find_submissions(write(tmp_path, {"submission.py": "", "helper.py": ""})) == [tmp_path]
