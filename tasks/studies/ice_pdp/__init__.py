"""Individual and average curves of a model's answer."""
