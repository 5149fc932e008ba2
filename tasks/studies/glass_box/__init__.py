"""Linear models and forests that explain themselves."""
