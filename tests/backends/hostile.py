"""Files that would do harm, or fill the memory, if they were read as the programs that they are."""

from __future__ import annotations

import codecs
import cProfile
import functools
import importlib
import io
import json
import os
import pickle
import runpy
import struct
import subprocess
import timeit
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..frameworks import torch

SUFFIXES = (".pth", ".pt", ".pdparams")


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.call = (function, args, state) if state is not None else (function, args)

    def __reduce__(self) -> Any:
        return self.call


def pickled_calls(marker: Path) -> dict[str, bytes]:
    """Pickles of calls; each makes the marker when an ordinary unpickler reads it."""
    touch = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w')"
    script = f"__import__('os').system({touch!r})"
    objects = np.empty(1, object)
    objects[0] = Call(os.system, touch)
    calls: dict[str, Any] = {
        "os.system": Call(os.system, touch),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "open": Call(open, str(marker), "w"),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(marker)]),
        "subprocess.check_output": Call(subprocess.check_output, ["touch", str(marker)]),
        "os.mkdir": Call(os.mkdir, str(marker)),
        "functools.reduce": Call(functools.reduce, open, [str(marker), "w"]),
        "map": Call(list, Call(map, os.system, [touch])),
        "timeit": Call(timeit.timeit, script, "pass", timeit.default_timer, 1),
        "profiler": Call(cProfile.run, script, f"{marker}.prof"),
        "numpy object array": objects,
        "in a list": [1, Call(os.system, touch)],
        "as a key": {Call(tuple, [Call(os.system, touch)]): 1},
        "pickle in pickle": Call(pickle.loads, pickle.dumps(Call(os.system, touch))),
        "codecs chain": Call(eval, Call(codecs.decode, code.encode().hex(), "hex")),
    }
    command, program = touch.encode(), script.encode()
    run = b"(V" + command + b"\ntR"
    return {
        **{name: pickle.dumps({"a": call}, protocol=2) for name, call in calls.items()},
        "posix.system": b"cposix\nsystem\n" + run + b".",
        "protocol 4 global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R.",
        "dotted global": b"\x80\x04\x8c\x07pathlib\x8c\x09os.system\x93\x8c" + bytes([len(command)]) + command
        + b"\x85R.",
        "getattr chain": b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(Vos\ntRVsystem\ntR" + run + b".",
        "importlib": b"cbuiltins\ngetattr\n(cimportlib\nimport_module\n(Vos\ntRVsystem\ntR" + run + b".",
        "attrgetter": b"coperator\nattrgetter\n(Vsystem\ntR(cimportlib\nimport_module\n(Vos\ntRtR" + run + b".",
        "methodcaller": b"coperator\nmethodcaller\n(Vsystem\nV" + command
        + b"\ntR(cimportlib\nimport_module\n(Vos\ntRtR.",
        "functools.partial": b"cfunctools\npartial\n(cos\nsystem\nV" + command + b"\ntR)R.",
        "a new class": b"cbuiltins\ntype\n(VX\n(cbuiltins\nobject\nt(dV__init__\ncfunctools\npartial\n"
        b"(cos\nsystem\nV" + command + b"\ntRstRp0\n0g0\n)R.",
        "copyreg": b"ccopyreg\n__newobj__\n(csubprocess\nPopen\nt0csubprocess\nPopen\n((Vtouch\nV"
        + str(marker).encode() + b"\nltR.",
        "instance opcode": b"(V" + command + b"\nios\nsystem\n.",
        "object opcode": b"(cos\nsystem\nV" + command + b"\no.",
        "extension opcode": b"\x80\x02\x82\xf0V" + command + b"\n\x85R.",
        "numpy's own exec": b"cnumpy.testing._private.utils\nrunstring\n(V" + program + b"\n}tR.",
        "after a state dict": pickle.dumps({"a": 1.0}, 2)[:-1] + b"0cos\nsystem\n" + run + b".",
    }  # fmt: skip


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    """`pickled_calls`, and pickles that need another reader than the ordinary one to do harm."""
    touch = f"touch {marker}"
    command, code = touch.encode(), f"open({str(marker)!r}, 'w')".encode()
    run = b"(V" + command + b"\ntR"
    calls: dict[str, Any] = {
        "runpy": Call(runpy.run_path, str(marker)),
        "numpy load": Call(np.load, str(marker), None, True),
        "importlib.reload": Call(importlib.import_module, "antigravity"),
        "a whole object": marker,
    }
    return {
        **pickled_calls(marker),
        **{name: pickle.dumps({"a": call}, protocol=2) for name, call in calls.items()},
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93.",
        "dotted name of an admitted class": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        "globals of an admitted function": b"\x80\x04\x8c\x15numpy.core.multiarray"
        b"\x8c\x1b_reconstruct.__globals__.get\x93.",
        "persistent id": b"P" + command + b"\n.",
        "binary persistent id": b"V" + command + b"\nQ.",
        "persistent id of a function": b"(Vstorage\ncos\nsystem\nV" + command + b"\nVcpu\nI1\ntQ.",
        "new object": b"\x80\x02cos\nsystem\nV" + command + b"\n\x85\x81.",
        "build on a function": b"c_codecs\nencode\n}V__doc__\nVx\nsb.",
        "build on a class": b"ccollections\nOrderedDict\n}Vget\nVx\nsb.",
        "array of objects": b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR.",
        "scalar of an object": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\ntRV" + command + b"\ntR.",
        "structured array": b"cnumpy\ndtype\n(VV8\nI00\nI01\ntR(I4\nV|\nNNNI8\nI1\nI63\ntb.",
        "codec": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
        "torch storage": b"ctorch.storage\n_load_from_bytes\n(V" + command + b"\ntR.",
        "torch load": b"ctorch.serialization\nload\n(V" + command + b"\ntR.",
        "torch hub": b"ctorch.hub\nload\n(V" + command + b"\ntR.",
        "torch script": b"ctorch.jit.unsupported_tensor_ops\nexecWrapper\n(V" + code + b"\n}}tR.",
        "torch rebuild": b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(V" + command + b"\ntNtR.",
        "torch tensor with hooks": b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n(t(tI00\ncos\nsystem\n" + run + b"tR.",
        "torch dtype by getattr": b"ctorch._utils\n_get_restore_location\n" + run + b".",
        "paddle load": b"cpaddle\nload\n(V" + command + b"\ntR.",
        "paddle run": b"cpaddle.utils.cpp_extension\nload\n(V" + command + b"\ntR.",
    }  # fmt: skip


# -- disguises: what a payload may be wrapped in -------------------------------------------------------------------


def as_paddle_file(raw: bytes, path: Path) -> Path:
    path = path.with_suffix(".pdparams")
    path.write_bytes(raw)
    return path


def as_torch_zip(raw: bytes, path: Path) -> Path:
    return rezipped(path.with_suffix(".pth"), {"data.pkl": raw})


def as_old_torch_file(raw: bytes, path: Path) -> Path:
    path, buffer = path.with_suffix(".pt"), io.BytesIO()
    torch.save({}, buffer, _use_new_zipfile_serialization=False)
    good = buffer.getvalue()
    path.write_bytes(good[: good.index(b"}q", 60)] + raw)
    return path


def as_bare_torch_file(raw: bytes, path: Path) -> Path:
    path = path.with_suffix(".pth")
    path.write_bytes(raw)
    return path


DISGUISES = (as_paddle_file, as_torch_zip, as_old_torch_file, as_bare_torch_file)


def rezipped(
    path: Path,
    changed: dict[str, bytes] | None = None,
    added: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
    content: Any = None,
) -> Path:
    """A file of torch with members changed (by the end of their names) and others added."""
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(2)} if content is None else content, buffer)
    with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(path, "w", compression) as bad:
        for name in good.namelist():
            bad.writestr(name, (changed or {}).get(name.rpartition("/")[2], good.read(name)))
        for name, raw in (added or {}).items():
            bad.writestr(name, raw)
    return path


# -- traps: files that take all the memory, or all the time ---------------------------------------------------------


def nested_pairs(depth: int, kind: bytes) -> bytes:
    """Opcodes of a list ``b"l"`` or tuple ``b"t"`` that holds the last one twice, and that one the last, and so on."""
    first = b"(" + kind + b"p0\n0"
    return first + b"".join(b"(g%d\ng%d\n%sp%d\n0" % (i, i, kind, i + 1) for i in range(depth)) + b"g%d\n" % depth


def _array(shape: bytes, raw: bytes) -> bytes:
    """Opcodes of a float32 array of any declared shape."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR(I1\n" + shape
        + b"cnumpy\ndtype\n(Vf4\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntbI00\n" + raw + b"tb"
    )  # fmt: skip


def traps() -> dict[str, bytes]:
    """Small pickles of nothing but arrays and containers that unfold to more than any memory or lifetime."""
    million = b"X" + struct.pack("<I", 2**20) + b"\0" * 2**20
    encoded = b"c_codecs\nencode\n(" + million + b"Vlatin1\ntR"
    return {
        "lists of lists": b"}Va\n" + nested_pairs(64, b"l") + b"s.",
        "lists under a usual key": b"}Vmodel\n}Va\n" + nested_pairs(64, b"l") + b"ss.",
        "tuples of tuples as a key": b"}" + nested_pairs(64, b"t") + b"I1\ns.",
        "tuples of tuples as a key of many": b"}(" + nested_pairs(64, b"t") + b"I1\nu.",
        "tuples of tuples as a key of another": b"(" + nested_pairs(64, b"t") + b"I1\nd.",
        "tuples of tuples in a set": b"\x80\x04\x8f(" + nested_pairs(64, b"t") + b"\x90.",
        "tuples of tuples in a frozen set": b"\x80\x04(" + nested_pairs(64, b"t") + b"\x91.",
        "a declared shape": b"}Va\n" + _array(b"(L1000000000000L\nt", b"c_codecs\nencode\n(Vabcd\nVlatin1\ntR") + b"s.",
        "a negative shape": b"}Va\n" + _array(b"(I-4\nI-4\nt", b"c_codecs\nencode\n(Vabcd\nVlatin1\ntR") + b"s.",
        "one run of bytes as many arrays": b"}" + encoded + b"p0\n0"
        + b"".join(b"Va%d\n" % i + _array(b"(I262144\nt", b"g0\n") + b"s" for i in range(200)) + b".",
        "one list copied": b"}(" + b"N" * 200_000 + b"lp0\n0"
        + b"".join(b"Va%d\ncbuiltins\nlist\n(g0\ntRs" % i for i in range(100)) + b".",
        "a declared length": b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"abc.",
        "a declared text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
        "a declared frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
        "a declared integer": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.",
        "opened brackets": b"(" * 10**5 + b".",
    }  # fmt: skip


def oversized_safetensors() -> dict[str, bytes]:
    """Safetensors files whose headers promise more than there is."""

    def file(header: Any, length: int | None = None) -> bytes:
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + b"\0" * 8

    far, huge = [0, 2**60], [2**40, 2**20]
    return {
        "a declared shape": file({"a": {"dtype": "F32", "shape": huge, "data_offsets": [0, 8]}}),
        "declared offsets": file({"a": {"dtype": "F32", "shape": [2], "data_offsets": far}}),
        "a declared header": file({}, 2**62),
        "two arrays on one place": file(
            {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in ("a", "b")}
        ),
        "a negative shape": file({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}),
    }
