"""A U-Net segments discs out of noise: skip connections, BCE plus the Dice loss, RMSprop, plateau schedule."""

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim
from fgrad.utils.data import DataLoader, Dataset


class Discs(Dataset):
    """Noisy images float32[1, side, side] and masks of the discs in them."""

    def __init__(self, count, side, seed=0):
        self.count, self.side, self.seed = count, side, seed

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        rng = np.random.default_rng((self.seed, i))
        y, x = np.mgrid[0 : self.side, 0 : self.side]
        cy, cx = rng.uniform(0.25, 0.75, 2) * self.side
        radius = rng.uniform(0.12, 0.25) * self.side
        mask = ((x - cx) ** 2 + (y - cy) ** 2 < radius**2).astype(np.float32)[None]
        image = mask + 0.5 * rng.standard_normal(mask.shape).astype(np.float32)
        return torch.from_numpy(image), torch.from_numpy(mask)


class DoubleConv(nn.Module):
    """(convolution, batch norm, ReLU) twice."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        """Same height and width."""
        return self.double_conv(x)


class Up(nn.Module):
    """Upsamples, pads to the skip connection's size, joins and convolves."""

    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                nn.Conv2d(in_channels, in_channels // 2, 1),
            )
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x, skip):
        """The skip connection's height and width."""
        x = self.up(x)
        dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([skip, x], dim=1))


class UNet(nn.Module):
    """Two levels down, two up: one upsampled by transposed convolution, one bilinearly."""

    def __init__(self, width):
        super().__init__()
        self.inc = DoubleConv(1, width)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, 2 * width))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(2 * width, 4 * width))
        self.up1 = Up(4 * width, 2 * width, bilinear=False)
        self.up2 = Up(2 * width, width, bilinear=True)
        self.outc = nn.Conv2d(width, 1, kernel_size=1)

    def forward(self, x):
        """Logits of the mask."""
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_coeff(found, target, epsilon=1e-6):
    """2 |A and B| / (|A| + |B|), averaged over the batch."""
    inter = 2 * (found * target).sum(dim=(-1, -2, -3))
    sets = found.sum(dim=(-1, -2, -3)) + target.sum(dim=(-1, -2, -3))
    sets = torch.where(sets == 0, inter, sets)
    return ((inter + epsilon) / (sets + epsilon)).mean()


def build(width=4):
    """The model to train, in a list."""
    return [UNet(width)]


def train(model, steps=30, batch=8, side=18, lr=2e-3):
    """The loss of every step."""
    loader = DataLoader(Discs(64, side), batch_size=batch)
    optimizer = optim.RMSprop(model.parameters(), lr=lr, weight_decay=1e-8, momentum=0.5, foreach=True)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=1)
    criterion = nn.BCEWithLogitsLoss()
    losses = []
    while len(losses) < steps:
        scores = []
        for images, masks in loader:
            model.train()
            logits = model(images)
            loss = criterion(logits, masks)
            loss = loss + 1 - dice_coeff(torch.sigmoid(logits), masks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            scores.append(dice_coeff((logits.detach() > 0).float(), masks).item())
            if len(losses) == steps:
                break
        scheduler.step(sum(scores) / len(scores))
    return losses


def main(steps=40):
    """Trains, prints losses and the Dice score of unseen images."""
    torch.manual_seed(0)
    (model,) = build()
    losses = train(model, steps)
    for i in range(4, steps, 5):
        print(f"step {i + 1}: loss {losses[i]:.4f}")
    model.eval()
    with torch.no_grad():
        images, masks = next(iter(DataLoader(Discs(16, 18, seed=1), batch_size=16)))
        print(f"Dice of unseen images: {dice_coeff((torch.sigmoid(model(images)) > 0.5).float(), masks).item():.3f}")
    return losses


if __name__ == "__main__":
    main()
