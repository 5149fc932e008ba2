"""Class activation maps: sums of a convolution's feature maps, each method with weights of its own."""

from . import (
    ablationcam,
    cam,
    eigencam,
    eigengradcam,
    fem,
    finercam,
    gradcam,
    gradcam_elementwise,
    gradcam_plus_plus,
    guided_gradcam,
    hirescam,
    kpcacam,
    layercam,
    scorecam,
    shapleycam,
    xgradcam,
)

__all__ = [
    "ablationcam",
    "cam",
    "eigencam",
    "eigengradcam",
    "fem",
    "finercam",
    "gradcam",
    "gradcam_elementwise",
    "gradcam_plus_plus",
    "guided_gradcam",
    "hirescam",
    "kpcacam",
    "layercam",
    "scorecam",
    "shapleycam",
    "xgradcam",
]
