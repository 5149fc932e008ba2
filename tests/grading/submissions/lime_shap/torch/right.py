import itertools
import math

import numpy as np
import torch

FRAMEWORK = "torch"


def classifier_function(net, pictures):
    net.eval()
    if pictures.dtype == np.uint8:
        pictures = pictures / 255
    batch = torch.tensor(pictures.transpose(0, 3, 1, 2).copy(), dtype=torch.float32)
    with torch.no_grad():
        scores = net(batch)
    return torch.softmax(scores, dim=1).numpy()


def lime_weights(net, picture, segments, masks, label, fill, kernel_width, penalty):
    net.eval()
    neighbours = []
    for mask in masks:
        neighbour = picture.copy()
        neighbour[mask[segments] == 0] = fill
        neighbours.append(neighbour)
    pictures = np.stack(neighbours)
    batch = torch.tensor(pictures.transpose(0, 3, 1, 2), dtype=torch.float32)
    with torch.no_grad():
        scores = net(batch)
    answers = torch.softmax(scores, dim=1)
    y = answers[:, label].numpy().astype(np.float64)
    distance = 1 - np.sqrt(masks.mean(axis=1))
    w = np.sqrt(np.exp(-(distance**2) / kernel_width**2))
    rows = masks - np.average(masks, axis=0, weights=w)
    moment = rows.T @ (w[:, None] * rows)
    moment += penalty * np.eye(len(moment))
    return np.linalg.solve(moment, rows.T @ (w * (y - np.average(y, weights=w))))


def shap_values(net, rows, background, labels):
    net.eval()
    columns = rows.shape[1]
    values = np.zeros(rows.shape)
    for i, label in enumerate(labels):
        worth = {}
        for size in range(columns + 1):
            for chosen in itertools.combinations(range(columns), size):
                mixed = background.copy()
                mixed[:, list(chosen)] = rows[i, list(chosen)]
                with torch.no_grad():
                    scores = net(torch.tensor(mixed))
                worth[chosen] = scores[:, label].mean().item()
        for j in range(columns):
            for chosen, without in worth.items():
                if j not in chosen:
                    size = len(chosen)
                    weight = math.factorial(size) * math.factorial(columns - size - 1) / math.factorial(columns)
                    values[i, j] += weight * (worth[tuple(sorted((*chosen, j)))] - without)
    return values
