import torch
import torch.nn.functional as F  # noqa: F401, N812, wrong submissions need it

FRAMEWORK = "torch"


def to_network(pictures):
    return pictures.permute(0, 3, 1, 2)


def score(net, x, labels):
    return net(x).gather(1, labels[:, None]).sum()


def prepare(net):
    net.eval()


def capture_layer(net, pictures, labels, layer, activations, gradients):
    def keep(module, given, output):
        activations.append(output.detach())
        output.register_hook(lambda gradient: gradients.append(gradient))

    prepare(net)
    handle = layer.register_forward_hook(keep)
    score(net, to_network(pictures), labels).backward()
    handle.remove()


def combine(activation, gradient):
    return (gradient.mean((2, 3), keepdim=True) * activation).sum(1).relu()


def grad_cam(net, pictures, labels, layer):
    activations, gradients = [], []
    capture_layer(net, pictures, labels, layer, activations, gradients)
    return combine(activations[0], gradients[0])


def normalise(maps):
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp_min(1e-12), torch.zeros_like(maps))
