"""A deep convolutional GAN on 8x8 digits: two optimisers, weights initialised by apply, noise from NumPy."""

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.optim as optim
from fgrad.demo.digits import load
from fgrad.utils.data import DataLoader, TensorDataset


class Generator(nn.Module):
    """Noise [n, nz, 1, 1] to images [n, 1, 8, 8] in -1..1."""

    def __init__(self, nz, ngf):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 2, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, x):
        """Images."""
        return self.main(x)


class Discriminator(nn.Module):
    """Images [n, 1, 8, 8] to the probability [n] of being real."""

    def __init__(self, ndf):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, 1, 2, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        """Probabilities."""
        return self.main(x).view(-1)


def weights_init(m):
    """Normal weights, by the class name of the layer."""
    name = m.__class__.__name__
    if name.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif name.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


def build(nz=16, width=16):
    """[generator, discriminator]."""
    models = [Generator(nz, width), Discriminator(width)]
    for model in models:
        model.apply(weights_init)
    return models


def train(generator, discriminator, steps=60, batch=64, lr=2e-3, seed=0):
    """[(discriminator loss, generator loss, D(x), D(G(z)))] of every step."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(load()[0].images).unsqueeze(1) * 2 - 1
    loader = DataLoader(TensorDataset(images), batch_size=batch, drop_last=True)
    nz = generator.main[0].in_channels
    criterion = nn.BCELoss()
    optimizer_d = optim.Adam(discriminator.parameters(), lr=lr, betas=(0.5, 0.999))
    optimizer_g = optim.Adam(generator.parameters(), lr=lr, betas=(0.5, 0.999))
    rows = []
    while len(rows) < steps:
        for (real,) in loader:
            discriminator.zero_grad()
            label = torch.full((real.size(0),), 1.0, dtype=torch.float)
            output = discriminator(real)
            loss_real = criterion(output, label)
            loss_real.backward()
            d_x = output.mean().item()
            noise = torch.from_numpy(rng.standard_normal((real.size(0), nz, 1, 1)).astype(np.float32))
            fake = generator(noise)
            label.fill_(0.0)
            loss_fake = criterion(discriminator(fake.detach()), label)
            loss_fake.backward()
            optimizer_d.step()

            generator.zero_grad()
            label.fill_(1.0)
            output = discriminator(fake)
            loss_g = criterion(output, label)
            loss_g.backward()
            optimizer_g.step()
            rows.append(((loss_real + loss_fake).item(), loss_g.item(), d_x, output.mean().item()))
            if len(rows) == steps:
                break
    return rows


def main(steps=60):
    """Trains, prints losses and one generated digit."""
    torch.manual_seed(999)
    generator, discriminator = build()
    rows = train(generator, discriminator, steps)
    for i in range(9, steps, 10):
        print("step {}: loss D {:.3f}, loss G {:.3f}, D(x) {:.3f}, D(G(z)) {:.3f}".format(i + 1, *rows[i]))
    with torch.no_grad():
        image = generator(torch.randn(4, 16, 1, 1))[0, 0]
    print("\n".join("".join(" .:*#"[min(int((v + 1) * 2.5), 4)] for v in row) for row in image.tolist()))
    return rows


if __name__ == "__main__":
    main()
