"""LIME and SHAP from scratch. Fill in the three functions; README.md says what each has to do.

As with the packages lime and shap, NumPy arrays come in and NumPy arrays go out; only the network wants tensors. It
comes in training mode.
"""

# "torch" or "paddle":
FRAMEWORK = "torch"

#                      PyTorch                                  Paddle
# array to tensor      torch.tensor(array)                      paddle.to_tensor(array)
# no gradients         with torch.no_grad():                    with paddle.no_grad():
# softmax              torch.softmax(scores, dim=1)             paddle.nn.functional.softmax(scores, axis=1)
# tensor to array      tensor.numpy()                           tensor.numpy()


def classifier_function(net, pictures):
    """Probabilities (N, 5) of the classes, for pictures as LIME hands them over.

    `pictures` is an array (N, H, W, 3): either bytes (uint8) of 0 to 255, or floating-point numbers of 0 to 1. The
    network takes float32 tensors (N, 3, H, W) of 0 to 1 and returns scores.
    """
    raise NotImplementedError("classifier_function is still to do")  # TODO


def lime_weights(
    net,
    picture,
    segments,
    masks,
    label,
    fill,
    kernel_width,
    penalty,
):
    """LIME's weight (K,) for each of K superpixels of one picture.

    Parameters
    ----------
    net : network
    picture : array (H, W, 3)
        Numbers of 0 to 1.
    segments : array of int (H, W)
        Number of the superpixel, 0 to K - 1, of each pixel.
    masks : array of int (M, K)
        One row per neighbour of the picture: 1 where a superpixel is shown, 0 where it is hidden.
    label : int
        Class whose probability is explained.
    fill : array (3,)
        Colour of hidden superpixels.
    kernel_width, penalty : float
        See README.md.
    """
    raise NotImplementedError("lime_weights is still to do")  # TODO


def shap_values(net, rows, background, labels):
    """Shapley values (N, 6) of the columns of `rows`, an array (N, 6).

    Row i's values explain the network's score (not probability) of class ``labels[i]``. A column that is absent takes
    its values from the rows of `background`, an array (B, 6).
    """
    raise NotImplementedError("shap_values is still to do")  # TODO
