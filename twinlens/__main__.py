"""``python -m twinlens`` is the command line."""

from .cli import main

main()
