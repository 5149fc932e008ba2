import paddle
import paddle.nn.functional as F  # noqa: N812

FRAMEWORK = "paddle"


def to_network(pictures):
    return pictures.transpose([0, 3, 1, 2])


def to_pictures(values):
    return values.transpose([0, 2, 3, 1])


def score(net, x, labels):
    return (net(x) * F.one_hot(labels, 7)).sum()


def gradient(net, pictures, labels):
    net.eval()
    x = to_network(pictures).clone()
    x.stop_gradient = False
    (found,) = paddle.grad(score(net, x, labels), [x])
    return found


def compute_saliency_maps(net, pictures, labels):
    return gradient(net, pictures, labels).abs().max(1)


def normalise(maps):
    low, high = maps.min([1, 2], keepdim=True), maps.max([1, 2], keepdim=True)
    return paddle.where(high > low, (maps - low) / (high - low).clip(1e-12), paddle.zeros_like(maps))


def smooth_grad(net, pictures, labels, noise):
    return sum(compute_saliency_maps(net, pictures + one, labels) for one in noise) / len(noise)


def integrated_gradients(net, pictures, labels, baseline, steps):
    total = paddle.zeros_like(pictures)
    for k in range(steps):
        point = baseline + (k + 0.5) / steps * (pictures - baseline)
        total += to_pictures(gradient(net, point, labels))
    return (pictures - baseline) * total / steps
