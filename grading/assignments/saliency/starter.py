"""Saliency maps show which pixels matter for the score of a class.

Fill in the four functions below; README.md says what each of them is to compute. They get tensors of your framework
and a network that ends in scores (logits). Try them as often as you like with

    twinlens check .

which runs them on the public pictures and tells what is wrong. Hidden pictures and weights are used for grading.
"""

FRAMEWORK = "torch"  # or "paddle"

# Import your framework here: `import torch`, or `import paddle`.


def compute_saliency_maps(net, pictures, labels):
    """Tell how strongly each pixel moves the score of the picture's label.

    Parameters
    ----------
    net : network
        Takes (batch, 3, height, width), returns scores (batch, classes). It comes in training mode.
    pictures : tensor (batch, height, width, 3)
        RGB, as picture files are read: the colours are the last axis.
    labels : tensor (batch,)
        The class to explain, one per picture, counted from 0. It is not always the class with the highest score.

    Returns
    -------
    tensor (batch, height, width)
        The absolute value of d score_of_the_label / d pixel, of which the largest over the three colours.
        The score is the logit that the network returns: neither a probability nor a loss. Not normalised.
    """
    # TODO
    # PyTorch: see torch.autograd.grad, or Tensor.requires_grad_() and Tensor.grad.
    # Paddle:  see paddle.grad, or Tensor.stop_gradient and Tensor.grad.
    raise NotImplementedError("compute_saliency_maps")


def normalise(maps):
    """Stretch each map to 0..1, so that it can be shown as a picture.

    Parameters
    ----------
    maps : tensor (batch, height, width)
        What compute_saliency_maps returned.

    Returns
    -------
    tensor (batch, height, width)
        The smallest value of each map becomes 0 and its largest 1. A map whose values are all the same becomes 0.
    """
    # TODO
    raise NotImplementedError("normalise")


def smooth_grad(net, pictures, labels, noise):
    """Average the saliency maps of noisy copies of the pictures.

    Parameters
    ----------
    net, pictures, labels
        As above.
    noise : tensor (copies, batch, height, width, 3)
        noise[k] is what is added to the pictures for copy k. Use it as it is.

    Returns
    -------
    tensor (batch, height, width)
        The mean over the copies of what compute_saliency_maps gives for each of them. Not normalised.
    """
    # TODO
    raise NotImplementedError("smooth_grad")


def integrated_gradients(net, pictures, labels, baseline, steps):
    """Share out what the score rises by between the baseline and the picture.

    Parameters
    ----------
    net, pictures, labels
        As above.
    baseline : tensor (batch, height, width, 3)
        Where the path of each picture starts.
    steps : int
        Cut the straight path from baseline to picture into so many equal parts; take the gradient of the label's
        score in the middle of each part (the midpoint rule).

    Returns
    -------
    tensor (batch, height, width, 3)
        The mean of these gradients times (pictures - baseline), with its sign.
    """
    # TODO
    raise NotImplementedError("integrated_gradients")
