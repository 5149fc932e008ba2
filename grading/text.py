"""Text that student code had a hand in, made fit to be stored and shown."""

from __future__ import annotations

import re
import unicodedata

# Colours and cursor movements of terminals: CSI, OSC up to its end, and the short ones.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?"
)
_KEPT = {"\n", "\t", "\u200c", "\u200d"}
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def clean(text: object, longest: int = 4000, end: bool = False) -> str:
    """Plain text without what steers terminals, reverses lines or breaks files.

    Escape sequences, control and formatting characters are dropped; halves of surrogate pairs and non-characters
    become the replacement character. What is special to a format (``<`` in HTML, ``=`` in a spreadsheet) is left
    to whoever writes that format.

    Parameters
    ----------
    text : object
    longest : int
        Longer text is cut and the cut marked.
    end : bool
        Keep the end of it and not the beginning.

    Returns
    -------
    str
        Of at most `longest` characters, which UTF-8 and XML can hold.
    """
    whole = str(text)
    part = whole[-4 * longest :] if end else whole[: 4 * longest]
    cut = len(part) < len(whole)
    part = _ANSI.sub("", _LINE_ENDS.sub("\n", part))
    plain = part.translate({ord(character): _character(character) for character in set(part)})
    if len(plain) <= longest and not cut:
        return plain
    return f"…{plain[max(len(plain) - longest + 1, 0) :]}" if end else f"{plain[: longest - 1]}…"


def one_line(text: object, longest: int = 300) -> str:
    """As `clean`, with every white space turned into one blank.

    Parameters
    ----------
    text : object
    longest : int
    """
    joined = " ".join(clean(text, 4 * longest).split())
    return joined if len(joined) <= longest else f"{joined[: longest - 1]}…"


def _character(character: str) -> str:
    if character in _KEPT or " " <= character <= "~":
        return character
    if unicodedata.category(character) == "Cs" or (ord(character) & 0xFFFE) == 0xFFFE:
        return "\ufffd"
    return "" if unicodedata.category(character) in ("Cc", "Cf") or 0xFDD0 <= ord(character) <= 0xFDEF else character
