"""What Gradescope, JUnit readers, spreadsheets and browsers get; whatever a student wrote stays text."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest

from twinlens.errors import DataError
from twinlens.grading.exporters.feedback_html import feedback_page
from twinlens.grading.exporters.gradebook import gradebook_csv, neutral
from twinlens.grading.exporters.gradescope import LARGEST, results_json
from twinlens.grading.exporters.junit import junit_xml
from twinlens.grading.exporters.summary_html import common_mistakes, summary_page, task_summaries
from twinlens.grading.result import STATUSES, Result

from .results import HOSTILE, hostile, result, task, wrong

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Elements(HTMLParser):
    """Collects tags, attributes and texts, and checks that tags are closed in order."""

    VOID = ("meta", "img", "circle", "br", "link")

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in ("td", "th", "dt", "dd", "li") else ""
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def check_page(page: str) -> Elements:
    """An accessible page of its own that runs nothing, loads nothing, and holds no control characters."""
    found = Elements(page)
    assert not CONTROLS.search(page)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(found.tags)
    names = {name for _, name, _ in found.attributes}
    assert not any(name.startswith("on") for name in names)
    for tag, name, value in found.attributes:
        if name in ("src", "href", "srcset", "action", "data"):
            assert value is not None
            assert value.startswith(("data:image/png;base64,", "#")), (tag, name)
    assert "default-src 'none'" in page
    assert ("html", "lang", "en") in found.attributes
    assert "<title>" in page
    assert {"main", "h1", "h2"} <= set(found.tags)
    images = found.tags.count("img")
    assert len([value for tag, name, value in found.attributes if (tag, name) == ("img", "alt") and value]) == images
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    labels = [value for _, name, value in found.attributes if name == "aria-labelledby"]
    assert set(labels) <= set(ids)
    return found


class TestGradescope:
    TOP = frozenset({
        "score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
        "stdout_visibility", "extra_data", "tests", "leaderboard",
    })  # fmt: skip
    TEST = frozenset({
        "score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags",
        "visibility", "extra_data",
    })  # fmt: skip

    def check(self, of: Result) -> dict[str, Any]:
        text = results_json(of)
        assert len(text.encode("utf-8", errors="strict")) <= LARGEST
        found: dict[str, Any] = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
        assert set(found) <= self.TOP
        assert found["score"] == pytest.approx(sum(test["score"] for test in found["tests"]))
        assert isinstance(found["execution_time"], float)
        assert {found[key] for key in ("output_format", "test_output_format", "test_name_format")} == {"text"}
        assert (found["visibility"], found["stdout_visibility"]) == ("visible", "hidden")
        assert isinstance(found["output"], str)
        assert isinstance(found["extra_data"], dict)
        for test in found["tests"]:
            assert set(test) == self.TEST
            assert 0 <= test["score"] <= test["max_score"]
            assert test["status"] in ("passed", "failed")
            assert (test["name_format"], test["output_format"]) == ("text", "text")
            assert test["visibility"] in ("visible", "hidden", "after_due_date", "after_published")
            assert all(isinstance(test[key], str) for key in ("name", "number", "output"))
            assert all(isinstance(tag, str) for tag in test["tags"])
            assert not CONTROLS.search(test["output"] + test["name"])
        return found

    def test_field_by_field(self) -> None:
        found = self.check(result())
        assert (found["score"], found["execution_time"]) == (20, 4.5)
        assert found["output"] == "Saliency maps: 20 of 40 points."
        assert found["extra_data"]["isolation"] == "B: namespaces"
        first, second = found["tests"]
        assert (first["status"], first["score"], first["max_score"], first["number"]) == ("passed", 20, 20, "1")
        assert first["name"] == "The saliency"
        assert first["output"] == "Correct.\n\nWhat your code printed:\ndone\n"
        assert second["status"] == "failed"
        assert second["tags"] == ["failed", "no_mean"]
        assert second["output"].startswith("Divide by the copies.")

    def test_partly_right_is_failed_with_its_points(self) -> None:
        (test,) = self.check(result(task(score=5, status="partial")))["tests"]
        assert (test["status"], test["score"]) == ("failed", 5)

    def test_visibility_is_handed_on(self) -> None:
        found = self.check(result(task(), task("later", visibility="after_published")))
        assert [test["visibility"] for test in found["tests"]] == ["visible", "after_published"]

    def test_neither_the_seed_nor_a_distance_is_told(self) -> None:
        text = results_json(result())
        assert "987654321" not in text
        assert "0.0123" not in text

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_text_stays_text(self, name: str) -> None:
        self.check(hostile(HOSTILE[name]))

    def test_many_long_logs_still_fit(self) -> None:
        tasks = [wrong(str(i), log_tail="\U0001f600" * 70_000, message="\U0001f600" * 400) for i in range(40)]
        found = self.check(result(*tasks))
        assert all("What your code printed" in test["output"] for test in found["tests"])
        self.check(result(*(wrong(str(i), message="\U0001f600" * 4000) for i in range(100))))


class TestJunit:
    def check(self, *results: Result) -> ET.Element:
        document = junit_xml(results)
        document.decode("utf-8", errors="strict")
        root = ET.fromstring(document)
        assert root.tag == "testsuites"
        for suite in root:
            cases = suite.findall("testcase")
            assert int(suite.attrib["tests"]) == len(cases)
            assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
            assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
            for case in cases:
                assert {"name", "classname", "time"} == set(case.attrib)
                assert {child.tag for child in case} <= {"failure", "error", "system-out"}
        for name in ("tests", "failures", "errors"):
            assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
        return root

    @pytest.mark.parametrize("status", STATUSES)
    def test_wrong_is_a_failure_and_broken_is_an_error(self, status: str) -> None:
        score = {"passed": 20, "partial": 5}.get(status, 0)
        case = self.check(result(task(score=score, status=status))).find("testsuite/testcase")
        assert case is not None
        kinds = {"passed": set(), "partial": {"failure"}, "failed": {"failure"}, "bad_output": {"failure"}}
        assert {child.tag for child in case} - {"system-out"} == kinds.get(status, {"error"})

    def test_field_by_field(self) -> None:
        root = self.check(result(), result(task(), name="bob"))
        assert root.attrib == {"tests": "3", "failures": "1", "errors": "0", "time": "6.750"}
        ada, bob = root
        assert [suite.attrib["name"] for suite in root] == ["ada", "bob"]
        assert {p.attrib["name"]: p.attrib["value"] for p in ada.iter("property")}["score"] == "20"
        failure = ada.find("testcase/failure")
        assert failure is not None
        assert failure.attrib == {"type": "no_mean", "message": "Divide by the copies."}
        assert failure.text == "0 of 20 points (failed).\nDivide by the copies."
        assert bob.find("testcase/failure") is None

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_text_stays_text(self, name: str) -> None:
        of = hostile(HOSTILE[name])
        root = self.check(of)
        assert {element.tag for element in root.iter()} <= {
            "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-out",
        }  # fmt: skip
        suite = root[0]
        assert suite.attrib["name"] == of.submission.id
        out = suite.findtext("testcase/system-out", default="")
        assert out == (of.tasks[0].log_tail if of.tasks[0].log_tail.strip() else "")


class TestGradebook:
    def rows(self, *results: Result) -> list[dict[str, str]]:
        text = gradebook_csv(results)
        text.encode("utf-8", errors="strict")
        return list(csv.DictReader(io.StringIO(text)))

    def test_field_by_field(self) -> None:
        (row,) = self.rows(result(flags=["copied", "twice"]))
        assert row == {
            "id": "ada", "framework": "torch", "status": "partial", "score": "20", "max_score": "40", "percent": "50",
            "saliency": "20", "saliency_status": "passed", "saliency_hint": "", "smooth_grad": "0",
            "smooth_grad_status": "failed", "smooth_grad_hint": "no_mean", "isolation": "B", "flags": "copied; twice",
            "sha256": "ab" * 32,
        }  # fmt: skip

    def test_the_order_of_grading_changes_nothing(self) -> None:
        results = [result(name=name) for name in ("bob", "Ada", "ada", "zoë", "=x")]
        assert gradebook_csv(results) == gradebook_csv(results[::-1])
        assert [row["id"] for row in self.rows(*results)] == ["'=x", "Ada", "ada", "bob", "zoë"]

    def test_a_task_that_a_submission_lacks_is_empty(self) -> None:
        rows = self.rows(result(task("a")), result(task("a"), task("b"), name="bob"))
        assert [row["b"] for row in rows] == ["", "20"]

    @pytest.mark.parametrize(
        ("text", "cell"),
        [
            ("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"),
            (" =1", "' =1"), ("\n=1", "'\n=1"), ("＝1", "'＝1"), ("a=1", "a=1"), ("", ""), ("Ada", "Ada"),  # noqa: RUF001
        ],
    )  # fmt: skip
    def test_formulas_are_neutralised(self, text: str, cell: str) -> None:
        assert neutral(text) == cell

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_text_stays_one_harmless_cell(self, name: str) -> None:
        text = gradebook_csv([hostile(HOSTILE[name]), result()])
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) == len(text.splitlines()) == 3
        assert len({len(row) for row in rows}) == 1
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert not CONTROLS.search(cell)

    def test_no_results_are_a_head_without_rows(self) -> None:
        assert gradebook_csv([]).startswith("id,framework,status,score")


class TestFeedbackPage:
    def test_it_says_what_was_right_what_was_not_and_the_hint(self) -> None:
        page = check_page(feedback_page(result()))
        text = " ".join(page.text.split())
        for said in (
            "Feedback for ada", "20 of 40", "The saliency 20 of 20 points", "correct", "Correct.",
            "The smooth_grad 0 of 20 points", "not right", "Divide by the copies.", "What your code printed", "1 of 2",
        ):  # fmt: skip
            assert said in text

    def test_neither_the_seed_nor_a_distance_nor_a_flag_is_shown(self) -> None:
        page = feedback_page(result(flags=["looks like bob's"]))
        assert not any(hidden in page for hidden in ("987654321", "0.0123", "maps.error", "bob", "no_mean"))

    def test_tasks_that_are_not_visible_are_left_out_with_their_points(self) -> None:
        page = feedback_page(result(task(), wrong("secret", visibility="hidden", message="Hidden words.")))
        text = " ".join(check_page(page).text.split())
        assert "secret" not in page
        assert "Hidden words" not in page
        assert "20 of 20" in text
        assert "20 of 40" not in text
        assert "Further tasks are shown later." in text

    @pytest.mark.parametrize("status", STATUSES)
    def test_every_status_has_words(self, status: str) -> None:
        score = {"passed": 20, "partial": 5}.get(status, 0)
        page = check_page(feedback_page(result(task(score=score, status=status))))
        words = {"passed": "correct", "memory": "used too much memory", "timeout": "ran too long"}.get(status, "")
        assert words in page.text
        assert "_" not in page.text

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_text_stays_text(self, name: str) -> None:
        of = hostile(HOSTILE[name])
        page = check_page(feedback_page(of))
        assert of.tasks[0].message in page.text
        assert "49" not in page.text


class TestSummaryPage:
    CLASS = (
        result(task("a"), wrong("b", hint_id="no_abs", message="Take |gradient|."), name="ada"),
        result(task("a"), wrong("b", hint_id="no_abs", message="Again."), name="bob"),
        result(wrong("a", hint_id="no_abs"), wrong("b", status="timeout"), name="cy", flags=["like bob"]),
        result(task("a"), task("b", score=10, status="partial", hint_id="batch"), name="dee"),
    )

    def test_averages_and_statuses(self) -> None:
        a, b = task_summaries(self.CLASS)
        assert (a.average, a.percent, a.statuses) == (15, 75, {"passed": 3, "failed": 1})
        assert (b.average, b.percent, b.statuses) == (2.5, 12.5, {"failed": 2, "timeout": 1, "partial": 1})

    def test_the_commonest_mistakes_come_first_and_each_task_has_its_own(self) -> None:
        found = [(mistake.task, mistake.id, mistake.count) for mistake in common_mistakes(self.CLASS)]
        assert found == [("The b", "no_abs", 2), ("The a", "no_abs", 1), ("The b", "batch", 1)]
        assert common_mistakes(self.CLASS)[0].message == "Take |gradient|."

    def test_the_page(self) -> None:
        found = check_page(summary_page(self.CLASS))
        text = " ".join(found.text.split())
        for said in (
            "4 submissions", "Average 43.8 %", "Median 50.0 %", "no_abs 2 Take |gradient|.", "The a 15 20 75",
            "Isolation tier B (namespaces): 4 submissions", "Barrier that was missing: cgroup limits", "cy: like bob",
            "70–80 % 1", "50–60 % 2", "0–10 % 1", "dee partly right 30 75", "Framework torch: 4 submissions",
        ):  # fmt: skip
            assert said in text, said
        assert "img" in found.tags
        assert "987654321" not in text

    def test_the_same_results_give_the_same_page(self) -> None:
        assert summary_page(self.CLASS) == summary_page(self.CLASS)

    def test_one_submission_is_a_class(self) -> None:
        text = " ".join(check_page(summary_page([result(task())])).text.split())
        assert "90–100 % 1" in text
        assert "No submission made a mistake that the assignment knows." in text

    def test_nothing_graded_is_refused(self) -> None:
        with pytest.raises(DataError, match="nothing graded"):
            summary_page([])

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_text_stays_text(self, name: str) -> None:
        of = hostile(HOSTILE[name])
        page = check_page(summary_page([of, result()]))
        assert of.submission.id in page.text
        assert of.flags[0] in page.text
