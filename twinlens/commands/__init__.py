"""The larger commands, a module each; `cli` puts them together."""
