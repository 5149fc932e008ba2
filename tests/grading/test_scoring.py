"""Points, statuses and sentences: worked out by hand, and what must never earn points."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from twinlens.errors import ConfigError
from twinlens.grading.assignment import Limits, Task
from twinlens.grading.closeness import correlation, resemblance
from twinlens.grading.protocol import Arrays, Expected, Mistake, Outcome, Property, Status, Verdict
from twinlens.grading.result import TaskResult
from twinlens.grading.scoring import not_run, score_task
from twinlens.grading.soundness import check_sound, faults

TASK = Task(id="maps", title="Saliency maps", text="", points=20, outputs=["maps"])
TWO = Task(id="both", title="Raw and normalised", text="", points=20, outputs=["raw", "normalised"])


def gradient(seed: int = 0) -> np.ndarray:
    """A signed gradient of 4 pictures: stronger in the middle, of unlike scales, as networks give them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1:1:12j, -1:1:10j]
    middle = np.exp(-0.5 * (rows**2 + columns**2))
    return rng.normal(size=(4, 3, 12, 10)) * middle * np.array([0.2, 1, 3, 8])[:, None, None, None]


def normalised(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / (high - low)


def pictures() -> dict[str, np.ndarray]:
    return {"pictures": np.random.default_rng(9).random((4, 3, 12, 10)), "labels": np.arange(4)}


RIGHT = normalised(np.abs(gradient()).max(1))
NO_ABS = normalised(gradient().max(1))
BATCH = np.abs(gradient()).max(1) / np.abs(gradient()).max()
INPUTS = pictures()


def expected(reference: Arrays | np.ndarray = RIGHT, gap: float = 1e-7, **mistakes: np.ndarray) -> Expected:
    arrays = {"maps": reference} if isinstance(reference, np.ndarray) else reference
    return Expected(arrays, dict.fromkeys(arrays, gap), {name: {"maps": value} for name, value in mistakes.items()})


def mistake(name: str, hint: str = "Hint.", credit: float = 0.25, measure: Callable[..., Any] | None = None) -> Mistake:
    return Mistake(name, hint, credit, lambda model, inputs: {}, measure or (lambda inputs, outputs: {}))


def score(
    maps: Any, answers: Expected | None = None, mistakes: tuple[Mistake, ...] = (), properties: Any = ()
) -> TaskResult:
    outputs = maps if isinstance(maps, Mapping) else {"maps": maps}
    return score_task(TASK, INPUTS, Outcome("ok", outputs), answers or expected(), mistakes, properties)


class TestTolerance:
    @pytest.mark.parametrize(
        ("gap", "error", "passes"),
        [  # largest reference 1, so the tolerance is max(1e-5, 10 x gap)
            (0.0, 0.9e-5, True),
            (0.0, 1.1e-5, False),
            (1e-7, 0.9e-5, True),
            (1e-4, 0.9e-3, True),
            (1e-4, 1.1e-3, False),
        ],
    )
    def test_it_is_the_larger_of_a_hundred_thousandth_and_ten_gaps(
        self, gap: float, error: float, passes: bool
    ) -> None:
        ours = RIGHT.copy()
        ours[2, 5, 5] += error
        found = score(ours, expected(gap=gap))
        assert (found.status == "passed") is passes
        assert (found.score == 20) is passes

    def test_it_grows_with_the_largest_value(self) -> None:
        assert score(500 * RIGHT + 0.9 * 500e-5, expected(500 * RIGHT)).status == "passed"
        assert score(500 * RIGHT + 1.1 * 500e-5, expected(500 * RIGHT)).status != "passed"

    def test_float32_and_other_memory_orders_pass(self) -> None:
        assert score(RIGHT.astype(np.float32)).status == "passed"
        assert score(np.asfortranarray(RIGHT).astype(">f4")).status == "passed"

    def test_whole_numbers_and_truth_values_must_be_equal(self) -> None:
        labels = expected(np.arange(2_000_000, 2_000_012))
        assert score(np.arange(2_000_000, 2_000_012, dtype=np.int32), labels).status == "passed"
        assert score(np.arange(2_000_001, 2_000_013), labels).status != "passed"
        assert score(np.array([True, True]), expected(np.array([True, False]))).score == 0

    def test_every_output_counts(self) -> None:
        both = expected({"raw": 3 * RIGHT, "normalised": RIGHT})
        outputs = {"raw": 3 * RIGHT, "normalised": np.flip(RIGHT, 2)}
        found = score_task(TWO, INPUTS, Outcome("ok", outputs), both)
        assert found.status == "partial"
        assert "'normalised'" in found.message
        assert "Right already: 'raw'" in found.message

    def test_an_all_zero_reference_is_matched_by_zeros_only(self) -> None:
        zero = expected(np.zeros((4, 3)), gap=0.0)
        assert score(np.zeros((4, 3), np.float32), zero).status == "passed"
        assert score(np.full((4, 3), 1e-3), zero).score == 0


BAD = {
    "missing": ({}, "'maps' is missing"),
    "another name": ({"maps": RIGHT, "extra": RIGHT}, "'extra' that nobody asked for"),
    "scalar": (np.array(1.0), r"shape \(\); it has to be \(4, 12, 10\)"),
    "broadcasts": (RIGHT[:1], r"shape \(1, 12, 10\)"),
    "an axis more": (RIGHT[..., None], r"shape \(4, 12, 10, 1\)"),
    "empty": (np.zeros((0, 12, 10)), "empty"),
    "empty last": (np.zeros((4, 12, 0)), "empty"),
    "whole numbers": (np.ones((4, 12, 10), int), "whole numbers"),
    "truth values": (np.ones((4, 12, 10), bool), "truth values"),
    "complex": (RIGHT.astype(complex), "complex numbers"),
    "text": (RIGHT.astype("U8"), "no number"),
    "objects": (RIGHT.astype(object), "no number"),
    "structured": (np.zeros((4, 12, 10), [("a", "f8")]), "no number"),
    "dates": (np.zeros((4, 12, 10), "m8[s]"), "no number"),
    "NaN": (np.where(np.arange(4)[:, None, None] == 2, np.nan, RIGHT), "NaN or infinite values in picture 2 "),
    "all NaN": (np.full_like(RIGHT, np.nan), r"NaN or infinite values in pictures 0, 1, 2 and 3"),
    "infinite": (np.where(RIGHT == 1, np.inf, RIGHT), "NaN or infinite"),
    "infinite in float64": (np.full((4, 12, 10), np.longdouble("1e4000")), "NaN or infinite"),
    "huge": (np.full((4, 12, 10), 1e300), "1.0e[+]300"),
    "hugely right": (RIGHT * 1e200, "beyond all measure"),
}


class TestGates:
    @pytest.mark.parametrize("name", BAD)
    def test_what_cannot_be_compared_earns_nothing_and_says_why(self, name: str) -> None:
        outputs, said = BAD[name]
        holds = Property("any", "", 1.0, lambda inputs, outputs, expected: Verdict(True))
        for properties in ((), (holds,)):
            found = score(outputs, properties=properties)
            assert (found.status, found.score) == ("bad_output", 0)
            assert found.hint_id is None
            with pytest.raises(AssertionError, match=said):
                raise AssertionError(found.message)

    def test_a_gate_is_not_passed_by_a_mistake_that_holds_nan(self) -> None:
        nan = np.full_like(RIGHT, np.nan)
        assert score(nan, expected(nan_map=nan), (mistake("nan_map", credit=1.0),)).score == 0

    def test_a_known_mistake_may_have_a_shape_of_its_own(self) -> None:
        kept = np.repeat(RIGHT[:, None], 3, 1)
        found = score(kept, expected(no_maximum=kept), (mistake("no_maximum", "Take the maximum.", 0.5),))
        assert (found.status, found.score, found.message) == ("partial", 10, "Take the maximum.")
        assert score(kept[:, :2], expected(no_maximum=kept), (mistake("no_maximum"),)).status == "bad_output"

    def test_a_subclass_with_its_own_arithmetic_is_an_array_like_any_other(self) -> None:
        class Agreeable(np.ndarray):
            def __array_ufunc__(self, *args: Any, **options: Any) -> Any:
                return np.True_

            def __array_function__(self, *args: Any, **options: Any) -> Any:
                return True

        assert score(np.zeros_like(RIGHT).view(Agreeable)).score == 0


class TestMistakes:
    KNOWN = (
        mistake("batch", "Picture {picture} peaks at {peak:.2f}: normalise each one.", 0.5, lambda inputs, outputs: {
            "picture": float(outputs["maps"].max((1, 2)).argmin()), "peak": outputs["maps"].max((1, 2)).min(),
        }),
        mistake("no_abs", "Take |gradient| before the channel maximum.", 0.25),
        mistake("nothing", "No credit.", 0.0),
    )  # fmt: skip
    ANSWERS = expected(batch=BATCH, no_abs=NO_ABS, nothing=1 - RIGHT)

    def test_its_hint_has_numbers_measured_on_the_students_arrays(self) -> None:
        found = score(BATCH, self.ANSWERS, self.KNOWN)
        peaks = BATCH.max((1, 2))
        assert found.message == f"Picture {peaks.argmin()} peaks at {peaks.min():.2f}: normalise each one."
        assert (found.score, found.hint_id, found.status) == (10, "batch", "partial")

    @pytest.mark.parametrize(("maps", "points"), [(NO_ABS, 5), (NO_ABS.astype(np.float32), 5), (1 - RIGHT, 0)])
    def test_its_credit_is_the_instructors(self, maps: np.ndarray, points: float) -> None:
        found = score(maps, self.ANSWERS, self.KNOWN)
        assert found.score == points
        assert found.hint_id is not None
        assert found.status == ("partial" if points else "failed")

    def test_the_right_answer_is_never_a_mistake(self) -> None:
        assert score(RIGHT, expected(same=RIGHT), (mistake("same", credit=0.0),)).status == "passed"

    def test_the_nearest_one_is_taken_and_the_first_of_equals(self) -> None:
        near = NO_ABS + 4e-6
        answers = expected(first=NO_ABS, nearer=near, copy=near)
        known = (mistake("first"), mistake("nearer"), mistake("copy"))
        assert score(near + 1e-6, answers, known).hint_id == "nearer"
        assert score(NO_ABS + 1e-6, answers, known).hint_id == "first"

    def test_one_that_was_not_computed_is_passed_over(self) -> None:
        assert score(NO_ABS, expected(no_abs=NO_ABS), (mistake("other"), mistake("no_abs"))).hint_id == "no_abs"

    @pytest.mark.parametrize(
        ("hint", "numbers", "said"),
        [
            ("Peaks at {peak:.2f}.", {}, "Peaks at ?."),
            ("Peaks at {peak:.2f}.", {"peak": np.nan}, "Peaks at NaN."),
            ("Peaks at {peak:.2f}.", {"peak": np.inf}, "Peaks at infinity."),
            ("Peaks at {peak:.2f}.", {"peak": 1e300}, "Peaks at 1e+300."),
            ("Peaks at {peak:.2f}.", {"peak": "high"}, "Peaks at ?."),
            ("Picture {i}.", {"i": np.int64(2)}, "Picture 2."),
            ("Picture {i:d}.", {"i": np.float32(2)}, "Picture 2."),
            ("A {brace.", {}, "A {brace."),
        ],
    )
    def test_a_hint_is_said_whatever_was_measured(self, hint: str, numbers: dict[str, Any], said: str) -> None:
        known = mistake("no_abs", hint, measure=lambda inputs, outputs: numbers)
        assert score(NO_ABS, expected(no_abs=NO_ABS), (known,)).message == said

    def test_measuring_that_fails_costs_nobody_the_credit(self) -> None:
        def fails(inputs: Arrays, outputs: Arrays) -> dict[str, float]:
            outputs["maps"][:] = 0
            return {}

        found = score(NO_ABS, expected(no_abs=NO_ABS), (mistake("no_abs", "At {x}.", measure=fails),))
        assert (found.score, found.message) == (5, "At ?.")


class TestResemblance:
    def test_a_constant_map_earns_nothing_although_its_cosine_is_high(self) -> None:
        constant = np.full_like(RIGHT, 0.7)
        assert cosine(constant, RIGHT) > 0.8
        found = score(constant)
        assert (found.score, found.status) == (0, "failed")
        assert "All values of 'maps' are the same" in found.message

    def test_one_constant_for_each_picture_earns_nothing_even_where_scales_differ(self) -> None:
        raw = np.abs(gradient()).max(1)
        steps = np.broadcast_to(raw.mean((1, 2), keepdims=True), raw.shape).copy()
        assert np.corrcoef(steps.ravel(), raw.ravel())[0, 1] > 0.6
        assert score(steps, expected(raw)).score == 0

    @pytest.mark.parametrize("seed", range(12))
    def test_a_missing_absolute_value_earns_well_below_half_of_the_points(self, seed: int) -> None:
        right = normalised(np.abs(gradient(seed)).max(1))
        no_abs = normalised(gradient(seed).max(1))
        assert cosine(no_abs, right) > 0.8
        assert score(no_abs, expected(right)).score < 0.3 * 20

    def test_the_inputs_earn_nothing(self) -> None:
        x = INPUTS["pictures"]
        shaped = normalised(np.abs(x).max(1) + 0.3 * RIGHT)
        for guess in (x.max(1), x.mean(1), np.abs(x).max(1)):
            assert score(guess, expected(shaped)).score == 0
        assert score(RIGHT, expected(shaped)).score >= 0

    def test_nothing_earns_more_than_half(self) -> None:
        assert score(0.999 * RIGHT + 1e-3 * RIGHT**2).score <= 10
        found = score(2 * RIGHT)
        assert found.score == 10
        assert "up to a constant factor" in found.message

    def test_it_is_worth_less_the_noisier_the_answer_is(self) -> None:
        noise = np.random.default_rng(5).normal(size=RIGHT.shape)
        scores = [score(RIGHT + level * noise).score for level in (0, 0.01, 0.1, 0.3, 1, 3, 100)]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == 20
        assert 9 < scores[1] < 10
        assert scores[-1] < 2

    def test_opposite_values_earn_nothing(self) -> None:
        found = score(-RIGHT)
        assert found.score == 0
        assert "opposite sign" in found.message

    def test_the_right_values_in_the_wrong_places_are_recognised(self) -> None:
        assert "transpose axes" in score(RIGHT.reshape(4, 10, 12).transpose(0, 2, 1).copy()).message

    def test_the_pictures_that_are_off_are_named_and_no_value_is(self) -> None:
        ours = RIGHT.copy()
        ours[[1, 3]] = np.random.default_rng(1).random((2, 12, 10))
        message = score(ours).message
        assert "off in pictures 1 and 3 (counting from 0)" in message
        assert not any(f"{value:.2f}" in message for value in RIGHT.ravel())

    @pytest.mark.parametrize(
        ("first", "second", "expected_second", "told"),
        [
            (RIGHT, RIGHT**2, RIGHT, True),
            (RIGHT, 2 * RIGHT, RIGHT, True),
            (RIGHT**2, RIGHT, RIGHT, False),
            (RIGHT**2, RIGHT**3, RIGHT, False),
            (RIGHT, RIGHT**2, RIGHT + 1, False),
        ],
        ids=["second off", "second twice the first", "first off", "both off", "no second call"],
    )
    def test_a_second_call_that_gives_something_else_is_told_from_a_wrong_answer(
        self, first: np.ndarray, second: np.ndarray, expected_second: np.ndarray, told: bool
    ) -> None:
        answers = expected({"maps": RIGHT, "again": expected_second})
        message = score({"maps": first, "again": second}, answers).message
        assert (
            "The second call with the same tensors gave something else: change nothing in place." in message
        ) is told

    def test_what_can_be_guessed_earns_nothing_beside_what_is_wrong(self) -> None:
        task = Task(id="hook", title="", text="", points=20, outputs=["maps", "calls"])
        answers = expected({"maps": RIGHT, "calls": np.array([1])})
        outputs = {"maps": np.zeros_like(RIGHT), "calls": np.array([1])}
        assert score_task(task, INPUTS, Outcome("ok", outputs), answers).score == 0

    def test_two_numbers_in_the_right_order_earn_nothing(self) -> None:
        assert score(np.array([0.0, 1.0]), expected(np.array([0.3, 0.4]))).score == 0

    def test_by_hand(self) -> None:
        reference = np.arange(8.0)
        ours = np.array([0.0, 1, 2, 3, 4, 5, 7, 6])
        # The sum of squared rank differences is 2: Pearson's r of ranks is 1 - 6 * 2 / (8 * 63) = 41 / 42.
        assert correlation(ours, reference) == pytest.approx(41 / 42)
        found = resemblance(ours, reference, {"x": np.array([7.0, 6, 5, 4, 3, 2, 0, 1])})
        assert found == pytest.approx(41 / 42)
        # An input that correlates by r = 0.5 leaves (41/42 - 1/2) / (1 - 1/2).
        half = np.array([1.0, -1, 1, -1, -1, 1, 1, -1])
        half = (reference - 3.5) / np.sqrt(42) + np.sqrt(3) * half / np.sqrt(8)
        r = correlation(half, reference)
        assert r == pytest.approx(0.5, abs=0.1)
        assert resemblance(ours, reference, {"x": half}) == pytest.approx((41 / 42 - r) / (1 - r))

    @pytest.mark.parametrize("scale", [1e-320, 1e-200, 1.0, 1e11])
    def test_the_scale_of_the_answer_changes_nothing(self, scale: float) -> None:
        noisy = RIGHT + np.random.default_rng(5).normal(size=RIGHT.shape) * 0.1
        assert score(noisy * scale).score == pytest.approx(score(noisy).score, abs=0.05)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda maps: np.where(maps == maps.max(), 1e11, maps),
            lambda maps: np.where(maps == maps.max(), -1e11, maps),
            lambda maps: np.sign(maps - 0.5) * 1e11,
            lambda maps: maps * 0,
            lambda maps: maps * 1e-320,
        ],
    )
    def test_extreme_values_raise_no_score(self, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
        noisy = RIGHT + np.random.default_rng(5).normal(size=RIGHT.shape) * 0.1
        assert score(spoil(noisy)).score <= score(noisy).score + 0.05

    def test_no_array_breaks_the_grader_or_earns_more_than_half(self) -> None:
        rng = np.random.default_rng(0)
        special = np.array([0, -0.0, 1, -1, 1e-320, -1e-300, 1e-30, 1e30, 1e300, 3.4e38, np.nan, np.inf, -np.inf])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for trial in range(400):
                shape = [(4, 12, 10), (4, 5), (3,), (), (1, 9)][rng.integers(5)]
                right = expected(np.asarray(rng.normal(size=shape) * 10.0 ** rng.integers(-300, 300)))
                few = special[rng.integers(len(special), size=rng.integers(1, 4))]
                with np.errstate(all="ignore"):
                    ours = np.asarray(rng.choice(few, shape) * rng.choice([1.0, 1e-9, -1e12]))
                    ours = ours.astype(rng.choice(["f2", "f4", "f8", "longdouble"]))
                answers = Expected(right.reference, right.gap, {"odd": {"maps": np.full(shape, few[0])}})
                found = score(ours, answers, (mistake("odd", "At {x}.", 0.3),))
                assert 0 <= found.score <= 10, trial


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over the pictures, the measure that is fooled."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return float(np.mean((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))


def holds_if(test: Callable[[np.ndarray, np.ndarray], bool], share: float, name: str = "additive") -> Property:
    def check(inputs: Arrays, outputs: Arrays, right: Arrays) -> Verdict:
        off = float(np.abs(outputs["maps"].sum() - right["maps"].sum()))
        return Verdict(test(outputs["maps"], right["maps"]), {"off": off})

    return Property(name, "The values miss the sum by {off:.1f}.", share, check)


def same_sum(ours: np.ndarray, right: np.ndarray) -> bool:
    return bool(abs(ours.sum() - right.sum()) < 1e-6)


def same_order(ours: np.ndarray, right: np.ndarray) -> bool:
    return bool((np.argsort(ours) == np.argsort(right)).all())


def small_first(ours: np.ndarray, right: np.ndarray) -> bool:
    return bool(abs(ours[0]) < 1e-9)


class TestProperties:
    RIGHT = np.array([0.0, 3, -2, 5, 1, -1, 4, 2])
    ALL = (
        holds_if(same_sum, 0.5),
        holds_if(same_order, 0.3, "order"),
        holds_if(small_first, 0.2, "dummy"),
    )

    def points(self, ours: Any, properties: Any = ALL) -> TaskResult:
        return score(np.array(ours), expected(self.RIGHT), properties=properties)

    def test_all_of_them_are_all_of_the_points_without_equality(self) -> None:
        sampled = self.RIGHT + np.array([0, 0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 0])
        found = self.points(sampled)
        assert (found.score, found.status, found.hint_id) == (20, "passed", None)

    def test_each_has_its_share_and_the_first_broken_one_its_hint(self) -> None:
        found = self.points(2 * self.RIGHT)
        assert found.score == 20 * (0.3 + 0.2)
        assert (found.status, found.hint_id) == ("partial", "additive")
        assert found.message == "The values miss the sum by 12.0."

    def test_zeros_earn_no_share_although_some_properties_hold_of_them(self) -> None:
        assert self.points(np.zeros(8)).score == 0
        assert self.points(np.full(8, 12 / 8)).score == 0

    @pytest.mark.parametrize("values", [np.zeros(8), np.full(8, 12 / 8), 1e-9 * RIGHT], ids=["zeros", "mean", "tiny"])
    def test_zeros_are_called_that_and_no_hint_of_a_property_is_given(self, values: np.ndarray) -> None:
        found = self.points(values)
        assert found.message.startswith("All values of 'maps' are the same: nothing was computed")
        assert "?" not in found.message
        assert (found.status, found.hint_id) == ("failed", None)

    def test_the_rest_of_the_points_is_earned_by_the_comparison(self) -> None:
        half = (holds_if(same_sum, 0.5),)
        assert self.points(self.RIGHT, half).score == 20
        swapped = self.RIGHT[[0, 1, 2, 3, 4, 5, 7, 6]]
        r = np.corrcoef(swapped, self.RIGHT)[0, 1]
        found = self.points(swapped, half)
        assert found.score == pytest.approx(20 * (0.5 + 0.5 * 0.5 * r), abs=1e-3)
        assert found.status == "partial"

    def test_a_known_mistake_goes_before_them(self) -> None:
        negative = -self.RIGHT
        found = score(negative, expected(self.RIGHT, sign=negative), (mistake("sign", "Signs.", 0.1),), self.ALL)
        assert (found.score, found.hint_id) == (2, "sign")

    @pytest.mark.parametrize("fault", ["raises", "nan", "array"])
    def test_a_check_that_fails_holds_of_nothing(self, fault: str) -> None:
        def check(inputs: Arrays, outputs: Arrays, right: Arrays) -> Verdict:
            if fault == "raises":
                raise ZeroDivisionError
            return Verdict(np.full(2, True) if fault == "array" else np.nan < 1)  # type: ignore[arg-type]

        found = self.points(self.RIGHT + 0.1, (Property("odd", "Odd.", 1.0, check),))
        assert (found.score, found.message) == (0, "Odd.")


class TestBroken:
    LIMITS = Limits(cpu_seconds=30, wall_seconds=60, memory_mb=512)

    @pytest.mark.parametrize(
        ("status", "outcome", "said"),
        [
            ("timeout", {"cpu_s": 30.1, "wall_s": 31.0}, "'Saliency maps' was stopped.*the 30 seconds of computing"),
            ("timeout", {"cpu_s": 0.1, "wall_s": 60.0}, "'Saliency maps' was stopped.*the 60 seconds that it has"),
            ("memory", {}, "Your function used more than the 512 MB"),
            ("crashed", {"detail": "ValueError: x is 3."}, "stopped with an error.*: ValueError: x is 3[.] The end"),
            ("no_output", {}, "without handing over an answer[.] Return the arrays"),
            ("bad_output", {"detail": "outputs.npz is a link"}, "cannot be used: outputs.npz is a link[.]"),
        ],
    )
    def test_every_way_to_break_has_no_points_and_its_sentence(
        self, status: Status, outcome: dict[str, Any], said: str
    ) -> None:
        found = score_task(TASK, INPUTS, Outcome(status, **outcome), None, limits=self.LIMITS)
        assert (found.status, found.score, found.max_score) == (status, 0, 20)
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(found.message)

    @pytest.mark.parametrize(
        ("log", "named"),
        [
            (
                'File "multiprocessing/connection.py", in __init__\n    self._socket = socket.socket()\n'
                "PermissionError: [Errno 1] Operation not permitted\n",
                "num_workers=0",
            ),
            ('File "submission.py", in f\n    open("x")\nPermissionError: [Errno 1] Operation\n', "endless loop"),
            ("", "endless loop"),
        ],
        ids=["workers", "a file", "nothing"],
    )
    def test_a_timeout_is_told_by_what_the_log_shows(self, log: str, named: str) -> None:
        message = score_task(TASK, INPUTS, Outcome("timeout", log_tail=log), None, limits=self.LIMITS).message
        assert [cure for cure in ("num_workers=0", "endless loop") if cure in message] == [named]

    @pytest.mark.parametrize("status", ["timeout", "memory", "crashed", "no_output", "bad_output"])
    def test_arrays_of_a_broken_process_count_for_nothing(self, status: Status) -> None:
        found = score_task(TASK, INPUTS, Outcome(status, {"maps": RIGHT}), expected())
        assert (found.score, found.status) == (0, status)

    def test_a_process_that_says_ok_and_has_no_arrays_gave_no_output(self) -> None:
        assert score_task(TASK, INPUTS, Outcome("ok"), expected()).status == "no_output"

    def test_a_task_that_was_never_run_says_why(self) -> None:
        found = not_run(TASK, "The zip file cannot be read.")
        assert (found.score, found.status, found.message) == (0, "no_output", "The zip file cannot be read.")

    def test_what_student_code_wrote_is_cleaned(self) -> None:
        hostile = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\x00\ud800\u202e\r\n=cmd"
        found = score_task(TASK, INPUTS, Outcome("crashed", detail=hostile, log_tail=hostile + "x" * 2_000_000), None)
        assert len(found.log_tail) <= 64_000
        assert len(found.message) < 600
        assert "\n" not in found.message
        for text in (found.message, found.log_tail):
            assert not set(text) & set("\x1b\x00\x07\r\ud800\u202e")

    def test_measurements_that_are_no_numbers_become_zero(self) -> None:
        found = score_task(TASK, INPUTS, Outcome("crashed", cpu_s=np.nan, wall_s=np.inf, peak_mb=-1), None)
        assert (found.cpu_s, found.wall_s, found.peak_mb) == (0, 0, 0)


def test_the_grader_itself_loads_neither_framework_nor_pictures() -> None:
    modules = ("scoring", "result", "trusted", "soundness", "exporters.gradescope", "exporters.junit",
               "exporters.gradebook", "exporters.feedback_html", "exporters.summary_html")  # fmt: skip
    code = (
        f"import sys; {'; '.join(f'import twinlens.grading.{name}' for name in modules)}; "
        "print([name for name in ('torch', 'paddle', 'matplotlib', 'jinja2') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


class TestSoundness:
    def test_good_cases_have_no_faults(self) -> None:
        assert faults(INPUTS, TestMistakes.ANSWERS, TestMistakes.KNOWN) == []
        check_sound("maps", INPUTS, TestMistakes.ANSWERS, TestMistakes.KNOWN)

    def test_a_mistake_that_equals_the_reference_is_refused(self) -> None:
        for same in (RIGHT, RIGHT + 1.5e-5):
            with pytest.raises(ConfigError, match="Task 'maps': The mistake 'same' cannot be told from the reference"):
                check_sound("maps", INPUTS, expected(same=same), (mistake("same"),))

    @pytest.mark.parametrize(
        ("answers", "known", "properties", "said"),
        [
            (expected(a=NO_ABS, b=NO_ABS + 1e-6), (mistake("a"), mistake("b")), (), "'a' and 'b' cannot be told apart"),
            (expected(a=NO_ABS * np.nan), (mistake("a"),), (), "'a' gives NaN"),
            (expected(), (mistake("a"),), (), "'a' was not computed"),
            (expected(a=NO_ABS), (mistake("a", "At {x}."),), (), "names 'x', which is not measured"),
            (expected(a=NO_ABS), (mistake("a", "At {x"),), (), "cannot be written"),
            (expected(a=NO_ABS), (mistake("a", credit=1.5),), (), "credit of 'a' is 1.5"),
            (expected(np.ones((4, 3))), (), (), "one value everywhere"),
            (expected(), (), (holds_if(lambda *_: False, 1.0),), "does not have the property 'additive'"),
            (expected(), (), (holds_if(lambda *_: True, 1.1),), "shares"),
            (expected(a=NO_ABS), (mistake("a"), mistake("a")), (), "id 'a' is there twice"),
        ],
    )
    def test_every_fault_is_named(self, answers: Expected, known: Any, properties: Any, said: str) -> None:
        assert any(said in fault for fault in faults(INPUTS, answers, known, properties))
