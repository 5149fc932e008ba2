"""Shapley values of tokens for generated tokens."""
