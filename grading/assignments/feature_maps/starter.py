"""What the filters of a network see. Fill in the four functions; README.md says what each has to do.

`net` is a network of the framework below, `pictures` a batch of its tensors, of shape (N, 3, H, W). The network comes
in training mode. You may return tensors or NumPy arrays.
"""

# "torch" or "paddle":
FRAMEWORK = "torch"

# The layer of a name is an attribute of the network: getattr(net, "conv2").
#
#                      PyTorch                                  Paddle
# forward hook         layer.register_forward_hook(hook)        layer.register_forward_post_hook(hook)
# the hook itself      hook(layer, inputs, output)              hook(layer, inputs, output)
# take it off again    handle.remove()                          handle.remove()
# ask for gradients    picture.requires_grad_(True)             picture.stop_gradient = False
# one gradient         torch.autograd.grad(value, picture)[0]   paddle.grad(value, picture)[0]


def capture_features(net, pictures, layer, store):
    """Append the output of one layer to a list.

    Run the network once on the pictures, in evaluation mode. Exactly one tensor (N, C, h, w) is added to `store`: what
    the layer itself returns. No hook is left behind.
    """
    raise NotImplementedError("capture_features is still to do")  # TODO


def edit_features(net, pictures, layer, channel):
    """Scores (N, 5) of the network while one filter of a layer is switched off.

    The output of the layer goes on as it is, but with zeros in channel `channel` (counting from 0) of every picture.
    No hook is left behind.
    """
    raise NotImplementedError("edit_features is still to do")  # TODO


def remove_hook(net, pictures, layer, channels):
    """Scores (N, 5) with one filter switched off, for each of the channels: one entry per channel.

    Each entry is computed with only its own filter off. Afterwards the network answers as it did before.
    """
    raise NotImplementedError("remove_hook is still to do")  # TODO


def filter_visualisation(net, pictures, layer, channel, steps, learning_rate):
    """Pictures (N, 3, H, W) that one filter of a layer answers to more than to the given ones.

    Plain gradient ascent: `steps` times, ``pictures = pictures + learning_rate * gradient``, where the gradient is that
    of the sum of everything in the filter's output. No optimiser, no clipping, no normalisation.
    """
    raise NotImplementedError("filter_visualisation is still to do")  # TODO
