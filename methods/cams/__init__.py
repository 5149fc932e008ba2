"""Class activation maps: sums of a convolution's feature maps, each method with weights of its own."""
