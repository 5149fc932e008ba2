"""Methods that change the input and watch the scores: the network is a black box."""

from . import lime_package, partition_shap

__all__ = ["lime_package", "partition_shap"]
