"""The file system of a student's process in the namespaces tier: built from nothing.

What is not named is not there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import kernel

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "fonts")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PROCESSORS = "/sys/devices/system/cpu"  # read by the frameworks to choose their instructions
_SCRATCH = "size=16m,mode=1777"


def build_root(root: str, work: str, inside: str, visible: Sequence[str], hidden: Sequence[str]) -> None:
    """Mount a new root and enter it.

    Parameters
    ----------
    root : str
        An empty folder to mount on.
    work : str
        The work folder: all that can be written.
    inside : str
        Where the work folder is to be seen.
    visible : sequence of str
        Folders shown, read-only.
    hidden : sequence of str
        What is covered where it lies within one of those.
    """
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=4m,mode=755")
    for path in ("/tmp", "/dev/shm"):
        os.makedirs(root + path)
        kernel.mount("tmpfs", root + path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, _SCRATCH)
    settings = [f"/etc/{name}" for name in _SETTINGS]
    shown = {*_SYSTEM, *settings, _PROCESSORS, *visible}
    for path, show in sorted([*((path, True) for path in shown), *((path, False) for path in hidden)]):
        if not show:
            _cover(root, path, shown)
        elif os.path.lexists(path):
            _show(root, path)
    _write(root + "/etc/passwd", "student:x:1000:1000::/student:/bin/sh\n")
    _write(root + "/etc/group", "student:x:1000:\n")
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"{root}/dev/{name}")
    os.symlink("/proc/self/fd", root + "/dev/fd")
    os.makedirs(root + "/proc", exist_ok=True)
    kernel.mount("proc", root + "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    os.makedirs(root + inside, exist_ok=True)
    kernel.mount(work, root + inside, None, kernel.MS_BIND)
    kernel.protect_mount(root + inside, kernel.ATTR_NOSUID | kernel.ATTR_NODEV, recursive=False)
    kernel.enter_root(root)
    kernel.protect_mount("/", kernel.ATTR_READONLY, recursive=False)


def _show(root: str, path: str) -> None:
    if os.path.islink(path) and "/" not in path.strip("/"):  # /bin -> usr/bin
        os.symlink(os.readlink(path), root + path)
        return
    _bind(path, root + path)
    kernel.protect_mount(root + path, kernel.ATTR_READONLY | kernel.ATTR_NOSUID, recursive=True)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        _write(target, "")
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)


def _cover(root: str, path: str, shown: set[str]) -> None:
    """Cover a path that lies within a shown one; elsewhere there is nothing of it."""
    if not any(path.startswith(parent.rstrip("/") + "/") for parent in shown) or not os.path.exists(root + path):
        return
    if os.path.isdir(root + path):
        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", root + path, "tmpfs", flags, "size=64k,mode=755")
        if not any(inner.startswith(path.rstrip("/") + "/") for inner in shown):
            kernel.protect_mount(root + path, kernel.ATTR_READONLY, recursive=False)
    else:
        kernel.mount("/dev/null", root + path, None, kernel.MS_BIND)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
