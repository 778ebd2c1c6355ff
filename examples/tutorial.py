"""The PyTorch-style workflow: Dataset with a transform, DataLoader, Module, training, evaluation, saving, inference."""

import sys
import tempfile
from pathlib import Path

import numpy as np

import fgrad as torch
from fgrad import nn
from fgrad.demo.digits import load
from fgrad.utils.data import DataLoader, Dataset, random_split


class Digits(Dataset):
    """The digits as (image, label), through a transform."""

    def __init__(self, transform=None):
        parts = load()
        self.images = np.concatenate([p.images for p in parts])
        self.labels = np.concatenate([p.labels for p in parts])
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = self.images[i]
        if self.transform:
            image = self.transform(image)
        return image, int(self.labels[i])


def to_tensor(image):
    """float32[1, 8, 8], normalised."""
    return (torch.tensor(image).unsqueeze(0) - 0.3) / 0.37


class Net(nn.Module):
    """Convolution, pooling, two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 4 * 4, 64)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        """Logits."""
        x = self.pool(nn.functional.relu(self.norm(self.conv(x))))
        x = torch.flatten(x, 1)
        x = nn.functional.relu(self.fc1(x))
        return self.fc2(self.drop(x))


def train(model, loader, criterion, optimizer, device):
    """One epoch; returns the mean loss."""
    model.train()
    total = 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * labels.size(0)
    return total / len(loader.dataset)


def evaluate(model, loader, device):
    """(accuracy, macro F1)."""
    model.eval()
    predicted, expected = [], []
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images.to(device))
            predicted.append(logits.argmax(dim=1).cpu())
            expected.append(labels)
    predicted, expected = torch.cat(predicted), torch.cat(expected)
    accuracy = (predicted == expected).float().mean().item()
    scores = []
    for k in range(10):
        hit = ((predicted == k) & (expected == k)).sum().item()
        wrong = ((predicted == k) != (expected == k)).sum().item()
        scores.append(2 * hit / max(2 * hit + wrong, 1))
    return accuracy, sum(scores) / 10


def main(epochs=6, workers=2, folder=None):
    """Trains, saves, loads and predicts; returns (losses, accuracy, F1, predictions of the loaded model agree)."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = Digits(transform=to_tensor)
    train_set, test_set = random_split(dataset, [1437, 360])
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=workers)
    test_loader = DataLoader(test_set, batch_size=128)
    model = Net().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.3)
    losses = []
    for _ in range(epochs):
        losses.append(train(model, train_loader, criterion, optimizer, device))
        scheduler.step()
    accuracy, f1 = evaluate(model, test_loader, device)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(folder or temporary) / "digits.pth"
        torch.save(model.state_dict(), path)
        loaded = Net()
        loaded.load_state_dict(torch.load(path, map_location=device))
    loaded.to(device).eval()
    model.eval()
    image, _ = test_set[0]
    with torch.no_grad():
        same = loaded(image.unsqueeze(0).to(device)).argmax().item() == model(image.unsqueeze(0).to(device)).argmax().item()
    return losses, accuracy, f1, same


if __name__ == "__main__":
    losses, accuracy, f1, same = main()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {accuracy:.3f}, F1 {f1:.3f}, loaded model agrees: {same}")
    sys.exit(0 if accuracy > 0.95 else 1)
