"""The trusted side of the sandbox: starts as a process of its own, builds the jail, and becomes the student's Python.

Standard library only, and no import of the rest of twinlens: it is started by path, with ``python -I -S``.
"""
