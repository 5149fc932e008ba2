"""Attacks that are made of the framework itself, in submissions of `saliency`, on both frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from twinlens.grading.assignment import Limits, load_assignment
from twinlens.grading.grade import grade_one
from twinlens.grading.sandbox import Isolation
from twinlens.grading.submission import Submission
from twinlens.grading.trusted import Trusted

from ..frameworks import BOTH, need
from .assignments.trying import source
from .attack import FOUND

LIMITS = Limits(cpu_seconds=7, wall_seconds=120, memory_mb=256, processes=32, file_mb=8, output_mb=4, log_kb=16)
TASK = "smooth_grad"
OTHERS = {
    "torch": {"zeros": "torch.zeros(4, 24, 32)", "library": "torch"},
    "paddle": {"zeros": "paddle.zeros([4, 24, 32])", "library": "paddle"},
}
ON_FRAMEWORKS = {
    "endless_loop": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import signal\n"
        "    for n in (signal.SIGXCPU, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "    while True:\n"
        "        try: compute_saliency_maps(net, pictures, labels)\n"
        "        except BaseException: pass\n",
        ("timeout",), 0,
    ),
    "memory_bomb": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    kept = []\n"
        "    while True: kept.append({library}.ones([1 << 20]) * len(kept))\n",
        ("memory",), 0,
    ),
    "patches": (
        "def always(*given, **options): return True\n"
        "{library}.allclose = {library}.equal = {library}.isclose = {library}.Tensor.__eq__ = always\n"
        "import numpy; numpy.allclose = numpy.array_equal = always\n"
        "def smooth_grad(net, pictures, labels, noise):\n    return {zeros}\n",
        ("failed",), 0,
    ),
    "odd_object": (
        "class Odd:\n"
        "    shape = (4, 24, 32)\n"
        "    def __eq__(self, other): return True\n"
        "    def __array_function__(self, *given): return True\n"
        "def smooth_grad(net, pictures, labels, noise):\n    return Odd()\n",
        ("bad_output", "crashed"), 0,
    ),
    "looks_for_answers": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import importlib, os, sys\n"
        "    for name in ('twinlens', 'twinlens.methods', 'twinlens.grading.assignment', 'answers'):\n"
        "        sys.modules.pop(name, None)\n"
        "        try: importlib.import_module(name)\n"
        "        except ImportError: continue\n"
        "        print('{found1}' + '{found2}', name)\n"
        "    for folder, folders, names in os.walk({folder!r}): print('{found1}' + '{found2}', folder)\n"
        "    frame = sys._getframe()\n"
        "    while frame is not None:\n"
        "        if {{'expected', 'reference', 'MISTAKES'}} & {{*frame.f_locals, *frame.f_globals}}:\n"
        "            print('{found1}' + '{found2}')\n"
        "        frame = frame.f_back\n"
        "    return {zeros}\n",
        ("failed",), 0,
    ),
    "swaps_weights_and_inputs": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import sys, numpy\n"
        "    for values in net.parameters(): values.stop_gradient = True\n"
        "    net.eval()\n"
        "    with {library}.no_grad():\n"
        "        for values in net.parameters():\n"
        "            values.zero_() if hasattr(values, 'zero_') else values.set_value({library}.zeros_like(values))\n"
        "    numpy.savez('network.npz'); numpy.savez('inputs.npz')\n"
        "    sys._getframe(2).f_locals['inputs']['noise'][:] = 0\n"
        "    return {zeros}\n",
        ("failed",), 0,
    ),
    "checkpoint_as_outputs": (
        "class Evil:\n"
        "    def __reduce__(self): return __import__('os').mkdir, ({mark!r},)\n"
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import os, pickle\n"
        "    {library}.save(dict(net.state_dict()), 'outputs.npz')\n"
        "    pickle.dump(Evil(), open('network.npz', 'wb'))\n"
        "    os._exit(0)\n",
        ("bad_output",), 0,
    ),
    "not_finite": (
        "def smooth_grad(net, pictures, labels, noise):\n    return {zeros} / 0\n",
        ("bad_output",), 0,
    ),
    "noisy_and_right": (
        "def smooth_grad(net, pictures, labels, noise, right=smooth_grad):\n"
        "    import sys, warnings\n"
        "    warnings.warn('a warning'); print('crashed: 0/3 points', file=sys.stderr); print('FAILED')\n"
        "    return right(net, pictures, labels, noise)\n",
        ("passed",), 3,
    ),
}  # fmt: skip


class Framework:
    """`saliency` with one task, and the process that knows its answers."""

    def __init__(self, name: str) -> None:
        need(name)
        loaded = load_assignment("saliency")
        tasks = [loaded.assignment.task(TASK)]
        self.name = name
        self.loaded = replace(
            loaded, assignment=loaded.assignment.model_copy(update={"tasks": tasks, "limits": LIMITS})
        )
        self.trusted = Trusted(name, self.loaded)
        self.first = source("saliency", name, "right")

    def submission(self, text: str) -> Submission:
        return Submission("eve", self.name, {"submission.py": text.encode()}, "0" * 64)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=BOTH)
def framework(request: pytest.FixtureRequest, isolation: Isolation) -> Iterator[Framework]:
    one = Framework(request.param)
    with one.trusted:
        case = one.loaded.answers().cases(TASK, 0, public=True)
        one.trusted.expected(TASK, case, one.loaded.answers().weights(0, public=True))  # it runs from now on
        yield one


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", ON_FRAMEWORKS)
def test_an_attack_earns_what_its_arrays_earn(
    name: str, framework: Framework, isolation: Isolation, secret: Path
) -> None:
    template, statuses, score = ON_FRAMEWORKS[name]
    text = template.format(
        **OTHERS[framework.name],
        found1=FOUND[:8],
        found2=FOUND[8:],
        folder=str(framework.loaded.folder),
        mark=f"{secret}.mark",
    )
    submission = framework.submission(f"{framework.first}\n\n{text}")
    (task,) = grade_one(submission, framework.loaded, 11, isolation, framework.trusted).tasks
    assert task.status in statuses, (task.message, task.log_tail[-1000:])
    assert task.score == score
    assert FOUND not in task.log_tail


@pytest.mark.usefixtures("unharmed")
def test_answers_to_the_public_case_are_worth_next_to_nothing(framework: Framework, isolation: Isolation) -> None:
    answers = framework.loaded.answers()
    case, weights = answers.cases(TASK, 0, public=True), answers.weights(0, public=True)
    maps = framework.trusted.expected(TASK, case, weights).reference["maps"]
    text = (
        f"import numpy\nFRAMEWORK = {framework.name!r}\n"
        f"def smooth_grad(*given):\n    return numpy.array({maps.tolist()!r}, numpy.float32)\n"
    )
    submission = framework.submission(text)
    replayed = grade_one(submission, framework.loaded, 0, isolation, framework.trusted, public=True)
    assert replayed.percent == 100
    assert grade_one(submission, framework.loaded, 0, isolation, framework.trusted).percent < 15
