"""What a student's process sees, where the tier has a file system of its own; and what is said where it has not."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

import twinlens
from twinlens.grading.sandbox import Isolation, probe
from twinlens.grading.sandbox.isolation import NAMES, SandboxError

from .conftest import IDLE, Run, need_tier


@pytest.fixture(params=["A", "B"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return need_tier(request.param)


def look(run: Run, code: str, **more: object) -> None:
    """Run lines in the place of a submission that must not fail."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    outcome = run(f"import os, sys\nfrom pathlib import Path\ndef answer(x):\n{lines}    return x\n", **more)
    assert outcome.status == "ok", outcome


def test_neither_source_nor_home_nor_temporary_files_are_seen(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("answers")
    own = Path(twinlens.__file__).parent
    paths = [own, own.parent / "grading", Path.home() / ".bashrc", tmp_path, Path(__file__), Path("/etc/shadow")]
    look(run, f"assert not list(filter(os.path.exists, {list(map(str, paths))})), 'seen'")


@pytest.mark.parametrize("name", ["yaml", "yaml/__init__.py"])
def test_what_is_hidden_among_the_visible_is_empty(run: Run, name: str) -> None:
    place = Path(sysconfig.get_path("purelib"), name)
    assert place.exists()
    look(
        run,
        f"place = Path({str(place)!r})\n"
        "assert place.parent.is_dir()\n"
        "try: assert not (list(place.iterdir()) if place.is_dir() else place.read_bytes())\n"
        "except PermissionError: pass",
        hidden=[place],
    )


def test_only_the_work_folder_and_scratch_can_be_written(run: Run) -> None:
    prefix = os.path.realpath(sysconfig.get_path("purelib"))
    look(
        run,
        "open('here', 'w').close()\n"
        f"for folder in ('/', '/usr', '/usr/lib', '/etc', '/proc', '/dev', {prefix!r}):\n"
        "    try: open(folder + '/mark', 'w')\n"
        "    except OSError: continue\n"
        "    raise RuntimeError(folder)",
    )


def test_the_scratch_folders_are_small(run: Run) -> None:
    look(
        run,
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    if not os.access(folder, os.W_OK): continue\n"
        "    space = os.statvfs(folder)\n"
        "    assert space.f_blocks * space.f_frsize <= 64 << 20, folder",
    )


def test_there_are_no_disks_and_no_other_processes(run: Run) -> None:
    look(
        run,
        "import stat\n"
        "assert not [n for n in os.listdir('/dev') if stat.S_ISBLK(os.lstat('/dev/' + n).st_mode)]\n"
        "assert len(list(filter(str.isdigit, os.listdir('/proc')))) <= 4\n"
        "assert os.getcwd() == '/student'",
    )


def test_it_has_no_rights_and_gets_none(run: Run) -> None:
    look(
        run,
        "status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)\n"
        "assert all(int(status[f'Cap{kind}'], 16) == 0 for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb'))\n"
        "assert status['NoNewPrivs'].strip() == '1' and status['Seccomp'].strip() == '2'\n"
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.unshare(0x10000000) == -1 and libc.umount2(b'/tmp', 2) == -1\n"
        "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1 and libc.chroot(b'/tmp') == -1",
    )


def test_the_weak_tier_says_what_does_not_hold() -> None:
    weak = need_tier("C")
    assert weak.weak
    assert not weak.holds("processes")
    barriers = weak.record()["barriers"]
    assert isinstance(barriers, dict)
    assert all(barrier["how"] for barrier in barriers.values())


def test_the_strong_tiers_hold_all_they_are_asked_for(isolation: Isolation) -> None:
    assert [barrier.id for barrier in isolation.barriers if not barrier.holds] == []
    assert not isolation.weak


def test_on_windows_it_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinlens.grading.sandbox.isolation.os.name", "nt")
    with pytest.raises(SandboxError, match="Windows"):
        probe.__wrapped__()
    assert probe.__wrapped__(allow_none=True).name == NAMES["D"]


@pytest.mark.parametrize("isolation", [Isolation("D")], indirect=False)
def test_without_barriers_time_is_still_bounded(run: Run, isolation: Isolation) -> None:
    assert isolation.weak
    assert run("def answer(x):\n    return x\n").status == "ok"
    assert run("import time\ndef answer(x):\n    time.sleep(100)\n", limits=IDLE).status == "timeout"
