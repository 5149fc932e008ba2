# Other ways to the same answers: rows scaled by the roots of the weights, Shapley values from random orders.
import numpy as np
import paddle
from paddle.nn import functional

FRAMEWORK = "paddle"

ORDERS = 150


def classifier_function(net, pictures):
    net.eval()
    values = pictures.astype("float32")
    if pictures.dtype.kind == "u":
        values /= 255.0
    batch = paddle.to_tensor(values).transpose([0, 3, 1, 2])
    return functional.softmax(net(batch), axis=-1)


def lime_weights(net, picture, segments, masks, label, fill, kernel_width, penalty):
    y = []
    # One neighbour at a time.
    for mask in masks:
        neighbour = np.where(mask[segments][..., None] == 1, picture, fill)
        y.append(float(classifier_function(net, neighbour[None])[0, label]))
    root = np.exp(-((1 - np.sqrt(masks.mean(1))) ** 2) / kernel_width**2) ** 0.25
    rows = np.column_stack([masks, np.ones(len(masks))]) * root[:, None]
    free_intercept = np.diag([penalty] * masks.shape[1] + [0.0])
    return np.linalg.solve(rows.T @ rows + free_intercept, rows.T @ (root * np.array(y)))[:-1]


def shap_values(net, rows, background, labels):
    net.eval()
    count, columns = rows.shape
    rng = np.random.default_rng(0)
    values = np.zeros((count, columns))
    for i, label in enumerate(labels):
        orders = rng.permuted(np.tile(np.arange(columns), (ORDERS, 1)), axis=1)
        # For each order: no column from the row, then one more in each step, with every row of the background.
        steps = np.tile(background, (ORDERS, columns + 1, 1, 1))
        for number, order in enumerate(orders):
            for position, column in enumerate(order):
                steps[number, position + 1 :, :, column] = rows[i, column]
        with paddle.no_grad():
            scores = net(paddle.to_tensor(steps.reshape(-1, columns)))[:, label].numpy()
        gains = np.diff(scores.reshape(ORDERS, columns + 1, -1).mean(axis=2), axis=1)
        np.add.at(values[i], orders, gains)
    return values / ORDERS
