import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import DataError, InputError
from twinlens.figures import (
    DetailsItem,
    FigureItem,
    HtmlItem,
    Row,
    Section,
    TableItem,
    TextItem,
    bars,
    save,
    write_report,
)
from twinlens.figures.report import format_cell

HOSTILE = (
    """</title></script></iframe>'"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}&amp;"""
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The page as a list of elements, checked to be well nested."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.texts.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def picture(tmp_path):
    return save(bars(["a"], [1.0]), tmp_path / "figure.png", dpi=40)


@pytest.fixture
def sections(picture):
    return [
        Section(
            "Saliency",
            "First paragraph.\n\nSecond one.",
            [
                Row([FigureItem(picture, "torch", "by torch"), FigureItem(picture, "paddle")]),
                Row([TableItem("Numbers", ["method", "value"], [["a", 0.123456], ["b", None]], "caption")]),
            ],
        ),
        Section("Details", rows=[Row([DetailsItem("Config", "seed: 0"), TextItem("One.\n\nTwo.")])]),
        Section("Page", rows=[Row([HtmlItem("LIME", "<p class='x'>\"inner\" & page</p>", height=123)])]),
    ]


def read(path):
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


def test_the_report_holds_everything(tmp_path, sections, picture) -> None:
    path = write_report(tmp_path / "deep" / "report.html", "Homework", sections, {"seed": 0, "net": "cnn"}, "both")
    html, page = read(path)
    assert html.startswith("<!DOCTYPE html>")
    for text in ("Homework", "both", "First paragraph.", "Second one.", "by torch", "seed: 0", "cnn", "Two."):
        assert text in page.texts, text
    encoded = base64.b64encode(picture.read_bytes()).decode()
    sources = [image["src"] for image in page.all("img") if "src" in image]
    assert sources == [f"data:image/png;base64,{encoded}"] * 2
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_the_report_needs_no_network(tmp_path, sections) -> None:
    html, page = read(write_report(tmp_path / "report.html", "Homework", sections))
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[\w+/=]*", "", html))
    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    for tag, attributes in page.elements:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, name)


def test_hostile_texts_stay_texts(tmp_path, picture) -> None:
    hostile_file = tmp_path / "'\"><img src=x onerror=alert(3)>.png"
    hostile_file.write_bytes(picture.read_bytes())
    rows = [
        Row([FigureItem(hostile_file, HOSTILE, HOSTILE), TextItem(HOSTILE), DetailsItem(HOSTILE, HOSTILE)]),
        Row([TableItem(HOSTILE, [HOSTILE], [[HOSTILE], [hostile_file]], HOSTILE)]),
        Row([HtmlItem(HOSTILE, HOSTILE, caption=HOSTILE)]),
    ]
    sections = [Section(HOSTILE, HOSTILE, rows, anchor=HOSTILE), Section(HOSTILE)]
    _, page = read(write_report(tmp_path / "report.html", HOSTILE, sections, {HOSTILE: HOSTILE}, HOSTILE))
    assert len(page.all("script")) == 1, "our own"
    assert len(page.all("iframe")) == 1
    assert [set(image) for image in page.all("img")] == [{"src", "alt"}, {"alt"}], "the figure and the viewer"
    assert page.texts.count(HOSTILE) >= 15
    assert page.all("iframe")[0]["srcdoc"] == HOSTILE
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "49" not in page.texts


def test_foreign_pages_are_shut_in(tmp_path, sections) -> None:
    _, page = read(write_report(tmp_path / "report.html", "Homework", sections))
    (frame,) = page.all("iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] == "<p class='x'>\"inner\" & page</p>"
    assert frame["height"] == "123"


def test_foreign_pages_come_from_files_too(tmp_path) -> None:
    (tmp_path / "lime.html").write_text("<b>\u9762</b>", encoding="utf-8")
    rows = [Row([HtmlItem("LIME", tmp_path / "lime.html")])]
    _, page = read(write_report(tmp_path / "report.html", "x", [Section("y", rows=rows)]))
    assert page.all("iframe")[0]["srcdoc"] == "<b>\u9762</b>"


def test_contents_lead_to_the_sections(tmp_path) -> None:
    sections = [Section("One & two"), Section("One, two"), Section("LIME"), Section("\u9762\u6761"), Section("?")]
    sections.append(Section("x", anchor="own"))
    _, page = read(write_report(tmp_path / "report.html", "Homework", sections))
    anchors = [section["id"] for section in page.all("section")]
    assert anchors == ["one-two", "one-two-2", "lime", "\u9762\u6761", "section", "own"]
    assert [link["href"] for link in page.all("a")][: len(anchors)] == [f"#{anchor}" for anchor in anchors]


def test_every_figure_has_an_alternative_text(tmp_path, sections, picture) -> None:
    sections.append(Section("bare", rows=[Row([FigureItem(picture)])]))
    _, page = read(write_report(tmp_path / "report.html", "Homework", sections))
    texts = [image["alt"] for image in page.all("img") if "src" in image]
    assert texts == ["torch: by torch", "paddle", "figure"]


def test_numbers_stand_at_the_right(tmp_path) -> None:
    table = TableItem("t", ["name", "n", "flag", "mixed"], [["a", 1, True, 0.5], ["b", None, np.bool_(False), "x"]])
    _, page = read(write_report(tmp_path / "report.html", "x", [Section("y", rows=[Row([table])])]))
    assert [cell.get("class") for cell in page.all("th")] == [None, "number", None, None]
    first, second = page.all("td")[:4], page.all("td")[4:]
    assert [cell.get("class") for cell in first] == [None, "number", None, "number"]
    assert [cell.get("class") for cell in second] == [None, "number", None, None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (3, "3"),
        (-1234567, "−1234567"),
        (np.int64(7), "7"),
        (0.123456, "0.1235"),
        (np.float32(0.5), "0.5"),
        (-1.5e-12, "−1.5e−12"),
        (0.9999998, "0.9999998"),
        (1.0, "1"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (True, "yes"),
        (np.bool_(False), "no"),
        ("-1.0", "-1.0"),
    ],
)
def test_cells_are_written_for_people(value, text) -> None:
    assert format_cell(value) == text


def test_a_report_of_nothing_is_a_page(tmp_path) -> None:
    _, page = read(write_report(tmp_path / "report.html", "Empty", []))
    assert "Empty" in page.texts
    assert not page.all("nav")


def test_the_same_report_has_the_same_bytes(tmp_path, sections) -> None:
    first = write_report(tmp_path / "a.html", "Homework", sections).read_bytes()
    assert write_report(tmp_path / "b.html", "Homework", sections).read_bytes() == first


@pytest.mark.parametrize(
    ("item", "error", "text"),
    [
        (FigureItem("missing.png"), DataError, "missing.png"),
        (FigureItem("figure.bmp"), DataError, "figure.bmp"),
        (TableItem("t", ["a", "b"], [[1, 2], [3]]), InputError, "1 cells.*2 columns"),
    ],
)
def test_a_failed_report_leaves_the_old_one(tmp_path, item, error, text) -> None:
    path = write_report(tmp_path / "report.html", "Old", [])
    before = path.read_bytes()
    with pytest.raises(error, match=text):
        write_report(path, "New", [Section("x", rows=[Row([item])])])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_lone_surrogates_of_odd_file_names_do_not_stop_the_report(tmp_path) -> None:
    html, _ = read(write_report(tmp_path / "report.html", "caf\udce9", []))
    assert "caf?" in html


def test_large_pictures_are_taken_in_smaller_and_look_the_same(tmp_path: Path) -> None:
    from PIL import Image

    ramp = np.linspace(0, 255, 600)[None, :, None] * np.ones((400, 1, 3))
    noisy = np.clip(ramp + np.random.default_rng(0).normal(0, 4, ramp.shape), 0, 255).astype(np.uint8)
    path = tmp_path / "large.png"
    Image.fromarray(noisy).save(path)
    report = write_report(tmp_path / "report.html", "T", [Section("S", rows=[Row([FigureItem(path)])])]).read_text()
    encoded = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", report)[0]
    content = base64.b64decode(encoded)
    assert len(content) < path.stat().st_size / 4
    shown = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=float)
    assert np.abs(shown - noisy).mean() < 5
