"""How the files of a submission are called, and how its modules must not be."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath

MAIN = "submission.py"
NOTEBOOK = "submission.ipynb"
MANIFEST = "submission.toml"
SUFFIXES = (".zip", ".py", ".ipynb")
"""Of a file that is a submission by itself."""

_OURS = {"runner", "driver", "network", "task", "inputs", "outputs", "twinlens", "answers"}
_STARTUP = {"sitecustomize", "usercustomize", "conftest", "antigravity", "this"}
_LIBRARIES = {
    "numpy", "torch", "torchvision", "torchaudio", "paddle", "scipy", "sklearn", "skimage", "cv2", "matplotlib",
    "pandas", "lime", "shap", "PIL", "pydantic", "yaml", "rich", "typer", "captum", "zennit", "xgboost", "pytest",
    "numba", "typing_extensions", "sympy", "networkx", "jinja2", "transformers", "tqdm", "requests", "packaging",
    "google", "httpx", "opt_einsum", "astor", "decorator", "safetensors", "triton", "IPython", "setuptools", "pip",
}  # fmt: skip
_RESERVED = {name.casefold() for name in (*_OURS, *_STARTUP, *_LIBRARIES, *sys.stdlib_module_names)}


def is_reserved(name: str) -> bool:
    """Whether a file would stand in the way of a library or of the grader's own files.

    Parameters
    ----------
    name : str
    """
    return PurePosixPath(name).stem.casefold() in _RESERVED
