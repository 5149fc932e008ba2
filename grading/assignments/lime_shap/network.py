"""The networks of this assignment, in plain PyTorch and in plain Paddle: one for pictures, one for rows of a table."""


def build(framework):
    """Make both networks.

    ``net.pictures`` takes pictures (N, 3, H, W) with values of 0 to 1 to scores (N, 5), ``net.table`` takes rows (N, 6)
    to scores (N, 3).
    """
    return _torch() if framework == "torch" else _paddle()


def _torch():
    from torch import nn

    class PictureNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
            # momentum=0: runs in training mode use the statistics of the batch, but do not change the stored ones.
            self.bn1 = nn.BatchNorm2d(8, momentum=0.0)
            self.pool1 = nn.MaxPool2d(2)
            self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
            self.bn2 = nn.BatchNorm2d(16, momentum=0.0)
            self.relu = nn.ReLU()
            self.dropout = nn.Dropout(0.3)
            self.fc = nn.Linear(16, 5)

        def forward(self, x):
            # PyTorch sums up differently where the channels are last in memory, as in a transposed array.
            x = x.contiguous()
            x = self.pool1(self.relu(self.bn1(self.conv1(x))))
            x = self.relu(self.bn2(self.conv2(x)))
            return self.fc(self.dropout(x.mean(dim=(2, 3))))

    class TableNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden1 = nn.Linear(6, 16)
            self.bn = nn.BatchNorm1d(16, momentum=0.0)
            self.dropout = nn.Dropout(0.3)
            self.hidden2 = nn.Linear(16, 8)
            self.relu = nn.ReLU()
            self.output = nn.Linear(8, 3)

        def forward(self, x):
            x = self.dropout(self.relu(self.bn(self.hidden1(x))))
            return self.output(self.relu(self.hidden2(x)))

    class Networks(nn.Module):
        def __init__(self):
            super().__init__()
            self.pictures = PictureNet()
            self.table = TableNet()

        def forward(self, x):
            return self.table(x) if len(x.shape) == 2 else self.pictures(x)

    return Networks()


def _paddle():
    from paddle import nn

    class PictureNet(nn.Layer):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2D(3, 8, 3, padding=1)
            # momentum=1 (Paddle counts the other way round): runs in training mode use the statistics of the batch,
            # but do not change the stored ones.
            self.bn1 = nn.BatchNorm2D(8, momentum=1.0)
            self.pool1 = nn.MaxPool2D(2)
            self.conv2 = nn.Conv2D(8, 16, 3, padding=1)
            self.bn2 = nn.BatchNorm2D(16, momentum=1.0)
            self.relu = nn.ReLU()
            self.dropout = nn.Dropout(0.3)
            self.fc = nn.Linear(16, 5)

        def forward(self, x):
            x = self.pool1(self.relu(self.bn1(self.conv1(x))))
            x = self.relu(self.bn2(self.conv2(x)))
            return self.fc(self.dropout(x.mean(axis=[2, 3])))

    class TableNet(nn.Layer):
        def __init__(self):
            super().__init__()
            self.hidden1 = nn.Linear(6, 16)
            self.bn = nn.BatchNorm1D(16, momentum=1.0)
            self.dropout = nn.Dropout(0.3)
            self.hidden2 = nn.Linear(16, 8)
            self.relu = nn.ReLU()
            self.output = nn.Linear(8, 3)

        def forward(self, x):
            x = self.dropout(self.relu(self.bn(self.hidden1(x))))
            return self.output(self.relu(self.hidden2(x)))

    class Networks(nn.Layer):
        def __init__(self):
            super().__init__()
            self.pictures = PictureNet()
            self.table = TableNet()

        def forward(self, x):
            return self.table(x) if len(x.shape) == 2 else self.pictures(x)

    return Networks()
