# Other ways to the same answers: a mask, .grad fields, NumPy arrays handed back.
import paddle

FRAMEWORK = "paddle"


def run_with(net, pictures, layer, hook):
    handle = dict(net.named_sublayers())[layer].register_forward_post_hook(hook)
    try:
        return net(pictures)
    finally:
        handle.remove()


def capture_features(net, pictures, layer, store):
    net.eval()
    run_with(net, pictures, layer, lambda layer, inputs, output: store.append(output.numpy()))


def edit_features(net, pictures, layer, channel):
    net.eval()
    mask = paddle.ones([1, getattr(net, layer).weight.shape[0], 1, 1])
    mask[:, channel] = 0
    return run_with(net, pictures, layer, lambda layer, inputs, output: output * mask).numpy()


def remove_hook(net, pictures, layer, channels):
    return [edit_features(net, pictures, layer, channel) for channel in channels]


def filter_visualisation(net, pictures, layer, channel, steps, learning_rate):
    net.eval()
    maps = []
    pictures = pictures.numpy()
    for _ in range(steps):
        batch = paddle.to_tensor(pictures, stop_gradient=False)
        run_with(net, batch, layer, lambda layer, inputs, output: maps.append(output))
        maps[-1][:, channel].sum().backward()
        pictures = pictures + learning_rate * batch.grad.numpy()
    return pictures
