"""Files as students hand them in, whatever the assignment."""

from __future__ import annotations

from pathlib import Path

from twinlens.grading.notebooks import build_notebook

CODE = 'FRAMEWORK = "torch"\n\n\ndef f():\n    return 1\n'
STARTER = 'FRAMEWORK = "torch"\n\n\ndef f():\n    raise NotImplementedError\n'


def archive(tmp_path: Path, content: bytes, name: str = "lee.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def notebook(*cells: tuple[str, tuple[str, ...]]) -> str:
    return build_notebook([("code", source, tags) for source, tags in cells]).decode()
