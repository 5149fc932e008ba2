"""LIME on tables, with categories."""
