"""The network of this assignment, in plain PyTorch and in plain Paddle: three convolutions and a linear layer."""

LAYERS = ("conv1", "conv2", "conv3")
"""The convolutions; what follows each is called ``bn1``, ``relu1`` and so on."""


def build(framework):
    """Make the network: pictures (N, 3, H, W) to scores (N, 5)."""
    return _torch() if framework == "torch" else _paddle()


def _torch():
    from torch import nn

    class FeatureNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
            # momentum=0: runs in training mode use the statistics of the batch, but do not change the stored ones.
            self.bn1 = nn.BatchNorm2d(8, momentum=0.0)
            self.relu1 = nn.ReLU()
            self.pool1 = nn.MaxPool2d(2)
            self.conv2 = nn.Conv2d(8, 12, 3, padding=1)
            self.bn2 = nn.BatchNorm2d(12, momentum=0.0)
            self.relu2 = nn.ReLU()
            self.pool2 = nn.MaxPool2d(2)
            self.conv3 = nn.Conv2d(12, 16, 3, padding=1)
            self.bn3 = nn.BatchNorm2d(16, momentum=0.0)
            self.relu3 = nn.ReLU()
            self.dropout = nn.Dropout(0.3)
            self.fc = nn.Linear(16, 5)

        def forward(self, x):
            x = self.pool1(self.relu1(self.bn1(self.conv1(x))))
            x = self.pool2(self.relu2(self.bn2(self.conv2(x))))
            x = self.relu3(self.bn3(self.conv3(x)))
            return self.fc(self.dropout(x.mean(dim=(2, 3))))

    return FeatureNet()


def _paddle():
    from paddle import nn

    class FeatureNet(nn.Layer):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2D(3, 8, 3, padding=1)
            # momentum=1 (Paddle counts the other way round): runs in training mode use the statistics of the batch,
            # but do not change the stored ones.
            self.bn1 = nn.BatchNorm2D(8, momentum=1.0)
            self.relu1 = nn.ReLU()
            self.pool1 = nn.MaxPool2D(2)
            self.conv2 = nn.Conv2D(8, 12, 3, padding=1)
            self.bn2 = nn.BatchNorm2D(12, momentum=1.0)
            self.relu2 = nn.ReLU()
            self.pool2 = nn.MaxPool2D(2)
            self.conv3 = nn.Conv2D(12, 16, 3, padding=1)
            self.bn3 = nn.BatchNorm2D(16, momentum=1.0)
            self.relu3 = nn.ReLU()
            self.dropout = nn.Dropout(0.3)
            self.fc = nn.Linear(16, 5)

        def forward(self, x):
            x = self.pool1(self.relu1(self.bn1(self.conv1(x))))
            x = self.pool2(self.relu2(self.bn2(self.conv2(x))))
            x = self.relu3(self.bn3(self.conv3(x)))
            return self.fc(self.dropout(x.mean(axis=[2, 3])))

    return FeatureNet()
