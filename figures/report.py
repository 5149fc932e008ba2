"""The report: pictures, tables and texts in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import DataError, InputError
from ..files import write_whole

_LARGE = 100_000

_MIME = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


@dataclass
class FigureItem:
    """A picture file (.png, .jpg, .gif, .webp or .svg), which the report takes in whole."""

    path: str | os.PathLike[str]
    title: str = ""
    caption: str = ""


@dataclass
class TableItem:
    """A table. Numbers are written with four significant digits and stand at the right; strings stay as they are."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


@dataclass
class HtmlItem:
    """A foreign HTML page: its text, or a path to it.

    It is shown in a sandbox: its scripts run, but can neither reach the report nor the network.
    """

    title: str
    html: str | os.PathLike[str]
    height: int = 400
    caption: str = ""


@dataclass
class TextItem:
    """Paragraphs, divided by empty lines."""

    text: str


@dataclass
class DetailsItem:
    """Preformatted text behind a title that opens on a click, such as a configuration."""

    title: str
    text: str


Item: TypeAlias = FigureItem | TableItem | HtmlItem | TextItem | DetailsItem


@dataclass
class Row:
    """Items side by side where the window is wide enough, such as one per framework."""

    items: Sequence[Item]


@dataclass
class Section:
    """A chapter. `anchor` is its address within the page, by default made of the title."""

    title: str
    text: str = ""
    rows: Sequence[Row] = field(default_factory=list)
    anchor: str = ""


def write_report(
    path: str | os.PathLike[str],
    title: str,
    sections: Sequence[Section],
    facts: Mapping[str, Any] | None = None,
    subtitle: str = "",
) -> Path:
    """Write the report.

    Parameters
    ----------
    path : path
        Of the HTML file; missing folders are made.
    title, subtitle : str
        At the head of the page.
    sections : sequence of Section
        The chapters, in order; the table of contents is made of them.
    facts : mapping of str to str or number
        A few things to know at first sight, shown as cards.

    Returns
    -------
    pathlib.Path
        The file. It holds all pictures, and asks nothing of the network: a content security policy forbids it.

    Raises
    ------
    DataError
        If a picture or page is missing or of an unknown kind, or the file cannot be written.
    InputError
        If a table's row has not as many cells as the table has columns.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=format_cell, picture=_data_uri, page=_page, paragraphs=_paragraphs, table=_checked, numeric=_is_number
    )
    environment.tests["numeric_column"] = _is_numeric_column
    html = environment.get_template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        facts=dict(facts or {}),
        chapters=list(zip(_anchors(sections), sections, strict=True)),
        kind=lambda item: type(item).__name__,
    )
    return write_whole(path, html.encode("utf-8", errors="replace"))


def format_cell(value: Any) -> str:
    """Write one cell of a table.

    Parameters
    ----------
    value : object
        A number, a truth value, ``None`` or anything with a text.

    Returns
    -------
    str
        Whole numbers in full, others with four significant digits (seven just below 1, where agreement is told apart
        from identity), ``yes``/``no``, and a dash for ``None``.
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # of NumPy 2, of NumPy 1
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value)}".replace("-", "−")
    if isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            return {"inf": "∞", "-inf": "−∞"}.get(str(number), "NaN")
        digits = 7 if 0.99995 <= abs(number) < 1 else 4
        return f"{number:.{digits}g}".replace("-", "−")
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and type(value).__name__ != "bool"


def _is_numeric_column(table: TableItem, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(_is_number(cell) for cell in cells)


def _checked(table: TableItem) -> TableItem:
    for row in table.rows:
        if len(row) != len(table.columns):
            raise InputError(
                f"A row of table '{table.title}' has {len(row)} cells, the table has {len(table.columns)} columns.",
                "Give every row one cell per column.",
            )
    return table


def _data_uri(path: str | os.PathLike[str]) -> str:
    mime = _MIME.get(Path(path).suffix.lower())
    if mime is None:
        raise DataError(f"'{path}' is no picture that a report can hold.", f"Use one of: {', '.join(_MIME)}.")
    content = _content(path)
    if mime == "image/png" and len(content) > _LARGE:
        content, mime = _as_webp(content, path), "image/webp"
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _as_webp(png: bytes, path: str | os.PathLike[str]) -> bytes:
    """A tenth of the bytes at a quality that the eye cannot tell; the file itself keeps every pixel."""
    from PIL import Image, UnidentifiedImageError

    smaller = io.BytesIO()
    try:
        with Image.open(io.BytesIO(png)) as picture:
            picture.convert("RGB").save(smaller, "WEBP", quality=88)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"The picture '{path}' is damaged.", "Draw it again.") from error
    return smaller.getvalue()


def _page(html: str | os.PathLike[str]) -> str:
    return html if isinstance(html, str) else _content(html).decode("utf-8", errors="replace")


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}.", "Make the figure before the report.") from error


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _anchors(sections: Sequence[Section]) -> Iterator[str]:
    """One address per section, each of them once."""
    taken: set[str] = set()
    for section in sections:
        stem = re.sub(r"[^\w]+", "-", section.anchor or section.title, flags=re.UNICODE).strip("-").lower() or "section"
        anchor, number = stem, 1
        while anchor in taken:
            number += 1
            anchor = f"{stem}-{number}"
        taken.add(anchor)
        yield anchor
