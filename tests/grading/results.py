"""Results to export, harmless and hostile."""

from __future__ import annotations

from typing import Any

from twinlens.grading.result import IsolationRecord, Result, SubmissionRecord, TaskResult

HOSTILE = {
    "html": "<script>alert(1)</script><img src=x onerror=\"alert(1)\"> & 'quoted' </pre></details></body>",
    "attribute": '" onmouseover="alert(1)" x="',
    "template": "{{ 7 * 7 }}{% for x in y %}{{ ''.__class__ }}",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b1A \x1bc",
    "controls": "\x00\x01\x08\x0b\x0c\x1f\x7f\x85 bell\x07",
    "formula": "=cmd|'/c calc'!A0,\"x\"",
    "plus": "+1+cmd",
    "at": "@SUM(A1)",
    "minus": "-2+3",
    "full width": "＝1+1",  # noqa: RUF001
    "tab": "\t=1+1",
    "lines": "one\r\ntwo\rthree\n\nfour\u2028five;six,seven",
    "surrogate": "half \ud800 a \udfff pair",
    "non-characters": "\ufffe \uffff \ufdd0 \U0010ffff",
    "reversed": "abc\u202edcba\u2066\u200f",
    "cdata": "]]> <![CDATA[ --> <!-- <?xml",
    "long": "<b>\U0001f600" * 250_000,
}


def task(name: str = "saliency", **changes: Any) -> TaskResult:
    values: dict[str, Any] = {
        "id": name, "title": f"The {name}", "score": 20, "max_score": 20, "status": "passed", "message": "Correct.",
        "metrics": {"maps.error": 0.0123456}, "cpu_s": 1.5, "wall_s": 2.25, "peak_mb": 310.5, "log_tail": "done\n",
    }  # fmt: skip
    return TaskResult(**{**values, **changes})


def wrong(name: str = "saliency", **changes: Any) -> TaskResult:
    return task(name, **{"score": 0, "status": "failed", "message": "Not right.", **changes})


def result(*tasks: TaskResult, name: str = "ada", **changes: Any) -> Result:
    values: dict[str, Any] = {
        "assignment": "saliency",
        "title": "Saliency maps",
        "submission": SubmissionRecord(id=name, sha256="ab" * 32, framework="torch", versions={"torch": "2.13"}),
        "isolation": IsolationRecord(tier="B", name="namespaces", holds=["no network"], lacks=["cgroup limits"]),
        "seed": 987654321,
        "tasks": tasks or (task(), wrong("smooth_grad", hint_id="no_mean", message="Divide by the copies.")),
        "flags": [],
    }
    return Result(**{**values, **changes})


def hostile(text: str) -> Result:
    """A result with the text in every place that a student or an instructor can write to."""
    tasks = (
        wrong("a", title=text, message=text, log_tail=text, hint_id=text),
        wrong("b", status="crashed", message=text, log_tail=text),
        task("c", log_tail=text),
    )
    return result(
        *tasks,
        assignment=text,
        title=text,
        submission=SubmissionRecord(id=text, framework="paddle", versions={"x": text}),
        isolation=IsolationRecord(tier="C", name=text, holds=[text], lacks=[text]),
        flags=[text],
    )
