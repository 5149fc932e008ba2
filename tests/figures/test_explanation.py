import numpy as np
import pytest

from twinlens.errors import InputError
from twinlens.figures import heat, overlay, plot_explanation, signed
from twinlens.methods.explanation import ErrorEstimate, Explanation


def make(values, inputs=None, **changes):
    values = np.asarray(values)
    count = len(values) if values.ndim else 1
    facts = {
        "target": np.arange(count) % 3, "scores": np.full((count, 3), 0.25), "method": "integrated_gradients",
        "params": {}, "backend": "torch", "model": "net", "seed": None, "seconds": 0.1,
    }  # fmt: skip
    return Explanation(values=values, inputs=values if inputs is None else inputs, **{**facts, **changes})


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return make(rng.normal(size=(3, 3, 8, 8)), rng.random((3, 3, 8, 8)))


def images(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.get_label() != "colour bar"]


def test_pictures_stand_over_their_maps(pictures) -> None:
    before = pictures.values.copy()
    shown = images(plot_explanation(pictures))
    np.testing.assert_allclose(shown[:3], np.moveaxis(pictures.inputs, 1, -1))
    np.testing.assert_array_equal(shown[3:], heat(pictures.values))
    np.testing.assert_array_equal(pictures.values, before)


def test_maps_can_be_signed_or_laid_over(pictures) -> None:
    figure = plot_explanation(pictures, "signed", percentile=None)
    np.testing.assert_array_equal(images(figure)[3:], signed(pictures.values))
    assert any(axes.get_label() == "colour bar" for axes in figure.axes)
    laid = images(plot_explanation(pictures, "overlay"))[3:]
    np.testing.assert_allclose(laid[0], overlay(pictures.inputs[0], heat(pictures.values)[0]))


def concepts(pictures):
    """Two concepts in three pictures, the second of them in none but the last, and there ten times as strong."""
    values = np.abs(pictures.values[:, :2])
    values[:2, 1] *= 1e-9
    values[2, 1] *= 10
    estimate = ErrorEstimate("factorisation residual", np.full(3, 0.5), "small is good", np.ones(3))
    facts = {"extras": {"concepts": np.eye(2)}, "target": None, "method": "feature_factorisation", "error": estimate}
    return make(values, pictures.inputs, **facts)


@pytest.mark.parametrize("kind", ["heat", "signed"])
def test_each_concept_has_a_row_on_one_scale_for_all_pictures(pictures, kind) -> None:
    made = concepts(pictures)
    figure = plot_explanation(made, kind)
    shown = images(figure)
    assert len(shown) == 9
    for concept in range(2):
        drawn = [axes for axes in figure.axes if axes.images][3 * (concept + 1) : 3 * (concept + 2)]
        np.testing.assert_array_equal([axes.images[0].get_array() for axes in drawn], made.values[:, concept])
        limits = {axes.images[0].get_clim() for axes in drawn}
        assert limits == {(0.0, made.values[:, concept].max())}
    said = " ".join(text.get_text() for text in figure.texts)
    assert all(words in said for words in ("concept 0", "concept 1", "factorisation residual 0.5 relative"))


def test_concepts_are_laid_over_the_pictures_that_hold_them(pictures) -> None:
    made = concepts(pictures)
    shown = images(plot_explanation(made, "overlay"))
    np.testing.assert_allclose(shown[6], np.moveaxis(made.inputs[0], 0, -1), atol=1e-6)
    np.testing.assert_allclose(shown[8], overlay(made.inputs[2], made.values[2, 1] / made.values[:, 1].max()))


def test_titles_name_the_class_and_its_score(pictures) -> None:
    titles = [axes.get_title() for axes in plot_explanation(pictures, names=["cat", "cup", "egg"]).axes[:3]]
    assert titles == ["cat 0.25", "cup 0.25", "egg 0.25"]
    assert plot_explanation(pictures).axes[1].get_title() == "class 1 0.25"


@pytest.mark.parametrize("target", [None, sum])
def test_without_a_class_the_titles_count(pictures, target) -> None:
    pictures = make(pictures.values, pictures.inputs, target=target)
    assert plot_explanation(pictures).axes[2].get_title() == "sample 2"


def test_the_error_estimate_stands_beside_the_maps(pictures) -> None:
    estimate = ErrorEstimate("completeness residual", np.array([0.1, -0.2, 0.0]), "small is good")
    figure = plot_explanation(make(pictures.values, pictures.inputs, error=estimate))
    said = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "completeness residual 0.2" in said
    scaled = ErrorEstimate("residual", np.array([0.1, -0.2, 0.0]), "small is good", np.full(3, 10.0))
    figure = plot_explanation(make(pictures.values, pictures.inputs, error=scaled))
    assert "residual 0.02 relative" in " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_too_many_samples_are_counted(pictures) -> None:
    figure = plot_explanation(pictures, maximum=2)
    assert len(images(figure)) == 4
    assert "2 of 3 samples" in figure.texts[0].get_text()


def test_zero_maps_and_single_pictures_are_legal() -> None:
    figure = plot_explanation(make(np.zeros((1, 3, 8, 8))))
    assert not images(figure)[1].any()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_table_rows_become_bars(count) -> None:
    values = np.random.default_rng(0).normal(size=(count, 4))
    figure = plot_explanation(make(values), names=["a", "b", "c"], features=["w", "x", "y", "z"])
    filled = [axes for axes in figure.axes if axes.patches]
    assert len(filled) == count
    for axes, row in zip(filled, values, strict=True):
        np.testing.assert_allclose(sorted(patch.get_width() for patch in axes.patches), sorted(row))
        assert any(label.get_text().startswith("w = ") for label in axes.get_yticklabels())


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3)], ids=["pictures", "rows with as many columns"])
def test_sensitivities_to_concepts_become_bars_with_their_names(shape) -> None:
    values, names = np.array([[1.0, -2.0, 0.5], [3.0, 0.1, 0.2]]), np.array(["striped", "dotted", "red"])
    figure = plot_explanation(make(values, np.zeros(shape), extras={"concepts": names}, method="tcav"))
    filled = [axes for axes in figure.axes if axes.patches]
    for axes, row in zip(filled, values, strict=True):
        order = np.argsort(-np.abs(row))
        assert [label.get_text() for label in axes.get_yticklabels()] == names[order].tolist()
        np.testing.assert_allclose([patch.get_width() for patch in axes.patches], row[order])


def test_feature_names_must_fit() -> None:
    with pytest.raises(InputError, match="1 feature names for 4"):
        plot_explanation(make(np.zeros((2, 4))), features=["a"])


@pytest.mark.parametrize("shape", [(), (4,), (1, 2, 3, 4, 5), (0, 3, 4, 4)])
def test_other_shapes_cannot_be_drawn(shape) -> None:
    with pytest.raises(InputError, match="cannot be drawn"):
        plot_explanation(make(np.zeros(shape)))


def test_an_explanation_draws_itself(pictures) -> None:
    assert len(images(pictures.plot())) == 6
