"""Grad-CAM shows where in the picture the network saw the class.

Fill in the three functions below; README.md says what each of them is to compute. They get tensors of your framework,
a network that ends in scores (logits), and one of its convolutions. Try them as often as you like with

    twinlens check .

which runs them on the public pictures and tells what is wrong. Hidden pictures and weights are used for grading.
"""

FRAMEWORK = "torch"  # or "paddle"

# Import your framework here: `import torch`, or `import paddle`.


def capture_layer(net, pictures, labels, layer, activations, gradients):
    """Look at one layer while the network runs, by a hook that is gone afterwards.

    Parameters
    ----------
    net : network
        Takes (batch, 3, height, width), returns scores (batch, classes). It comes in training mode.
    pictures : tensor (batch, height, width, 3)
        RGB, as picture files are read: the colours are the last axis.
    labels : tensor (batch,)
        The class to explain, one per picture, counted from 0. It is not always the class with the highest score.
    layer : convolution
        One of the layers of net.
    activations : list
        Append what the layer puts out, (batch, channels, h, w). There may be something in the list already.
    gradients : list
        Append the gradient of the label's score with respect to that, of the same shape. The score is the logit that
        the network returns: neither a probability nor a loss.

    Returns
    -------
    None
        The answer is what was appended: one entry to each list, because the layer runs once. When the network is run
        again later on, nothing more may be appended.
    """
    # TODO
    # PyTorch: see Module.register_forward_hook; for the gradient Tensor.register_hook or torch.autograd.grad.
    # Paddle:  see Layer.register_forward_post_hook; for the gradient Tensor.register_hook or paddle.grad.
    raise NotImplementedError("capture_layer")


def grad_cam(net, pictures, labels, layer):
    """Tell where the layer sees what speaks for the label.

    Parameters
    ----------
    net, pictures, labels, layer
        As above.

    Returns
    -------
    tensor (batch, h, w)
        As large as what the layer puts out, not enlarged to the size of the picture, and not normalised.
    """
    # TODO
    raise NotImplementedError("grad_cam")


def normalise(maps):
    """Stretch each map to 0..1, so that it can be shown as a picture.

    Parameters
    ----------
    maps : tensor (batch, h, w)
        What grad_cam returned.

    Returns
    -------
    tensor (batch, h, w)
        The smallest value of each map becomes 0 and its largest 1. A map whose values are all the same becomes 0.
    """
    # TODO
    raise NotImplementedError("normalise")
