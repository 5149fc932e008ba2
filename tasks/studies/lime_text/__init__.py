"""LIME on texts."""
