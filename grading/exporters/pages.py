"""What the two kinds of HTML pages share: templates that escape everything, and a way to write an amount."""

from __future__ import annotations

from typing import Any

from ..result import TaskStatus

WORDS: dict[TaskStatus, str] = {
    "passed": "correct",
    "partial": "partly right",
    "failed": "not right",
    "crashed": "stopped with an error",
    "timeout": "ran too long",
    "memory": "used too much memory",
    "no_output": "gave no answer",
    "bad_output": "gave an answer of the wrong form",
}
"""The statuses for people."""


def render(template: str, **values: Any) -> str:
    """Fill in one of the package's templates.

    Parameters
    ----------
    template : str
        File name.
    **values
        Texts among them are escaped.

    Returns
    -------
    str
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        # The house style comes from the report.
        loader=ChoiceLoader(
            [PackageLoader("twinlens.grading", "templates"), PackageLoader("twinlens.figures", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["amount"] = amount
    return environment.get_template(template).render(words=WORDS, **values)


def amount(value: float, digits: int = 2) -> str:
    """A number of points without idle zeros.

    Parameters
    ----------
    value : float
    digits : int
    """
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
