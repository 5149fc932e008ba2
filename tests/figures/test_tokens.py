"""Tokens on a page to point at and as a heat map: every number is there, hostile tokens stay text."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

from twinlens.figures import HtmlItem, Row, Section, write_report
from twinlens.figures.token_heatmap import token_heatmap
from twinlens.figures.token_html import page_height, token_page
from twinlens.methods.perturbation.token_attributions import TokenAttributions

HOSTILE = ['</script><script>alert("x")</script>', "<img src=x onerror=alert(1)>", "$\\frac", "a & b", "'\"", "▁Das"]


def made(tokens: list[str], output: list[str], values: np.ndarray | None = None) -> TokenAttributions:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(tokens), len(output))) if values is None else values
    zeros = np.zeros(len(output))
    return TokenAttributions(
        tuple(tokens), tuple(output), values, values.sum(axis=0), zeros, 0 * values, zeros, "exact", None, 0, 4
    )


def numbers(page: str) -> list[dict[str, list[float]]]:
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    content: list[dict[str, list[float]]] = json.loads(found[1])
    return content


def test_the_page_holds_every_token_as_a_button_and_every_number() -> None:
    word, other = made(["f", "a", "t"], ["F", "AE1", "T"]), made(["o", "x"], ["AA1", "K", "S"])
    page = token_page({"fat": word, "ox": other}, "Sounds", ("letters", "sounds"))
    buttons = re.findall(r"<button[^>]*data-side=\"(\d)\"[^>]*>([^<]*)<small>", page)
    assert [text for side, text in buttons if side == "0"] == ["f", "a", "t", "o", "x"]
    assert [text for side, text in buttons if side == "1"] == ["F", "AE1", "T", "AA1", "K", "S"]
    for found, each in zip(numbers(page), (word, other), strict=True):
        np.testing.assert_allclose(found["values"], each.values, atol=5.1e-5)
        np.testing.assert_allclose(found["scores"], each.scores, atol=5.1e-5)
        assert found["largest"] == np.abs(each.values).max()
    assert "letters</span>" in page


def test_hostile_tokens_stay_text() -> None:
    page = token_page({HOSTILE[0]: made(HOSTILE, HOSTILE[::-1])}, HOSTILE[0], (HOSTILE[1], HOSTILE[0]), HOSTILE[1])
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    texts = re.findall(r"<button[^>]*>([^<]*)<small>", page)
    assert [unescape(text) for text in texts] == [*HOSTILE, *HOSTILE[::-1]]


def test_the_page_asks_nothing_of_the_network_and_fits_into_a_report(tmp_path: pytest.TempPathFactory) -> None:
    page = token_page({"x": made(["a"], ["b"])}, "x")
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|\bsrc=|\bhref=|url\(|import ", page)
    assert page == token_page({"x": made(["a"], ["b"])}, "x")
    report = write_report(tmp_path / "r.html", "r", [Section("s", "", [Row([HtmlItem("t", page)])])])  # type: ignore[operator]
    assert 'sandbox="allow-scripts"' in report.read_text(encoding="utf-8")


def test_the_keyboard_reaches_one_token_a_line_and_the_status_is_read_out() -> None:
    page = token_page({"x": made(["a", "b", "c"], ["d", "e"])}, "x")
    assert re.findall(r'tabindex="(-?\d)"', page) == ["0", "-1", "-1", "0", "-1"]
    assert 'aria-live="polite"' in page


def test_a_long_text_needs_a_taller_page() -> None:
    short, long = made(["a"], ["b"]), made(["a"] * 60, ["b"] * 60)
    assert page_height({"x": short}) < page_height({"x": long}) < page_height({"x": long, "y": long})


def test_values_of_zero_are_drawn() -> None:
    found = made(["a", "b"], ["c"], np.zeros((2, 1)))
    assert numbers(token_page({"x": found}, "x"))[0]["largest"] == 1
    token_heatmap(found, "x")


def test_the_heat_map_has_a_number_in_each_cell_and_a_frame_around_each_rows_largest() -> None:
    values = np.array([[2.04, -1.0], [-0.04, 3.0], [0.5, 0.0]])
    figure = token_heatmap(made(["f", "a", "t"], ["F", "AE1"], values), "fat", ("letters", "sounds"))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["2.0", "0.0", "0.5", "−1.0", "3.0", "0.0"]
    assert [(frame.get_x() + 0.5, frame.get_y() + 0.5) for frame in axes.patches] == [(0, 0), (1, 1)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["f", "a", "t"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["F", "AE1"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("letters", "sounds", "fat")
    low, high = axes.images[0].get_clim()
    assert -low == high == 3


def test_a_large_heat_map_has_colours_only_and_hostile_tokens_can_be_drawn() -> None:
    assert not token_heatmap(made(["w"] * 40, ["v"] * 30), "large").axes[0].texts
    figure = token_heatmap(made(HOSTILE, HOSTILE), HOSTILE[2])
    figure.canvas.draw()  # type: ignore[attr-defined]
