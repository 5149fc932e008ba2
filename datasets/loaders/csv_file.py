"""A CSV file with a header, read into columns of text; what is wrong with it is told with its line."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class CsvColumns:
    """The cells of a file.

    Attributes
    ----------
    columns : mapping of str to list of str
        Cells without surrounding spaces, by column name.
    lines : list of int
        The line of the file that each row ends on.
    decimal_comma : bool
        Whether numbers may be written as ``1,5``, which is so where semicolons part the cells.
    """

    columns: Mapping[str, list[str]]
    lines: list[int]
    decimal_comma: bool


def read_csv(path: str | os.PathLike[str]) -> CsvColumns:
    """Read a CSV file.

    Parameters
    ----------
    path : path
        UTF-8, or UTF-16 with its mark; cells parted by commas, semicolons or tabs, whichever the header has most of. A
        first column without a name holds row numbers, as pandas writes them, and is left out.

    Returns
    -------
    CsvColumns
        As many cells in each column.

    Raises
    ------
    DataError
        The file is missing, not text, empty, without a header, or its rows differ in length; two columns share a name.
    """
    path = Path(path)
    text = _text(path)
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if cells:
                rows.append([cell.strip() for cell in cells])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"'{path}' is not valid CSV near line {reader.line_num} ({error}).", "Check its quotation marks."
        ) from error
    if not rows:
        raise DataError(f"'{path}' is empty.", "Give a file with a header and a row for each sample.")
    names = rows.pop(0)
    lines.pop(0)
    for cells, line in zip(rows, lines, strict=True):
        if len(cells) != len(names):
            raise DataError(
                f"Line {line} of '{path}' has {len(cells)} cells, its header has {len(names)}.",
                "Give every row one cell per column; put cells that hold the separator in quotation marks.",
            )
    skipped = 1 if names[0] == "" and len(names) > 1 else 0
    _check_names(names[skipped:], path)
    columns = {name: [cells[place] for cells in rows] for place, name in enumerate(names) if place >= skipped}
    return CsvColumns(columns, lines, decimal_comma=delimiter == ";")


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise DataError(f"'{path}' cannot be read (it is no regular file).", "Name a CSV file.")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no file '{path}'.", "Check the path.") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read ({error.strerror}).", "Name a CSV file.") from error
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is not a text in UTF-8 (byte {error.start} is {content[error.start]:#04x}).",
            "Save it again as CSV in UTF-8.",
        ) from error


def _check_names(names: list[str], path: Path) -> None:
    for place, name in enumerate(names, 1):
        if not name:
            raise DataError(f"Column {place} of '{path}' has no name.", "Name every column in the first line.")
        if names.count(name) > 1:
            raise DataError(f"'{path}' has two columns named '{name}'.", "Give each column a name of its own.")
    if all(_is_number(name) for name in names):
        raise DataError(
            f"'{path}' has no header: its first line holds only numbers.", "Put the columns' names in the first line."
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
