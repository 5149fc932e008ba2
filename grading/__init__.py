"""The autograder: an assignment is handed out, checked and graded, in either framework.

Student code runs in a sandboxed process of its own and hands over arrays, nothing else. Importing this package loads
no framework.
"""
