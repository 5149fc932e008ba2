"""Shapley values as a game."""
