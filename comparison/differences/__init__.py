"""Two networks held against each other layer by layer."""
