"""Submissions that attack the grader, by their number in the list of known attacks.

Each has two functions of the small assignment in ``assignment_folders/tables``: the attack in ``doubled`` (4 points),
and a right ``centred`` (6 points), whose points no attack may cost or be paid with.
"""

from __future__ import annotations

import io
import os
import stat
import textwrap
import zipfile

from twinlens.grading.start import PUBLIC_SEED

from .attack import FOUND, Attack
from .handed_in import CENTRED, DOUBLED, code, tables

_SHADOWS = (
    "numpy", "json", "sitecustomize", "usercustomize", "conftest", "runner", "driver", "network", "torch", "paddle",
    "twinlens",
)  # fmt: skip
_HEAD = f"""
import ctypes, gc, importlib, io, json, os, pickle, resource, signal, socket, subprocess, sys, threading, time, zipfile
import numpy as np
def found(what):
    print("{FOUND[:8]}" + "{FOUND[8:]}", what, flush=True)
def attempt(function, *arguments):
    try: function(*arguments)
    except (OSError, ImportError, AttributeError, ValueError, TypeError): return
    found((function, arguments))
"""


def _attack(
    number: int, id: str, body: str, *statuses: str, score: float = 0.0, wall_seconds: float = 30.0, top: str = ""
) -> Attack:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    text = code(_HEAD + textwrap.dedent(top), f"def doubled(table):\n{lines}\n", CENTRED)
    return Attack(number, id, text, statuses, score, "passed", wall_seconds)


def _hand_over(number: int, id: str, body: str) -> Attack:
    """Writes ``outputs.npz`` itself and ends."""
    return _attack(number, id, f"{textwrap.dedent(body).strip()}\nos._exit(0)", "bad_output")


_OUTPUTS = """
def packed(header, data=b"", name="doubled.npy"):
    with zipfile.ZipFile("outputs.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"\\x93NUMPY\\x01\\x00" + len(header).to_bytes(2, "little") + header + data)
"""


def attacks(grader: int, port: int, secret: str) -> list[Attack]:
    """All attacks but those that are refused before they run.

    Parameters
    ----------
    grader : int
        The grader's process.
    port : int
        Where something listens on this machine.
    secret : str
        Path of a file that only the grader is to see.
    """
    public_table = tables().answers().cases("doubled", PUBLIC_SEED, public=True)["table"]
    return [
        _attack(1, "loop", "while True: pass", "timeout"),
        _attack(
            2,
            "loop_that_catches_everything",
            """
            for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    while True: pass
                except BaseException: pass
            """,
            "timeout",
        ),
        _attack(3, "sleep", "time.sleep(1000)", "timeout", wall_seconds=4),
        _attack(4, "memory_bomb", "kept = []\nwhile True: kept.append(bytearray(4 << 20))", "memory"),
        _attack(
            5,
            "fork_bomb",
            """
            for _ in range(40):
                try:
                    if os.fork() == 0: time.sleep(100)
                except OSError: pass
            time.sleep(100)
            """,
            "crashed",
            "timeout",
            wall_seconds=4,
        ),
        _attack(
            6,
            "daemon_rewrites_outputs",
            """
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for _ in range(500):
                        time.sleep(0.02)
                        if os.path.exists("outputs.npz"):
                            time.sleep(1)
                            open("outputs.npz", "wb").write(b"spoilt")
                os._exit(0)
            os.wait()
            return 2 * table
            """,
            "passed",
            score=4,
        ),
        _attack(
            6,
            "daemon_goes_on_computing",
            """
            if os.fork() == 0:
                os.setsid()
                time.sleep(1)
                np.savez("outputs.npz", doubled=2 * table)
                os._exit(0)
            os._exit(0)
            """,
            "no_output",
        ),
        _attack(7, "endless_output", "while True: print('z' * 100_000)", "timeout", wall_seconds=4),
        _attack(7, "much_output", "print('z' * 3_000_000)\nreturn 2 * table", "passed", score=4),
        _hand_over(
            8,
            "bomb_of_zeros",
            """
            with zipfile.ZipFile("outputs.npz", "w", zipfile.ZIP_DEFLATED) as archive:
                with archive.open("doubled.npy", "w") as member:
                    for _ in range(40): member.write(bytes(1 << 20))
            """,
        ),
        _attack(9, "exit_in_function", "os._exit(0)", "no_output"),
        Attack(9, "exit_at_once", code("import os\nos._exit(0)", DOUBLED, CENTRED), ("no_output",), 0, "no_output"),
        _attack(
            10,
            "forged_output",
            """
            for line in ('{"ended": 0, "cpu": 0, "peak_kb": 0}', '{"score": 4, "status": "passed"}', "told: {}",
                         "4/4 passed", "OK", "##[result]{}"):
                print(line, flush=True); print(line, file=sys.stderr, flush=True)
                for descriptor in range(3, 32):
                    try: os.write(descriptor, line.encode() + b"\\n")
                    except OSError: pass
            return np.zeros_like(table)
            """,
            "failed",
        ),
        _attack(
            11,
            "writes_results",
            """
            text = json.dumps({"schema": "result/1", "score": 10, "max_score": 10, "status": "passed", "tests": []})
            for name in ("results.json", "result.json", "journal.jsonl", "gradebook.csv", "../results.json",
                         "/autograder/results/results.json", "/tmp/results.json"):
                try: open(name, "w").write(text)
                except OSError: pass
            os._exit(0)
            """,
            "no_output",
        ),
        _attack(
            12,
            "patches",
            """
            return np.zeros_like(table)
            """,
            "failed",
            top="""
            np.allclose = np.array_equal = np.isclose = np.all = lambda *given, **options: True
            np.testing.assert_allclose = np.testing.assert_array_equal = lambda *given, **options: None
            import builtins, traceback, unittest
            builtins.isinstance = lambda *given, own=isinstance: own(*given)
            unittest.TestCase.assertEqual = unittest.TestCase.assertTrue = lambda *given: None
            """,
        ),
        _attack(
            13,
            "equal_to_everything",
            """
            class Equal:
                shape, dtype, size, ndim = table.shape, table.dtype, table.size, table.ndim
                def __eq__(self, other): return True
                def __array_function__(self, function, types, arguments, options): return True
                def __array_ufunc__(self, function, method, *inputs, **options): return np.True_
                def __reduce__(self): return (str, ("equal",))
                def __len__(self): return 4
                def __getitem__(self, place): raise IndexError
                __hash__ = None
            return Equal()
            """,
            "bad_output",
            "crashed",
        ),
        _attack(
            14,
            "pickle_in_array",
            f"""
            class Evil:
                def __reduce__(self): return os.mkdir, ({secret + ".mark"!r},)
            return np.array([[Evil()] * 7] * 4, dtype=object)
            """,
            "bad_output",
        ),
        *[
            _attack(15, f"header_{name}", f"packed({header!r}, bytes(112))\nos._exit(0)", "bad_output", top=_OUTPUTS)
            for name, header in {
                "huge": b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 7), }\n",
                "negative": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -7), }\n",
                "overflow": b"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n",
                "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (14,), }\n",
                "code": b"{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (28,), }\n",
            }.items()
        ],
        _hand_over(16, "link_to_inputs", 'os.symlink("inputs.npz", "outputs.npz")'),
        _hand_over(16, "link_to_secret", f'os.symlink({secret!r}, "outputs.npz")'),
        _hand_over(16, "second_name", 'os.link("inputs.npz", "outputs.npz")'),
        _hand_over(17, "pipe", 'os.mkfifo("outputs.npz")'),
        _hand_over(17, "folder", 'os.mkdir("outputs.npz")'),
        _attack(
            18,
            "looks_for_answers",
            f"""
            for name in ("twinlens", "twinlens.grading.assignment", "twinlens.methods", "answers", "grading"):
                sys.modules.pop(name, None)
                attempt(importlib.import_module, name)
            attempt(open, {secret!r})
            for top in ("/work", "/home", "/root", "/tmp", "/srv", "/opt", "/mnt", "/autograder"):
                for folder, folders, names in os.walk(top):
                    folders[:] = set(folders) - {{"torch", "paddle", "scipy", "sympy", "nvidia", "triton"}}
                    for name in {{"answers.py", "right.py", "assignment.yaml", "journal.jsonl"}} & set(names):
                        try:
                            if open(os.path.join(folder, name), "rb").read(): found((folder, name))
                        except OSError: pass
            return np.zeros_like(table)
            """,
            "failed",
        ),
        _attack(
            19,
            "walks_frames_and_memory",
            """
            frame, arrays = sys._getframe(), []
            while frame is not None:
                for values in (frame.f_locals, frame.f_globals):
                    for name, value in list(values.items()):
                        if any(word in str(name).lower() for word in ("expected", "reference", "answers", "mistake")):
                            found(name)
                        arrays += [value] if isinstance(value, np.ndarray) else []
                frame = frame.f_back
            for thing in gc.get_objects():
                if isinstance(thing, dict):
                    arrays += [value for value in list(thing.values()) if isinstance(value, np.ndarray)]
            others = [a for a in arrays if a.shape == table.shape and not np.array_equal(a, table)]
            return others[0] if others else np.zeros_like(table)
            """,
            "failed",
        ),
        _attack(
            20,
            "reads_the_grader",
            f"""
            for process in {{str(os.getppid()), "{grader}", "1"}} | set(filter(str.isdigit, os.listdir("/proc"))):
                for name in ("environ", "mem", "maps", "cmdline", "fd/0", "cwd/task.json"):
                    try: content = open(f"/proc/{{process}}/{{name}}", "rb").read(1 << 16)
                    except OSError: continue
                    if b"TWINLENS_TEST_SECRET" in content: found((process, name))
                    if process == "{grader}" and str(os.getpid()) != process: found((process, name))
            if "TWINLENS_TEST_SECRET" in os.environ: found("environ")
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.ptrace(16, {grader}, 0, 0) == 0: found("ptrace")
            return np.zeros_like(table)
            """,
            "failed",
        ),
        _attack(
            21,
            "kills_the_grader",
            f"""
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
                for process in (0, -1, os.getppid(), {grader}, -{grader}, 1):
                    try: os.kill(process, number)
                    except OSError: pass
            for process in (os.getppid(), {grader}, 1):
                for number in (signal.SIGKILL, signal.SIGSTOP):
                    try: os.kill(process, number)
                    except OSError: pass
            try: resource.prlimit({grader}, resource.RLIMIT_CPU, (1, 1))
            except OSError: pass
            return 2 * table
            """,
            "passed",
            score=4,
        ),
        _attack(21, "kills_all_and_itself", "os.kill(0, signal.SIGKILL)\nos.kill(-1, signal.SIGKILL)", "crashed"),
        _attack(
            22,
            "network",
            f"""
            socket.setdefaulttimeout(0.3)
            attempt(socket.create_connection, ("127.0.0.1", {port}))
            attempt(socket.create_connection, ("1.1.1.1", 53))
            attempt(socket.getaddrinfo, "example.org", 80)
            attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53)))
            return 2 * table
            """,
            "passed",
            score=4,
        ),
        _attack(
            23,
            "swaps_inputs",
            """
            table[:] = 0
            np.savez("inputs.npz", table=table)
            np.savez("network.npz", weight=np.zeros((2, 3)), bias=np.zeros(2))
            open("task.json", "w").write("{}")
            open("driver.py", "w").write("def run(*given): return {}")
            frame = sys._getframe().f_back
            frame.f_locals["inputs"]["table"] = table
            return 2 * table
            """,
            "failed",
        ),
        _attack(
            24, "replays_public_answers", f"return np.array({(2 * public_table).tolist()}, np.float32)", "failed"
        ),
        _attack(
            26,
            "files_that_shadow",
            "open('numpy.py', 'w').write('1 / 0')\nos.makedirs('json'); return 2 * table",
            "passed",
            score=4,
        ),
        Attack(
            26,
            "modules_beside_it",
            code(DOUBLED, CENTRED),
            ("passed",),
            4,
            files={f"{name}.py": "raise SystemExit('shadowed')\n" for name in _SHADOWS},
        ),
        _hand_over(
            27,
            "pickle_as_outputs",
            f"""
            class Evil:
                def __reduce__(self): return os.mkdir, ({secret + ".mark"!r},)
            pickle.dump({{"doubled": Evil()}}, open("outputs.npz", "wb"))
            pickle.dump(Evil(), open("network.npz", "wb")); pickle.dump(Evil(), open("error.json.pkl", "wb"))
            """,
        ),
        *[
            _attack(28, name, f"return {value}", "bad_output")
            for name, value in {
                "nan": "np.full_like(table, np.nan)",
                "one_nan": "np.where(np.arange(28).reshape(4, 7) == 3, np.inf, 2 * table)",
                "empty": "np.zeros((0, 7), np.float32)",
                "scalar": "2.0",
                "one_value": "(2 * table)[:1, :1]",
                "complex_numbers": "2 * table + 0j",
                "words": "(2 * table).astype(str)",
                "another_type": "(2 * table).astype(int)",
                "one_axis_more": "(2 * table)[None]",
            }.items()
        ],
        _attack(
            29,
            "markup_in_messages",
            r"""
            print("=cmd|' /C calc'!A0 <script>alert(1)</script> \x1b[31m\x1b]0;x\x07 \u202e")
            raise ValueError("=cmd|' /C calc'!A0\n<script>alert(1)</script>\x1b[31m ]]> &amp; \u202e \x00")
            """,
            "crashed",
        ),
        Attack(
            29,
            "error_file_of_its_own",
            code(
                "import json, os",
                "def doubled(table):\n"
                "    text = '<script>alert(1)</script>\\x1b[31m'\n"
                "    json.dump({'text': text, 'line': 10**9, 'memory': 'yes'}, open('error.json', 'w'))\n"
                "    os._exit(0)\n",
                CENTRED,
            ),
            ("crashed",),
        ),
    ]  # fmt: skip


def _zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.py", code(DOUBLED, CENTRED))
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def _link(name: str) -> zipfile.ZipInfo:
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


def hostile_archives(outside: str) -> dict[str, bytes]:
    """Number 25: zips of right submissions that are refused for what else is in them.

    Parameters
    ----------
    outside : str
        A folder that must stay as it is.
    """
    return {
        "25-dots": _zipped(("../../escaped.py", b"x = 1\n")),
        "25-absolute": _zipped((os.path.join(outside, "escaped.py"), b"x = 1\n")),
        "25-link": _zipped((_link("helper.py"), b"/etc/passwd")),
        "25-bomb": _zipped(("helper.py", b"#" * (32 << 20))),
    }
