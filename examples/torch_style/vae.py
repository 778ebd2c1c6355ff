"""A variational autoencoder of digits: the reparameterised sample, reconstruction loss plus the KL divergence."""

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim
from fgrad.demo.digits import load
from fgrad.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    """64 pixels to a Gaussian over `latent` numbers and back."""

    def __init__(self, hidden, latent, seed=0):
        super().__init__()
        self.fc1 = nn.Linear(64, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, 64)
        self.rng = np.random.default_rng(seed)

    def encode(self, x):
        """(mean, log variance)."""
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        """mu + eps * sigma, eps drawn by NumPy."""
        std = torch.exp(0.5 * logvar)
        eps = torch.from_numpy(self.rng.standard_normal(tuple(std.shape)).astype(np.float32))
        return mu + eps * std

    def decode(self, z):
        """Pixels in 0..1."""
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        """(reconstruction, mean, log variance)."""
        mu, logvar = self.encode(x.view(-1, 64))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """Binary cross entropy - 1/2 sum(1 + log sigma^2 - mu^2 - sigma^2)."""
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def build(hidden=128, latent=8):
    """The model to train, in a list."""
    return [VAE(hidden, latent)]


def train(model, steps=100, batch=64, lr=3e-3):
    """The loss per image of every step."""
    images = torch.from_numpy(load()[0].images)
    loader = DataLoader(TensorDataset(images), batch_size=batch, shuffle=False)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    losses = []
    model.train()
    while len(losses) < steps:
        for (data,) in loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            optimizer.step()
            losses.append(loss.item() / len(data))
            if len(losses) == steps:
                break
    return losses


def main(steps=200):
    """Trains, prints losses and one decoded sample."""
    torch.manual_seed(1)
    (model,) = build()
    losses = train(model, steps)
    for i in range(19, steps, 20):
        print(f"step {i + 1}: loss {losses[i]:.3f}")
    model.eval()
    with torch.no_grad():
        sample = model.decode(torch.randn(1, 8)).view(8, 8)
    print("\n".join("".join(" .:*#"[min(int(v * 5), 4)] for v in row) for row in sample.tolist()))
    return losses


if __name__ == "__main__":
    main()
