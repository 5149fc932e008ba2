import paddle
import paddle.nn.functional as F  # noqa: N812

FRAMEWORK = "paddle"


def to_network(pictures):
    return pictures.transpose([0, 3, 1, 2])


def score(net, x, labels):
    return (net(x) * F.one_hot(labels, 7)).sum()


def prepare(net):
    net.eval()


def capture_layer(net, pictures, labels, layer, activations, gradients):
    def keep(module, given, output):
        activations.append(output.detach())
        output.register_hook(lambda gradient: gradients.append(gradient))

    prepare(net)
    handle = layer.register_forward_post_hook(keep)
    score(net, to_network(pictures), labels).backward()
    handle.remove()


def combine(activation, gradient):
    return F.relu((gradient.mean([2, 3], keepdim=True) * activation).sum(1))


def grad_cam(net, pictures, labels, layer):
    activations, gradients = [], []
    capture_layer(net, pictures, labels, layer, activations, gradients)
    return combine(activations[0], gradients[0])


def normalise(maps):
    low, high = maps.min([1, 2], keepdim=True), maps.max([1, 2], keepdim=True)
    return paddle.where(high > low, (maps - low) / (high - low).clip(1e-12), paddle.zeros_like(maps))
