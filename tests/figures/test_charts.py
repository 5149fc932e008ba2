import numpy as np
import pytest

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures import agreement, bars, confusion_matrix, training_curves


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_bars_are_sorted_by_size_and_coloured_by_sign() -> None:
    axes = bars(["a", "b", "c"], [0.1, -3.0, 2.0], "title", "unit").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    assert [patch.get_width() for patch in axes.patches] == [-3.0, 2.0, 0.1]
    against, supporting, also = (patch.get_facecolor() for patch in axes.patches)
    assert against != supporting == also
    assert texts(axes) == ["−3", "2", "0.1"]


def test_bars_say_how_many_are_left_out() -> None:
    axes = bars([str(i) for i in range(30)], np.arange(30.0), maximum=10).axes[0]
    assert len(axes.patches) == 10
    assert "and 20 smaller" in texts(axes)


@pytest.mark.parametrize("values", [[0.0, 0.0], [-1.0, -2.0], [1.0, 2.0], [1e-12, -1e9]])
def test_bars_of_any_sign_and_size_stay_inside(values) -> None:
    figure = bars(["a", "b"], values, errors=np.abs(values))
    figure.canvas.draw()
    axes = figure.axes[0]
    frame = axes.get_window_extent()
    for text in axes.texts:
        assert text.get_window_extent().x0 > frame.x0 - 1
        assert text.get_window_extent().x1 < frame.x1 + 1


def test_bars_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="2 names"):
        bars(["a", "b"], [1.0])
    with pytest.raises(InputError, match="errors"):
        bars(["a", "b"], [1.0, 2.0], errors=[1.0])
    with pytest.raises(InputError):
        bars([], [])
    with pytest.raises(NonFiniteError):
        bars(["a"], [np.nan])


@pytest.mark.parametrize("size", [1, 100, 6000])
def test_agreement_shows_values_and_differences(size) -> None:
    a = np.random.default_rng(0).normal(size=size)
    figure = agreement(a, a + 1e-6)
    left, right = figure.axes
    assert "cosine 1.000000" in left.get_title()
    assert "largest difference 1e-06" in right.get_title()
    assert len(right.patches) > 1
    figure.canvas.draw()
    assert all("$" not in label.get_text() for label in right.get_xticklabels())


def test_agreement_of_equal_values_says_so() -> None:
    left, right = agreement(np.ones((2, 3)), np.ones((2, 3))).axes
    assert "6 of 6 are equal" in right.get_title()
    assert "bit for bit the same" in texts(right)
    assert "relative L2 0" in left.get_title()


def test_agreement_of_zero_maps_is_no_division_by_zero() -> None:
    assert "both are zero" in agreement(np.zeros(4), np.zeros(4)).axes[0].get_title()
    assert "one of them is zero" in agreement(np.zeros(4), np.ones(4)).axes[0].get_title()


def test_agreement_needs_one_shape() -> None:
    with pytest.raises(InputError, match=r"torch has shape \(3,\), paddle has \(4,\)"):
        agreement(np.zeros(3), np.zeros(4))


def test_training_and_validation_share_a_chart() -> None:
    history = {"training_loss": [2.0, 1.0], "validation_loss": [2.5, 1.5], "validation_accuracy": [0.1, 0.9]}
    figure = training_curves({"torch": history, "paddle": history}, "Training")
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert len(loss.lines) == 4
    assert len(accuracy.lines) == 2
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 2.0], [2, 1.0]])
    assert loss.lines[0].get_linestyle() != loss.lines[1].get_linestyle()
    assert loss.lines[0].get_color() == loss.lines[1].get_color() != loss.lines[2].get_color()


@pytest.mark.parametrize("runs", [{}, {"torch": {}}])
def test_without_a_history_there_is_no_chart(runs) -> None:
    with pytest.raises(InputError, match="one epoch"):
        training_curves(runs)


def test_one_epoch_is_enough_for_a_chart() -> None:
    assert len(training_curves({"torch": {"training_loss": [1.0]}}).axes) == 1


def test_the_confusion_matrix_holds_counts_and_row_shares() -> None:
    counts = np.array([[8, 2, 0], [0, 0, 0], [1, 1, 2]])
    axes, bar = confusion_matrix(counts, ["a", "b", "c"], "Validation").axes
    assert sorted(texts(axes)) == ["1", "1", "2", "2", "8"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [0.25, 0.25, 0.5]])
    assert "accuracy 71.4% of 14" in axes.get_title(loc="left")
    assert "share" in bar.get_ylabel()


def test_a_confusion_matrix_of_nothing_is_legal() -> None:
    axes = confusion_matrix(np.zeros((2, 2), int), ["a", "b"]).axes[0]
    assert not texts(axes)


def test_a_confusion_matrix_must_fit_its_classes() -> None:
    with pytest.raises(InputError, match="3 classes"):
        confusion_matrix(np.zeros((2, 2)), ["a", "b", "c"])
