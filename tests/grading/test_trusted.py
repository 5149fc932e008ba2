"""The process that knows the answers: arrays in, arrays out, and it comes back when it has died."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from twinlens.backends import wrap
from twinlens.errors import ConfigError
from twinlens.grading.npz_pipe import receive, send
from twinlens.grading.trusted import Trusted
from twinlens.models.user_file import module_of

from ..frameworks import ANY, BOTH, need
from .tiny_assignment import inputs, odd, weights, write_assignment


@pytest.fixture(scope="module", params=BOTH)
def trusted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusted]:
    need(request.param)
    with Trusted(request.param, write_assignment(tmp_path_factory.mktemp("tiny"))) as running:
        yield running


class TestExpected:
    def test_the_reference_is_float64_with_a_gap_of_float32_size_and_every_mistake(self, trusted: Trusted) -> None:
        found = trusted.expected("gradient", inputs(), weights())
        assert found.reference["maps"].dtype == np.float64
        assert found.reference["maps"].shape == (4, 6, 5)
        assert 0 < found.gap["maps"] < 1e-5
        assert set(found.mistakes) == {"spoils", "no_abs"}
        assert np.abs(found.reference["maps"]).max() > 0

    def test_a_mistake_that_spoils_its_network_leaves_the_next_one_alone(self, trusted: Trusted) -> None:
        found = trusted.expected("gradient", inputs(), weights())
        assert not found.mistakes["spoils"]["maps"].any()
        no_abs, right = found.mistakes["no_abs"]["maps"], found.reference["maps"]
        assert (no_abs <= right + 1e-12).all()
        assert np.allclose(no_abs, right, atol=1e-12, rtol=0) is False
        assert np.isclose(no_abs, right).any()

    def test_the_same_question_gives_the_same_answer(self, trusted: Trusted) -> None:
        first, second = (trusted.expected("gradient", inputs(), weights()) for _ in range(2))
        assert np.array_equal(first.reference["maps"], second.reference["maps"])

    def test_it_is_what_the_protocol_gives_in_this_process(self, trusted: Trusted, tmp_path: Path) -> None:
        network = module_of(str(write_assignment(tmp_path).folder / "network.py"))
        model = wrap(network.build(trusted.framework), dtype="float64")
        model.load_state(weights())
        gradient = model.gradient(inputs()["pictures"], target=inputs()["labels"].tolist())
        found = trusted.expected("gradient", inputs(), weights()).reference["maps"]
        np.testing.assert_allclose(found, np.abs(gradient).max(1), rtol=0, atol=1e-12 * np.abs(found).max())

    def test_only_its_own_framework_is_loaded(self, trusted: Trusted) -> None:
        line = "import sys; return {'maps': np.array([name in sys.modules for name in ('torch', 'paddle')])}"
        found = trusted.expected("odd", odd(line), weights()).reference["maps"]
        assert found.tolist() == [trusted.framework == name for name in BOTH]


class TestFailures:
    def test_answers_that_fail_are_named_in_one_line_and_the_process_goes_on(self, trusted: Trusted) -> None:
        with pytest.raises(ConfigError, match=r"reference of task 'odd' fails on .*ValueError: no such luck") as caught:
            trusted.expected("odd", odd("raise ValueError('no such luck')"), weights())
        assert "\n" not in str(caught.value)
        assert trusted.expected("gradient", inputs(), weights()).mistakes

    def test_a_killed_process_is_started_again(self, trusted: Trusted) -> None:
        trusted.expected("gradient", inputs(), weights())
        process = trusted._process
        assert process is not None
        process.kill()
        process.wait()
        assert trusted.expected("gradient", inputs(), weights()).mistakes
        assert trusted._process is not process

    def test_wrong_weights_are_named(self, trusted: Trusted) -> None:
        with pytest.raises(ConfigError, match="bias"):
            trusted.expected("gradient", inputs(), {k: v for k, v in weights().items() if k != "4.bias"})

    def test_an_unknown_task_is_refused(self, trusted: Trusted) -> None:
        with pytest.raises(ConfigError, match="'gradient'"):
            trusted.expected("gradients", inputs(), weights())

    def test_inputs_that_hold_objects_are_refused_before_they_are_pickled(self, trusted: Trusted) -> None:
        with pytest.raises(ConfigError, match="holds object"):
            trusted.expected("gradient", {"pictures": np.array([{}, None])}, weights())
        assert trusted.expected("gradient", inputs(), weights()).mistakes

    def test_answers_that_end_the_process_are_reported_after_a_second_try(
        self, trusted: Trusted, tmp_path: Path
    ) -> None:
        tries = tmp_path / "tries"
        line = f"open({str(tries)!r}, 'a').write('x'); os.write(2, b'out of luck'); os._exit(7)"
        with pytest.raises(ConfigError, match=r"ended their process on .*exit code 7: out of luck"):
            trusted.expected("odd", odd(line), weights())
        assert tries.read_text() == "xx"
        assert trusted.expected("gradient", inputs(), weights()).mistakes

    def test_answers_that_hang_are_stopped(self, trusted: Trusted) -> None:
        trusted.expected("gradient", inputs(), weights())
        trusted.seconds, before = 0.5, trusted.seconds
        try:
            with pytest.raises(ConfigError, match=r"more than 0\.5 seconds"):
                trusted.expected("odd", odd("import time; time.sleep(600)"), weights())
        finally:
            trusted.seconds = before

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("return {'other': np.ones(3)}", r"gives \['other'\], the task names \['maps'\]"),
            ("return {'maps': np.array([None, 'x'])}", "as object"),
            ("return {'maps': np.array([1.0, np.nan])}", "NaN"),
            ("return {'maps': np.ones((0, 3))}", "empty"),
            ("return None", "AttributeError"),
            ("raise SystemExit(3)", "SystemExit"),
        ],
    )
    def test_answers_that_cannot_be_compared_with_are_refused(self, trusted: Trusted, line: str, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            trusted.expected("odd", odd(line), weights())

    def test_answers_that_cannot_be_imported_are_named(self, tmp_path: Path) -> None:
        loaded = write_assignment(tmp_path, answers="import no_such_thing")
        with Trusted(ANY, loaded) as running, pytest.raises(ConfigError, match="no_such_thing"):
            running.expected("gradient", inputs(), weights())

    def test_closing_leaves_no_process_and_a_later_call_starts_one(self, trusted: Trusted) -> None:
        trusted.expected("gradient", inputs(), weights())
        process = trusted._process
        assert process is not None
        trusted.close()
        trusted.close()
        assert process.poll() is not None
        assert trusted.expected("gradient", inputs(), weights()).mistakes


class TestMessages:
    def test_names_may_be_anything(self) -> None:
        stream = io.BytesIO()
        arrays = {"": np.arange(3), "../x.npy": np.array(2.5), "file": np.ones((0, 2), bool), "ü/\n": np.zeros(1)}
        send(stream, {"task": "a"}, {"inputs": arrays, "none": {}})
        stream.seek(0)
        values, groups = receive(stream)
        assert values == {"task": "a"}
        assert list(groups) == ["inputs", "none"]
        for name, array in arrays.items():
            assert np.array_equal(groups["inputs"][name], array)
            assert groups["inputs"][name].dtype == array.dtype

    def test_half_a_message_is_no_message(self) -> None:
        stream = io.BytesIO()
        send(stream, {}, {"inputs": {"x": np.ones(100)}})
        with pytest.raises(EOFError):
            receive(io.BytesIO(stream.getvalue()[:-1]))

    def test_objects_are_not_sent(self) -> None:
        with pytest.raises(ValueError, match="holds object"):
            send(io.BytesIO(), {}, {"inputs": {"x": np.array([os])}})
