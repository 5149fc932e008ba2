import torch
import torch.nn.functional as F  # noqa: F401, N812, wrong submissions need it

FRAMEWORK = "torch"


def to_network(pictures):
    return pictures.permute(0, 3, 1, 2)


def to_pictures(values):
    return values.permute(0, 2, 3, 1)


def score(net, x, labels):
    return net(x).gather(1, labels[:, None]).sum()


def gradient(net, pictures, labels):
    net.eval()
    x = to_network(pictures).clone().requires_grad_()
    score(net, x, labels).backward()
    return x.grad


def compute_saliency_maps(net, pictures, labels):
    return gradient(net, pictures, labels).abs().amax(1)


def normalise(maps):
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp_min(1e-12), torch.zeros_like(maps))


def smooth_grad(net, pictures, labels, noise):
    return sum(compute_saliency_maps(net, pictures + one, labels) for one in noise) / len(noise)


def integrated_gradients(net, pictures, labels, baseline, steps):
    total = torch.zeros_like(pictures)
    for k in range(steps):
        point = baseline + (k + 0.5) / steps * (pictures - baseline)
        total += to_pictures(gradient(net, point, labels))
    return (pictures - baseline) * total / steps
