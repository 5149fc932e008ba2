"""Class activation maps: sums of a convolution's feature maps, each method with weights of its own."""

from . import (
    ablationcam,
    cam,
    eigencam,
    eigengradcam,
    gradcam,
    gradcam_plus_plus,
    guided_gradcam,
    hirescam,
    layercam,
    scorecam,
    xgradcam,
)

__all__ = [
    "ablationcam",
    "cam",
    "eigencam",
    "eigengradcam",
    "gradcam",
    "gradcam_plus_plus",
    "guided_gradcam",
    "hirescam",
    "layercam",
    "scorecam",
    "xgradcam",
]
