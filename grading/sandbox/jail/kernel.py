"""The system calls that Python's standard library lacks."""

from __future__ import annotations

import ctypes
import os
import sys

LINUX = sys.platform == "linux"

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_READONLY = 32, 4096, 16384, 1 << 18, 1
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
ATTR_READONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""Mounts, host name, inter-process communication, users, processes, network."""

_MOUNT_SETATTR = 442  # the same number on every architecture
_PDEATHSIG, _DUMPABLE, _KEEPCAPS, _SECCOMP, _BOUNDING_DROP = 1, 4, 8, 22, 24
_SUBREAPER, _NO_NEW_PRIVILEGES, _AMBIENT = 36, 38, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR = 2, 4
_CAPABILITY_VERSION_3 = 0x20080522
READ_SEARCH = 2
"""The capability to read every file."""

_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def _call(name: str, *arguments: object) -> int:
    if _libc is None:
        raise OSError(f"{name} is a call of Linux")
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _prctl(option: int, *values: int) -> int:
    padded = [*values, *[0] * (4 - len(values))]
    return _call("prctl", option, *map(ctypes.c_ulong, padded))


def die_with_parent(signal_number: int) -> None:
    """Be sent a signal when the thread that started this process ends."""
    _prctl(_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own: daemons cannot get away."""
    _prctl(_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same account may look into this one's memory and environment."""
    _prctl(_DUMPABLE, int(dumpable))


def no_new_privileges() -> None:
    """Make set-uid programs harmless for this process and all that it starts."""
    _prctl(_NO_NEW_PRIVILEGES, 1)


def keep_capabilities() -> None:
    """Do not lose them with the next change of the account."""
    _prctl(_KEEPCAPS, 1)


def drop_bounding_set(*kept: int) -> None:
    """No program that is started from here on gains a capability, but for these."""
    for capability in sorted(set(range(64)) - set(kept)):
        try:
            _prctl(_BOUNDING_DROP, capability)
        except OSError:  # beyond the last one, or not allowed: then there are none to drop
            return


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def set_capabilities(*capabilities: int) -> None:
    """Have these capabilities and no others."""
    mask = sum(1 << capability for capability in capabilities)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    _call("capset", ctypes.byref(header), ctypes.byref(data))


def raise_ambient(capability: int) -> None:
    """Keep a capability through the start of another program."""
    _prctl(_AMBIENT, _AMBIENT_RAISE, capability)


def clear_ambient() -> None:
    """Take no capability along into another program."""
    _prctl(_AMBIENT, _AMBIENT_CLEAR)


def unshare(flags: int) -> None:
    """Leave the namespaces of the parent."""
    _call("unshare", ctypes.c_int(flags))


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    _call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if data is None else data.encode(),
    )


class _MountAttributes(ctypes.Structure):
    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    ]


def protect_mount(target: str, attributes: int, *, recursive: bool) -> None:
    """Add attributes such as read-only to a mount, and to all below it."""
    wanted = _MountAttributes(attributes, 0, 0, 0)
    _call(
        "syscall",
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(AT_RECURSIVE if recursive else 0),
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )


def enter_root(folder: str) -> None:
    """Make a mounted folder the root, with nothing of the old root left."""
    os.chdir(folder)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", ctypes.c_int(MNT_DETACH))
    os.chdir("/")


def install_filter(program: bytes) -> None:
    """Have the kernel refuse system calls, for good."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    buffer = ctypes.create_string_buffer(program, len(program))
    wanted = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_SECCOMP, 2, ctypes.addressof(wanted))
