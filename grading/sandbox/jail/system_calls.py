"""Which system calls a student's process may not make: a seccomp filter.

It stands behind the namespaces where there are any, and is what blocks the network and signals to the grader where
there are none.
"""

from __future__ import annotations

import errno
import os
import platform
import struct

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# Numbers on x86_64 and aarch64.
_REFUSED = {
    # the network; files and calls that reach a server without it
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "perf_event_open": (298, 241),
    # memory that no process owns
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # mounts, namespaces, files by handle
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the kernel
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "personality": (135, 92),
}
_CLONE, _CLONE3, _IOCTL = (56, 220), (435, 435), (16, 29)
_FORK = 57  # on x86_64 alone
_NAMESPACE_FLAGS, _FORK_LESS_FLAGS = 0x7E020000, 0x14000  # the latter: a thread, or vfork for another program
_TERMINAL_REQUESTS = (0x5412, 0x541C, 0x540E)  # TIOCSTI, TIOCLINUX, TIOCSCTTY: typing into the grader's terminal
_TO_A_PROCESS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def supported() -> bool:
    """Whether the numbers of this machine's system calls are known."""
    return platform.machine() in _ARCHITECTURES


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value & 0xFFFFFFFF)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)


def _argument(index: int) -> bytes:
    return _step(_LOAD, 16 + 8 * index)


def build_filter(*, own_signals_only: bool, no_forks: bool) -> bytes:
    """The filter as the kernel reads it.

    Parameters
    ----------
    own_signals_only : bool
        Whether signals and limits reach no process but the one that installs the filter: for a student's process that
        runs under the grader's own account and sees the grader.
    no_forks : bool
        Whether it may start threads and programs, but not double itself: for the account 0, whose number of processes
        the kernel does not limit. What programs do is slow enough to be watched.
    """
    column, audit = _ARCHITECTURES[platform.machine()]
    steps = [_step(_LOAD, 4), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, 0)]
    if column == 0:  # the second table of x86_64, that nothing uses
        steps += [_step(_AT_LEAST, 0x40000000, 0, 1), _refuse(errno.EPERM)]
    for numbers in _REFUSED.values():
        steps += [_step(_EQUAL, numbers[column], 0, 1), _refuse(errno.EPERM)]
    # The C library falls back to clone, whose flags can be seen.
    steps += [_step(_EQUAL, _CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]
    if no_forks and column == 0:
        steps += [_step(_EQUAL, _FORK, 0, 1), _refuse(errno.EAGAIN)]
    steps += [
        _step(_EQUAL, _CLONE[column], 0, 6),
        _argument(0),
        _step(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1),
        _refuse(errno.EPERM),
        _step(_ANY_BIT, _FORK_LESS_FLAGS if no_forks else 0xFFFFFFFF, 1, 0),
        _refuse(errno.EAGAIN),
        _step(_RETURN, _ALLOW),
    ]
    requests = len(_TERMINAL_REQUESTS)
    steps += [_step(_EQUAL, _IOCTL[column], 0, 2 * requests + 2), _argument(1)]
    for request in _TERMINAL_REQUESTS:
        steps += [_step(_EQUAL, request, 0, 1), _refuse(errno.EPERM)]
    steps += [_step(_RETURN, _ALLOW)]
    if own_signals_only:
        for name, numbers in _TO_A_PROCESS.items():
            steps += [
                _step(_EQUAL, numbers[column], 0, 5),
                _argument(1 if name == "setpriority" else 0),
                _step(_EQUAL, os.getpid(), 2, 0),
                _step(_EQUAL, 0 if name[:3] in ("prl", "set", "sch") else os.getpid(), 1, 0),
                _refuse(errno.EPERM),
                _step(_RETURN, _ALLOW),
            ]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])
