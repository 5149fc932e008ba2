# Other ways to the same answers: outputs changed in place, .grad fields, NumPy arrays handed back.
import contextlib

import torch

FRAMEWORK = "torch"


@contextlib.contextmanager
def hooked(net, layer, hook):
    handle = dict(net.named_modules())[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def capture_features(net, pictures, layer, store):
    with hooked(net.eval(), layer, lambda layer, inputs, output: store.append(output)):
        net(pictures)


def scores_without(net, pictures, layer, channel):
    mask = torch.ones(1, getattr(net, layer).out_channels, 1, 1)
    mask[:, channel] = 0
    with hooked(net, layer, lambda layer, inputs, output: output * mask):
        return net(pictures).detach().numpy()


def edit_features(net, pictures, layer, channel):
    net.eval()

    def hook(layer, inputs, output):
        output[:, channel].zero_()

    with torch.no_grad(), hooked(net, layer, hook):
        return net(pictures)


def remove_hook(net, pictures, layer, channels):
    net.train(False)
    return [scores_without(net, pictures, layer, channel) for channel in channels]


def filter_visualisation(net, pictures, layer, channel, steps, learning_rate):
    net.eval()
    maps = []
    pictures = pictures.clone().requires_grad_()
    optimiser = torch.optim.SGD([pictures], lr=learning_rate)
    with hooked(net, layer, lambda layer, inputs, output: maps.append(output)):
        for _ in range(steps):
            optimiser.zero_grad()
            net(pictures)
            (-maps[-1][:, channel].sum()).backward()
            optimiser.step()
    return pictures
