"""Messages of two processes of ours: a few plain values and arrays, never pickled objects."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from .protocol import Array

_SIZES = struct.Struct("<QQ")
Groups = Mapping[str, Mapping[str, Array]]


def send(stream: BinaryIO, values: Mapping[str, Any], groups: Groups) -> None:
    """Write one message.

    Parameters
    ----------
    stream : binary file
    values : mapping
        What JSON can hold.
    groups : mapping of str to (mapping of str to ndarray)
        Arrays of numbers.

    Raises
    ------
    ValueError
        If an array holds objects.
    """
    names = [(group, name) for group, arrays in groups.items() for name in arrays]
    flat = [np.asarray(groups[group][name]) for group, name in names]
    for (group, name), array in zip(names, flat, strict=True):
        if array.dtype.kind not in "fiub":
            raise ValueError(f"'{name}' of the {group} holds {array.dtype}, not numbers")
    content = io.BytesIO()
    # Numbered, because a name may be anything and a file in a zip may not.
    np.savez(content, **{f"a{number}": array for number, array in enumerate(flat)})  # type: ignore[arg-type]
    header = json.dumps({"values": values, "names": names, "groups": list(groups)}).encode()
    body = content.getvalue()
    stream.write(_SIZES.pack(len(header), len(body)))
    stream.write(header)
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, dict[str, Array]]]:
    """Read one message.

    Returns
    -------
    values : dict
    groups : dict of str to (dict of str to ndarray)

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    header_size, body_size = _SIZES.unpack(_read(stream, _SIZES.size))
    header = json.loads(_read(stream, header_size))
    groups: dict[str, dict[str, Array]] = {group: {} for group in header["groups"]}
    with np.load(io.BytesIO(_read(stream, body_size)), allow_pickle=False) as arrays:
        for number, (group, name) in enumerate(header["names"]):
            groups[group][name] = arrays[f"a{number}"]
    return header["values"], groups


def _read(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError("the other process is gone")
    return content
