"""Import Paddle and undo what its import does to the rest of the process."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
import warnings
from types import ModuleType


def import_paddle() -> ModuleType:
    """Import Paddle, leaving ``OMP_NUM_THREADS``, the root logger and SIGTERM as they were, and let it use all cores.

    Importing Paddle sets ``OMP_NUM_THREADS=1`` (child processes then run on one core), adds a handler to the root
    logger and sets its level, warns about a missing ccache, takes signals from whoever handles them in Python, and
    leaves Paddle on a single thread.
    """
    if "paddle" in sys.modules:
        # Whoever imported it before us left Paddle's own "1" in the environment: it says nothing about the user's wish.
        asked = os.environ.get("OMP_NUM_THREADS")
        return _with_threads(sys.modules["paddle"], None if asked == "1" else asked)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    threads, verbosity = os.environ.get("OMP_NUM_THREADS"), os.environ.get("GLOG_minloglevel")
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No ccache found")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            paddle = importlib.import_module("paddle")
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        _set_environment("OMP_NUM_THREADS", threads)
        _set_environment("GLOG_minloglevel", verbosity)
    _give_back_termination(paddle)
    return _with_threads(paddle, threads)


def _give_back_termination(paddle: ModuleType) -> None:
    """Let the Python function that handles SIGTERM be called again, as when a command clears up before it ends."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler) and threading.current_thread() is threading.main_thread():
        paddle.disable_signal_handler()
        signal.signal(signal.SIGTERM, handler)


def _with_threads(paddle: ModuleType, asked: str | None) -> ModuleType:
    first = (asked or "").split(",")[0]
    count = int(first) if first.isdigit() and int(first) > 0 else _cores()
    paddle.base.core.set_num_threads(count)
    return paddle


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _set_environment(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
