import paddle

FRAMEWORK = "paddle"


def capture_features(net, pictures, layer, store):
    net.eval()

    def hook(layer, inputs, output):
        store.append(output.detach())

    handle = getattr(net, layer).register_forward_post_hook(hook)
    with paddle.no_grad():
        net(pictures)
    handle.remove()


def edit_features(net, pictures, layer, channel):
    net.eval()

    def hook(layer, inputs, output):
        output = output.clone()
        output[:, channel] = 0
        return output

    handle = getattr(net, layer).register_forward_post_hook(hook)
    with paddle.no_grad():
        scores = net(pictures)
    handle.remove()
    return scores


def remove_hook(net, pictures, layer, channels):
    net.eval()
    found = []
    for channel in channels:

        def hook(layer, inputs, output, channel=channel):
            output = output.clone()
            output[:, channel] = 0
            return output

        handle = getattr(net, layer).register_forward_post_hook(hook)
        with paddle.no_grad():
            scores = net(pictures)
        found.append(scores)
        handle.remove()
    return found


def filter_visualisation(net, pictures, layer, channel, steps, learning_rate):
    net.eval()
    seen = {}

    def hook(layer, inputs, output):
        seen["maps"] = output

    handle = getattr(net, layer).register_forward_post_hook(hook)
    for _ in range(steps):
        pictures = pictures.detach()
        pictures.stop_gradient = False
        net(pictures)
        total = seen["maps"][:, channel].sum()
        gradient = paddle.grad(total, pictures)[0]
        pictures = pictures + learning_rate * gradient
    handle.remove()
    return pictures.detach()
