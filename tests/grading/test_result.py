"""The result of a submission: numbers that agree by construction, text that cannot hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from twinlens.errors import DataError
from twinlens.grading.result import STATUSES, IsolationRecord, Result, SubmissionRecord
from twinlens.grading.text import clean, one_line

from .results import HOSTILE, hostile, result, task, wrong


class TestSchema:
    def test_the_json_has_every_field(self) -> None:
        found = json.loads(result().to_json())
        assert found["schema"] == "result/1"
        assert set(found) == {
            "schema", "assignment", "title", "submission", "isolation", "seed", "score", "max_score", "status", "tasks",
            "flags",
        }  # fmt: skip
        assert set(found["submission"]) == {"id", "sha256", "framework", "versions"}
        assert set(found["isolation"]) == {"tier", "name", "holds", "lacks"}
        assert set(found["tasks"][0]) == {
            "id", "title", "score", "max_score", "status", "visibility", "hint_id", "message", "metrics", "cpu_s",
            "wall_s", "peak_mb", "log_tail",
        }  # fmt: skip

    def test_statuses_are_the_eight_of_the_schema(self) -> None:
        assert set(STATUSES) == {
            "passed", "partial", "failed", "crashed", "timeout", "memory", "no_output", "bad_output",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "changes",
        [
            {"score": 21},
            {"score": -1},
            {"score": float("nan")},
            {"max_score": float("inf")},
            {"score": 19},
            {"status": "partial"},
            {"score": 0, "status": "partial"},
            {"status": "failed"},
            {"status": "timeout"},
            {"status": "superb"},
            {"visibility": "sometimes"},
            {"metrics": {"x": float("nan")}},
            {"wall_s": float("inf")},
            {"unknown": 1},
        ],
    )
    def test_a_task_that_contradicts_itself_cannot_be_made(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            task(**changes)

    @pytest.mark.parametrize("changes", [{"tasks": ()}, {"tasks": (task(), task())}, {"seed": "x"}])
    def test_neither_can_such_a_result(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            result(**changes)

    def test_records_are_checked(self) -> None:
        with pytest.raises(ValidationError):
            SubmissionRecord(id="x", sha256="no hash")
        with pytest.raises(ValidationError):
            IsolationRecord(tier="E", name="hope")  # type: ignore[arg-type]


class TestTotals:
    def test_they_follow_from_the_tasks(self) -> None:
        found = result(task("a", score=0.1, status="partial"), task("b", score=0.2, status="partial"))
        assert (found.score, found.max_score, found.status) == (0.3, 40, "partial")
        assert found.percent == pytest.approx(0.75)

    @pytest.mark.parametrize(
        ("statuses", "status"),
        [
            (["passed", "passed"], "passed"),
            (["failed", "failed"], "failed"),
            (["passed", "failed"], "partial"),
            (["timeout", "timeout"], "timeout"),
            (["timeout", "crashed"], "failed"),
            (["passed", "memory"], "partial"),
        ],
    )
    def test_the_status_does_too(self, statuses: list[str], status: str) -> None:
        tasks = [task(str(i)) if name == "passed" else wrong(str(i), status=name) for i, name in enumerate(statuses)]
        assert result(*tasks).status == status

    @pytest.mark.parametrize(("key", "value"), [("score", 40), ("max_score", 10), ("status", "passed"), ("score", "x")])
    def test_a_file_that_states_others_is_refused(self, tmp_path: Path, key: str, value: object) -> None:
        stored = json.loads(result().to_json())
        stored[key] = value
        path = tmp_path / "r.json"
        path.write_text(json.dumps(stored))
        with pytest.raises(DataError, match=f"no result/1 file.*{key}"):
            Result.load(path)


class TestFiles:
    def test_a_result_comes_back_as_it_went(self, tmp_path: Path) -> None:
        before = result(flags=["looks like bob's"])
        assert Result.load(before.save(tmp_path / "deep" / "r.json")) == before

    @pytest.mark.parametrize("name", HOSTILE)
    def test_so_does_a_hostile_one_and_it_is_valid_utf8(self, tmp_path: Path, name: str) -> None:
        before = hostile(HOSTILE[name])
        path = before.save(tmp_path / "r.json")
        json.loads(path.read_bytes().decode("utf-8", errors="strict"))
        assert Result.load(path) == before

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "null", "3", '{"schema": "result/2"}', '{"schema": "result/1"}', "\x00", '{"a": NaN}'],
    )
    def test_what_is_no_result_is_refused_in_one_line(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "r.json"
        path.write_text(content)
        with pytest.raises(DataError, match="no result/1 file") as caught:
            Result.load(path)
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            Result.load(tmp_path / "none.json")

    def test_another_version_of_the_schema_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        path.write_text(result().to_json().replace("result/1", "result/2"))
        with pytest.raises(DataError, match="schema"):
            Result.load(path)


class TestText:
    @pytest.mark.parametrize(
        ("text", "cleaned"),
        [
            ("plain", "plain"),
            ("a\tb\nc", "a\tb\nc"),
            ("a\r\nb\rc\x0bd\u2028e\x85f", "a\nb\nc\nd\ne\nf"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
            ("\x9b31mred\x1bcafter", "redafter"),
            ("\x1b", ""),
            ("nul\x00l", "null"),
            ("\ud800", "\ufffd"),
            ("\uffff\U0001fffe", "\ufffd\ufffd"),
            ("a\u202eb\ufeffc", "abc"),
            ("naïve Größe 汉字 👩\u200d🔬", "naïve Größe 汉字 👩\u200d🔬"),
        ],
    )
    def test_cleaning(self, text: str, cleaned: str) -> None:
        assert clean(text) == cleaned
        assert clean(cleaned) == cleaned

    def test_long_text_is_cut_at_the_end_asked_for_and_says_so(self) -> None:
        text = "a" * 500 + "z" * 500
        assert clean(text, 10) == "a" * 9 + "…"
        assert clean(text, 10, end=True) == "…" + "z" * 9
        assert clean(text, 1000) == text
        assert one_line("a  \n b", 4) == "a b"
        assert one_line("abcdef", 4) == "abc…"

    def test_any_text_comes_out_short_and_clean(self) -> None:
        for text in HOSTILE.values():
            for end in (False, True):
                found = clean(text, 100, end)
                assert len(found) <= 100
                assert clean(found, 100, end) == found
                assert found.encode("utf-8", errors="strict") is not None
