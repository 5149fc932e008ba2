"""Write typings/twinlens: the package as one folder of links, for tools that cannot follow a package-dir mapping.

Editors (pyright looks into typings/ by itself), mypy and import-linter read it. It is made from pyproject.toml, is
ignored by git, and has to be written again only when a package or a file of twinlens/ is added.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def link_packages(root: Path, target: Path) -> list[str]:
    """Link every package listed in the root's pyproject.toml into the target folder.

    Parameters
    ----------
    root : Path
        The folder of pyproject.toml.
    target : Path
        Is replaced.

    Returns
    -------
    list of str
        Names of the packages.
    """
    mapping = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"]
    if target.exists():
        shutil.rmtree(target)
    for package, folder in sorted(mapping.items()):
        place = target.joinpath(*package.split("."))
        if "." in package:
            _link(place, root / folder)
            continue
        # The front door is a real folder of linked files, so that the other packages can be linked beside them.
        place.mkdir(parents=True)
        for path in sorted((root / folder).iterdir()):
            if path.name != "__pycache__":
                _link(place / path.name, path)
    return sorted(mapping)


def _link(place: Path, path: Path) -> None:
    place.symlink_to(os.path.relpath(path, place.parent), target_is_directory=path.is_dir())


def main() -> None:
    """Write the links of this clone."""
    parser = argparse.ArgumentParser(description="Link the packages of twinlens into one folder for editors.")
    parser.add_argument("--target", type=Path, default=ROOT / "typings")
    target = parser.parse_args().target
    try:
        packages = link_packages(ROOT, target)
    except OSError as error:
        cure = "On Windows, switch on developer mode."
        raise SystemExit(f"Cannot write the links in {target}: {error}. {cure}") from None
    print(f"{target}: {len(packages)} packages linked")


if __name__ == "__main__":
    main()
