"""Super-resolution by sub-pixel convolution: half-size digits to full size, scored by the signal-to-noise ratio."""

import math

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim
from fgrad.demo.digits import load
from fgrad.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    """(the image averaged down by two, the image)."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        target = self.images[index][None]
        small = target.reshape(1, 4, 2, 4, 2).mean(axis=(2, 4), dtype=np.float32)
        return torch.from_numpy(small), torch.from_numpy(target)


class Net(nn.Module):
    """Four convolutions, the last one's channels shuffled into pixels."""

    def __init__(self, upscale_factor, width):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, width, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(width, width, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(width, width // 2, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(width // 2, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        """[n, 1, h, w] to [n, 1, r h, r w]."""
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        gain = nn.init.calculate_gain("relu")
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.orthogonal_(conv.weight, gain)
        nn.init.orthogonal_(self.conv4.weight)


def build(width=32):
    """The model to train, in a list."""
    return [Net(2, width)]


def train(model, steps=100, batch=32, lr=3e-3):
    """The loss of every step."""
    train_split, _, _ = load()
    loader = DataLoader(Pairs(train_split.images), batch_size=batch, drop_last=True)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    losses = []
    model.train()
    while len(losses) < steps:
        for small, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(small), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


def evaluate(model):
    """(peak signal-to-noise ratio of the model, of bicubic interpolation) in dB on the test images."""
    _, _, test_split = load()
    model.eval()
    with torch.no_grad():
        small, target = next(iter(DataLoader(Pairs(test_split.images), batch_size=360)))
        both = model(small), F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False)
        return [-10 * math.log10(F.mse_loss(found, target).item()) for found in both]


def main(steps=200):
    """Trains, prints losses and scores."""
    torch.manual_seed(123)
    (model,) = build()
    losses = train(model, steps)
    for i in range(19, steps, 20):
        print(f"step {i + 1}: loss {losses[i]:.4f}")
    model_score, plain = evaluate(model)
    print(f"PSNR {model_score:.2f} dB, bicubic {plain:.2f} dB")
    return losses


if __name__ == "__main__":
    main()
