"""Pictures and pages of table explanations: legible, self-contained, and without a trace in the user's session."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from twinlens.figures.tables import force_plot, importance_bars, lime_bars, wrap_label
from twinlens.figures.tables_html import force_page, lime_page
from twinlens.figures.tables_shap import dependence_plot, interaction_plot, private_pyplot, summary_plot

NAMES = ["height (cm)", "width (cm)", "weight of it all (kg)", "price in $ and in $"]
HOSTILE = "</script><img src=x onerror=alert(1)>"


def make_values(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)) * [2, 1, 0.5, 0.1], rng.uniform(0, 9, (rows, 4))


def make_interactions(rows: int = 40) -> np.ndarray:
    half = np.random.default_rng(1).normal(size=(rows, 4, 4))
    return half + half.transpose(0, 2, 1)


def texts(figure: Any) -> str:
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return " ".join("\n".join(found).split())


def labels_that_overlap(figure: Any) -> list[tuple[str, str]]:
    figure.canvas.draw()
    shown = [text for axes in figure.axes for text in axes.texts if text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.98, 0.7)) for text in shown]
    return [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.overlaps(two)]


@pytest.fixture
def session() -> Iterator[Any]:
    """The session of a user with a figure of their own and settings of their own."""
    plt.close("all")
    with matplotlib.rc_context({"font.size": 23.0, "figure.figsize": (3, 2)}):
        own = plt.figure("mine")
        yield own
    plt.close("all")


DRAWINGS = {
    "lime": lambda: lime_bars(
        NAMES, np.array([0.3, -0.2, 0.0, 1e-3]), np.full(4, 0.01), np.array([0.4, 0.6]), ["a", "b"]
    ),
    "importance": lambda: importance_bars(NAMES, np.array([0.5, 0.3, 0.2, 0.0])),
    "force": lambda: force_plot(1.0, make_values()[0][0], make_values()[1][0], NAMES),
    "dot": lambda: summary_plot(*make_values(), NAMES),
    "bar": lambda: summary_plot(*make_values(), NAMES, kind="bar"),
    "dependence": lambda: dependence_plot(*make_values(), NAMES, 2),
    "coloured": lambda: dependence_plot(*make_values(), NAMES, 2, 1),
    "interactions": lambda: interaction_plot(make_interactions(), make_values()[1], NAMES),
}


@cache
def drawn(name: str) -> Any:
    return DRAWINGS[name]()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_leaves_the_users_session_as_it_was(name: str, session: Any) -> None:
    settings, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    hooks = plt.new_figure_manager, plt.draw_if_interactive
    figure = DRAWINGS[name]()
    assert dict(matplotlib.rcParams) == settings
    assert matplotlib.get_backend() == backend
    assert (plt.new_figure_manager, plt.draw_if_interactive) == hooks
    assert plt.get_fignums() == [session.number]
    assert plt.gcf() is session
    assert not session.axes
    assert figure is not session


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_feature_is_called_by_its_name(name: str) -> None:
    shown = texts(drawn(name))
    wanted = {"dependence": NAMES[2:3], "coloured": NAMES[1:3]}.get(name, NAMES)
    for feature in wanted:
        assert feature in shown
    assert "Feature 2" not in shown


@pytest.mark.parametrize("name", ["dot", "coloured", "interactions"])
def test_dots_that_are_drawn_in_random_order_lie_the_same_each_time(name: str) -> None:
    first, second = (
        np.concatenate([dots.get_offsets() for axes in figure.axes for dots in axes.collections])
        for figure in (drawn(name), DRAWINGS[name]())
    )
    np.testing.assert_array_equal(first, second)


def test_figures_opened_by_a_drawing_that_fails_are_closed(session: Any) -> None:
    def fail() -> None:
        plt.figure()
        plt.ion()
        raise RuntimeError("broken drawing")

    with pytest.raises(RuntimeError, match="broken drawing"), private_pyplot():
        fail()
    assert plt.get_fignums() == [session.number]
    assert not plt.isinteractive()


def test_lime_bars_carry_the_weights_heaviest_on_top_and_coloured_by_sign() -> None:
    axes = lime_bars(["small", "against", "heavy"], np.array([0.1, -0.2, 0.5])).axes[0]
    bars = {tick.get_text(): bar for tick, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)}
    assert {name: bar.get_width() for name, bar in bars.items()} == {"heavy": 0.5, "against": -0.2, "small": 0.1}
    assert bars["heavy"].get_facecolor() == bars["small"].get_facecolor() != bars["against"].get_facecolor()
    low, high = axes.get_ylim()
    upwards = 1 if high > low else -1
    heights = [upwards * bars[name].get_y() for name in ("heavy", "against", "small")]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_no_two_labels_of_a_force_plot_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = 4 + 2 * seed
    values = rng.normal(size=d) * 10.0 ** rng.integers(-3, 2, d)
    figure = force_plot(rng.normal(), values, rng.normal(size=d), [f"some feature {i}" for i in range(d)])
    assert labels_that_overlap(figure) == []


def test_the_forces_end_at_the_prediction_and_at_the_base() -> None:
    values, base = np.array([0.5, -0.2, 0.1]), 2.0
    axes = force_plot(base, values, np.zeros(3), ["a", "b", "c"]).axes[0]
    edges = np.concatenate([patch.get_xy()[:, 0] for patch in axes.patches])
    assert edges.min() == pytest.approx(base + values.sum() - 0.6, abs=1e-9)
    assert edges.max() == pytest.approx(base + values.sum() + 0.2, abs=1e-9)
    assert "2.400" in texts(axes.figure)
    assert "base value = 2.000" in texts(axes.figure)


def test_a_row_that_no_feature_moves_can_be_drawn() -> None:
    assert "f(x) = 1.500" in texts(force_plot(1.5, np.zeros(3), np.ones(3), ["a", "b", "c"]))


def test_interactions_are_drawn_in_full_and_not_scaled_in_place() -> None:
    interactions = make_interactions()
    kept = interactions.copy()
    figure = interaction_plot(interactions, make_values()[1], NAMES, most=3)
    np.testing.assert_array_equal(interactions, kept)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        low, high = axes.get_xlim()
        drawn = np.concatenate([dots.get_offsets()[:, 0] for dots in axes.collections if len(dots.get_offsets())])
        assert low < drawn.min()
        assert drawn.max() < high


def test_long_labels_are_wrapped_at_spaces() -> None:
    assert wrap_label("petal length (cm)", 12) == "petal length\n(cm)"
    assert wrap_label("") == ""


def make_lime(names: list[str], classes: list[str]) -> Any:
    from lime.lime_tabular import LimeTabularExplainer

    data = np.random.default_rng(0).normal(size=(60, len(names)))
    explainer = LimeTabularExplainer(data, feature_names=names, class_names=classes, random_state=0)

    def probabilities(x: np.ndarray) -> np.ndarray:
        yes = 1 / (1 + np.exp(-x[:, 0]))
        return np.stack([1 - yes, yes], axis=1)

    return explainer.explain_instance(data[0], probabilities, labels=(1,), num_samples=100)


def pages() -> dict[str, str]:
    values, data = make_values(1)
    names = [*NAMES[:3], HOSTILE]
    return {
        "lime": lime_page(make_lime(names, ["no", HOSTILE]), 1, HOSTILE),
        "force": force_page(0.5, values[0], data[0], names, HOSTILE, HOSTILE),
    }


@pytest.mark.parametrize("kind", ["lime", "force"])
def test_a_page_asks_the_network_for_nothing(kind: str) -> None:
    page = pages()[kind]
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "default-src 'none'" in markup
    assert not re.search(
        r"\b(src|href|srcset|action)\s*=|<link|<iframe|@import", markup.replace(html.escape(HOSTILE), "")
    )
    assert page.count("<script") == len(re.findall(r"<script>", page))


@pytest.mark.parametrize("kind", ["lime", "force"])
def test_no_name_can_leave_the_script_it_is_written_into(kind: str) -> None:
    page = pages()[kind]
    assert "<img" not in page
    assert page.count("</script>") == 2
    code = page.rpartition("<script>")[2].partition("</script>")[0]
    assert "<" not in code
    assert "onerror" in code


def test_the_force_page_holds_the_values() -> None:
    values, data = make_values(1)
    code = force_page(0.5, values[0], data[0], NAMES).rpartition("<script>")[2]
    held = json.loads(code[code.index("{") : code.index("}), document")] + "}")
    assert held["baseValue"] == 0.5
    assert held["featureNames"] == NAMES
    np.testing.assert_allclose([held["features"][str(i)]["effect"] for i in range(4)], values[0])


def test_writing_the_page_of_lime_twice_gives_the_same() -> None:
    explanation = make_lime(NAMES, ["no", "yes"])
    assert lime_page(explanation, 1, "LIME") == lime_page(explanation, 1, "LIME")
