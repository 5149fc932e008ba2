"""JUnit XML, which continuous-integration services read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from ..result import BROKEN, Result, TaskResult


def junit_xml(results: Sequence[Result]) -> bytes:
    """One suite per submission and one case per task.

    A wrong answer is a failure, partly wrong ones included; code that stopped, was stopped or gave nothing is an
    error.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    bytes
        A document in UTF-8.
    """
    suites = [_suite(result) for result in results]
    root = ET.Element("testsuites", _totals(suites))
    root.extend(suites)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(result: Result) -> ET.Element:
    failures = sum(_kind(task) == "failure" for task in result.tasks)
    broken = sum(_kind(task) == "error" for task in result.tasks)
    suite = ET.Element(
        "testsuite",
        name=result.submission.id,
        tests=str(len(result.tasks)),
        failures=str(failures),
        errors=str(broken),
        skipped="0",
        time=f"{sum(task.wall_s for task in result.tasks):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("assignment", result.assignment),
        ("framework", result.submission.framework or ""),
        ("score", f"{result.score:g}"),
        ("max_score", f"{result.max_score:g}"),
        ("isolation", result.isolation.tier),
    ):
        ET.SubElement(properties, "property", name=name, value=value)
    for task in result.tasks:
        suite.append(_case(result, task))
    return suite


def _case(result: Result, task: TaskResult) -> ET.Element:
    case = ET.Element("testcase", classname=f"{result.assignment}.{task.id}", name=task.name, time=f"{task.wall_s:.3f}")
    kind = _kind(task)
    if kind:
        found = ET.SubElement(case, kind, type=task.hint_id or task.status, message=" ".join(task.message.split()))
        found.text = f"{task.score:g} of {task.max_score:g} points ({task.status}).\n{task.message}"
    if task.log_tail.strip():
        ET.SubElement(case, "system-out").text = task.log_tail
    return case


def _kind(task: TaskResult) -> str:
    if task.status == "passed":
        return ""
    return "error" if task.status in BROKEN else "failure"


def _totals(suites: Sequence[ET.Element]) -> dict[str, str]:
    counts = {name: str(sum(int(suite.attrib[name]) for suite in suites)) for name in ("tests", "failures", "errors")}
    return {**counts, "time": f"{sum(float(suite.attrib['time']) for suite in suites):.3f}"}
