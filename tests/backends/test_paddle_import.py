"""Importing Paddle through the backend changes nothing else in the process, and lets Paddle use all cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from twinlens.backends import paddle_import

from ..frameworks import need, paddle

SCRIPT = """
import json, logging, os, signal, sys, warnings
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
root = logging.getLogger()
root.setLevel(logging.ERROR)
root.addHandler(logging.NullHandler())
environment, handlers = dict(os.environ), list(root.handlers)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from twinlens.backends import get_backend
    backend = get_backend("paddle")
signal.raise_signal(signal.SIGTERM)
print(json.dumps({
    "heard": heard,
    "changed": [k for k in ("OMP_NUM_THREADS", "GLOG_minloglevel") if environment.get(k) != os.environ.get(k)],
    "level": root.level,
    "handlers": root.handlers == handlers,
    "warnings": [str(w.message) for w in caught if "ccache" in str(w.message)],
    "frameworks": sorted({"torch", "paddle"} & set(sys.modules)),
    "sum": float(backend.numpy(backend.sum(backend.asarray([1.0, 2.0])))),
}))
"""


@pytest.mark.parametrize("asked", [{}, {"OMP_NUM_THREADS": "1", "GLOG_minloglevel": "1"}], ids=["unset", "set"])
def test_the_import_leaves_environment_logger_warnings_and_signals_as_they_were(asked: dict[str, str]) -> None:
    need("paddle")
    clean = {key: value for key, value in os.environ.items() if key not in ("OMP_NUM_THREADS", "GLOG_minloglevel")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env={**clean, **asked}
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "heard": ["SIGTERM"],
        "changed": [],
        "level": 40,
        "handlers": True,
        "warnings": [],
        "frameworks": ["paddle"],
        "sum": 3.0,
    }


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What Paddle is told."""
    told: list[int] = []
    monkeypatch.setattr(paddle.base.core, "set_num_threads", told.append)
    monkeypatch.setattr(paddle_import, "_cores", lambda: 6)
    return told


@pytest.mark.parametrize(
    ("asked", "count"), [(None, 6), ("2", 2), ("3,1", 3), ("1", 6), ("0", 6), ("many", 6), ("", 6), ("-1", 6)]
)
def test_an_imported_paddle_uses_all_cores_or_as_many_as_asked_for(
    threads: list[int], monkeypatch: pytest.MonkeyPatch, asked: str | None, count: int
) -> None:
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert paddle_import.import_paddle() is paddle
    assert threads == [count]


def test_all_cores_are_those_that_the_process_may_use() -> None:
    assert 1 <= paddle_import._cores() <= (os.cpu_count() or 1)
