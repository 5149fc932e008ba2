"""Pages of coloured words: complete, safe and readable without colours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from twinlens.errors import InputError
from twinlens.figures.canvas import INK, NEGATIVE, POSITIVE
from twinlens.figures.text_html import TextPanel, page_height, text_page

HOSTILE = (
    "</p></section><script>alert(1)</script> <img src=x onerror=alert(1)> &amp; \"quoted\" 'single' {{ 7 * 7 }}\n\ttail"
)


class Page(HTMLParser):
    """Tags, the shown texts, and the marks with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.marks: list[tuple[str, dict[str, str | None]]] = []
        self._inside: list[str] = []
        self._attributes: dict[str, str | None] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._attributes = dict(attrs)
        if tag == "p" and self._attributes.get("class") == "text":
            self._inside.append("text")
            self.texts.append("")
        elif self._inside and tag == "mark":
            self._inside.append("mark")

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag in ("p", "mark"):
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data
            if self._inside[-1] == "mark":
                self.marks.append((data, self._attributes))


def page(text: str, *weights: dict[str, float], **options: object) -> str:
    return text_page(text, [TextPanel(f"panel {i}", one) for i, one in enumerate(weights)], "a title", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [HOSTILE, "", "plain", "日本語 и русский 🙂 words", "a_b a-b don't"])
def test_the_text_is_shown_whole_and_as_it_is(text: str) -> None:
    found = Page(page(text, {"script": 1.0, "img": -1.0, "русский": 0.5}, {}))
    assert found.texts == [text, text]


def test_hostile_text_names_and_weights_start_no_tag() -> None:
    html = text_page(HOSTILE, [TextPanel(HOSTILE, {HOSTILE: 1.0, "script": 2.0})], HOSTILE, [(HOSTILE, 0.5)], HOSTILE)
    assert not {"script", "img"} & set(Page(html).tags)
    assert "49" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)


def test_the_page_asks_the_network_for_nothing_and_forbids_it() -> None:
    html = page("some text", {"some": 1.0})
    assert "default-src 'none'" in html
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import", html)


def test_every_occurrence_of_a_word_is_marked_and_parts_of_words_are_not() -> None:
    found = Page(page("art, Art and ART: part art.", {"art": 0.3, "Art": -0.1}))
    assert [word for word, _ in found.marks] == ["art", "Art", "art"]


def test_signs_are_told_by_class_by_words_and_by_numbers() -> None:
    found = Page(page("good bad none", {"good": 0.25, "bad": -0.125, "none": 0.0}))
    assert [(word, mark["class"], mark["title"]) for word, mark in found.marks] == [
        ("good", "for", "good +0.25"),
        ("bad", "against", "bad −0.125"),
    ]
    html = page("good bad", {"good": 0.25, "bad": -0.125})
    assert html.index("For:") < html.index("+0.25") < html.index("Against:") < html.index("−0.125")
    assert "underline solid" in html
    assert "underline dotted" in html


def test_the_heavier_the_word_the_stronger_its_colour() -> None:
    found = Page(page("one two three", {"one": 0.1, "two": -0.2, "three": 0.4}))
    strength = [float(re.findall(r"/ ([\d.]+)\)", str(mark["style"]))[0]) for _, mark in found.marks]
    assert strength == sorted(strength)
    assert len(set(strength)) == 3


@pytest.mark.parametrize("colour", [POSITIVE, NEGATIVE])
def test_words_stay_readable_on_the_strongest_colour(colour: str) -> None:
    sign = 1.0 if colour == POSITIVE else -1.0
    style = str(Page(page("word", {"word": sign})).marks[0][1]["style"])
    red, green, blue, alpha = (float(number) for number in re.findall(r"[\d.]+", style))
    assert [red, green, blue] == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]

    def luminance(channels: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    ground = luminance([(alpha * c + (1 - alpha) * 255) / 255 for c in (red, green, blue)])
    ink = luminance([int(INK[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    assert (ground + 0.05) / (ink + 0.05) > 4.5


def test_probabilities_are_a_table_with_names() -> None:
    html = page("text", {}, probabilities=[("cats", 0.75), ("dogs", 0.25)], probabilities_title="it says")
    assert "it says" in html
    assert '<th scope="row">cats</th><td>0.750</td>' in html
    assert "<table>" not in page("text", {})


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(weight: float) -> None:
    with pytest.raises(InputError, match="panel 0"):
        page("text", {"text": weight})


def test_a_longer_text_gets_more_room_up_to_a_limit() -> None:
    short, long, huge = (page_height("word " * count, 2) for count in (5, 100, 100_000))
    assert short < long < huge == 900
