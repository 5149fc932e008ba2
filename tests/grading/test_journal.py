"""The journal of a run: what is in it is not lost, and it belongs to one assignment, one seed and one grader."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from twinlens.errors import ConfigError, DataError
from twinlens.grading.assignment import load_assignment
from twinlens.grading.journal import Journal, assignment_sha256, derived_seed
from twinlens.grading.result import Result

from .handed_in import TABLES, tables
from .results import result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "journal.jsonl"


def filled(path: Path, *results: Result, seed: int = 5) -> bytes:
    with Journal(path, tables(), seed) as journal:
        for each in results:
            journal.add(each)
    return path.read_bytes()


ADA, BOB = result(name="ada"), result(name="bob")


class TestGoingOn:
    def test_results_come_back_for_the_same_files_only(self, path: Path) -> None:
        filled(path, ADA)
        with Journal(path, tables()) as journal:
            assert journal.get("ada", ADA.submission.sha256) == ADA
            assert journal.get("ada", "0" * 64) is None
            assert journal.get("bob", BOB.submission.sha256) is None

    def test_the_seed_comes_back(self, path: Path) -> None:
        with Journal(path, tables()) as first:
            seed, own = first.seed, first.seed_of("ada")
        with Journal(path, tables()) as second:
            assert (second.seed, second.seed_of("ada")) == (seed, own)

    def test_cut_off_anywhere_it_goes_on_with_what_is_whole(self, path: Path) -> None:
        whole = filled(path, ADA, BOB)
        ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
        for size in [0, 1, *range(2, len(whole), 97), *(end + shift for end in ends for shift in (-1, 0))]:
            path.write_bytes(whole[:size])
            with Journal(path, tables()) as journal:
                found = [journal.get(each.submission.id, each.submission.sha256) is not None for each in (ADA, BOB)]
                journal.add(result(name="eve"))
            assert found == [size >= ends[1], size >= ends[2]]
            with Journal(path, tables()) as journal:
                assert journal.get("eve", ADA.submission.sha256) is not None

    def test_a_damaged_line_costs_that_result_alone(self, path: Path) -> None:
        lines = filled(path, ADA, BOB).splitlines(keepends=True)
        path.write_bytes(lines[0] + lines[1].replace(b'"score"', b'"sc0re"') + lines[2])
        with Journal(path, tables()) as journal:
            assert journal.get("ada", ADA.submission.sha256) is None
            assert journal.get("bob", BOB.submission.sha256) == BOB

    def test_grading_again_forgets_results_and_seed(self, path: Path) -> None:
        filled(path, ADA)
        with Journal(path, tables(), regrade=True) as journal:
            assert journal.get("ada", ADA.submission.sha256) is None
            assert journal.seed != 5


class TestRefusals:
    def test_another_state_of_the_assignment_is_refused(self, path: Path, tmp_path: Path) -> None:
        before = filled(path, ADA)
        shutil.copytree(TABLES, tmp_path / "tables")
        with (tmp_path / "tables" / "answers.py").open("a") as file:
            file.write("\n")
        with pytest.raises(ConfigError, match="--regrade"):
            Journal(path, load_assignment(tmp_path / "tables"))
        assert path.read_bytes() == before

    def test_another_seed_is_refused(self, path: Path) -> None:
        filled(path, ADA)
        with pytest.raises(ConfigError, match="another seed"):
            Journal(path, tables(), seed=6)

    @pytest.mark.parametrize("content", [b"my notes\n", b"{}\n", b'{"schema": "journal/2"}\n', b"\xff\n", b"[1]\n"])
    def test_a_file_that_is_no_journal_is_left_alone(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        with pytest.raises(DataError, match="no journal"):
            Journal(path, tables())
        assert path.read_bytes() == content

    def test_two_graders_do_not_write_one(self, path: Path) -> None:
        with Journal(path, tables()), pytest.raises(ConfigError, match="Another grader"):
            Journal(path, tables())
        Journal(path, tables()).close()

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(DataError, match="cannot be written"):
            Journal(tmp_path / "file" / "journal.jsonl", tables())


class TestSecrecy:
    def test_others_may_not_read_it(self, path: Path) -> None:
        filled(path)
        assert os.stat(path).st_mode & 0o077 == 0

    def test_the_seed_is_drawn_and_every_submission_has_its_own(self, tmp_path: Path) -> None:
        seeds = set()
        for number in range(3):
            with Journal(tmp_path / str(number), tables()) as journal:
                seeds |= {journal.seed, journal.seed_of("ada"), journal.seed_of("bob")}
        assert len(seeds) == 9

    def test_derived_seeds_are_the_same_everywhere(self) -> None:
        assert derived_seed(1, "ada") == derived_seed(1, "ada") != derived_seed(2, "ada")
        assert 0 <= derived_seed(2**127, "李雷") < 2**48


def test_the_fingerprint_follows_contents_and_names_and_no_leftovers_of_python(tmp_path: Path) -> None:
    shutil.copytree(TABLES, tmp_path / "t", ignore=shutil.ignore_patterns("__pycache__"))
    loaded = load_assignment(tmp_path / "t")
    first = assignment_sha256(loaded)
    (tmp_path / "t" / "__pycache__").mkdir()
    (tmp_path / "t" / "__pycache__" / "a.pyc").write_text("x")
    assert assignment_sha256(loaded) == first
    (tmp_path / "t" / "more.csv").write_text("x")
    assert assignment_sha256(loaded) != first
