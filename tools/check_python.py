"""Say in one line, in the syntax of any Python 3, whether the pinned packages exist for this Python."""

import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(
        "twinlens needs Python 3.11 (3.12 and 3.13 have all packages too), but %s is Python %s. "  # noqa: UP031
        "Name another one: make PYTHON=/path/to/python3.11" % (sys.executable, ".".join(map(str, sys.version_info[:3])))
    )
