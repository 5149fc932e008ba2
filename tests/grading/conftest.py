"""What hostile submissions aim at: a grader with a secret file, a secret in its environment, and a server."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.grading.sandbox import Isolation, SandboxError, probe

from .attack import Attack
from .handed_in import write
from .hostile_submissions import attacks
from .sandbox.conftest import left_behind


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    """A sandbox that keeps everything off; without one the test is skipped."""
    try:
        found = probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")
    if found.weak or found.no_forks:
        pytest.skip(f"this machine's sandbox is weak: {found.name}")
    return found


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secret")
    return write(folder, {"answers.txt": "the answers"}) / "answers.txt"


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture(scope="module")
def known_attacks(secret: Path, server: socket.socket) -> dict[str, Attack]:
    return {attack.name: attack for attack in attacks(os.getpid(), server.getsockname()[1], str(secret))}


def state_of_this_process() -> dict[str, Any]:
    """What an attack on the grader would change."""
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE)
    return {
        "process": os.getpid(),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "masked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "limits": [resource.getrlimit(kind) for kind in kinds],
        "folder": os.getcwd(),
        "path": list(sys.path),
        "functions": (np.allclose, np.load, np.asarray, isinstance, np.testing.assert_allclose),
        "open files": len(os.listdir("/proc/self/fd")),
    }


@contextmanager
def nothing_harmed(secret: Path, server: socket.socket) -> Iterator[None]:
    """This process, its files and its network stay as they are while something is graded, and no process is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINLENS_TEST_SECRET", "of the grader")
        before = state_of_this_process()
        yield
        assert state_of_this_process() == before
    assert left_behind() == []
    assert [path.name for path in secret.parent.iterdir()] == ["answers.txt"]
    assert secret.read_text() == "the answers"
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.fixture
def unharmed(secret: Path, server: socket.socket, isolation: Isolation) -> Iterator[None]:
    with nothing_harmed(secret, server):
        yield
