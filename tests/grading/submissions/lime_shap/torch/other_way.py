# Other ways to the same answers: the packages scikit-learn and shap.
import numpy as np
import shap
import torch
from sklearn.linear_model import Ridge

FRAMEWORK = "torch"


def classifier_function(net, pictures):
    net.train(False)
    batch = torch.from_numpy(np.moveaxis(pictures, -1, 1).astype(np.float32))
    return net(batch / (255 if pictures.dtype == np.uint8 else 1)).softmax(-1).detach().cpu().numpy()


def lime_weights(net, picture, segments, masks, label, fill, kernel_width, penalty):
    shown = masks.astype(bool)[:, segments]
    y = classifier_function(net, np.where(shown[..., None], picture, fill))[:, label]
    distance = 1 - (masks / np.linalg.norm(masks, axis=1, keepdims=True)).sum(axis=1) / np.sqrt(masks.shape[1])
    w = np.exp(-(distance**2) / kernel_width**2) ** 0.5
    return Ridge(alpha=penalty).fit(masks, y.astype(np.float64), sample_weight=w).coef_


def shap_values(net, rows, background, labels):
    net.eval()

    def scores(batch):
        with torch.no_grad():
            return net(torch.tensor(batch, dtype=torch.float32)).numpy()

    explainer = shap.KernelExplainer(scores, background)
    found = explainer.shap_values(rows, silent=True, l1_reg=False)
    return np.stack([found[i, :, label] for i, label in enumerate(labels)])
