"""Methods that change the input and watch the scores: the network is a black box."""

from . import (
    exact_shapley,
    feature_ablation,
    feature_permutation,
    kernelshap,
    lime,
    lime_package,
    normlime,
    occlusion,
    partition_shap,
    rise,
    shapley_sampling,
)

__all__ = [
    "exact_shapley",
    "feature_ablation",
    "feature_permutation",
    "kernelshap",
    "lime",
    "lime_package",
    "normlime",
    "occlusion",
    "partition_shap",
    "rise",
    "shapley_sampling",
]
