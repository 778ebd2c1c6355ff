"""A convolutional network on the digits, as a PyTorch user writes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import fgrad as torch
from fgrad import nn, optim
from fgrad.demo.digits import Split, macro_f1
from fgrad.utils.data import DataLoader, TensorDataset

EPOCHS = 12


class Net(nn.Module):
    """Two convolutions with batch normalisation, dropout, and a linear head: float[n, 1, 8, 8] -> float[n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 4 * 4, 10))

    def forward(self, x: Any) -> Any:
        """Logits."""
        return self.head(self.features(x))


def dataset(split: Split) -> TensorDataset:
    """Images with a channel dimension, and labels."""
    return TensorDataset(torch.tensor(split.images[:, None]), torch.tensor(split.labels))


def evaluate(model: nn.Module, data: TensorDataset) -> tuple[float, float]:
    """(accuracy, macro F1)."""
    model.eval()
    predicted = []
    with torch.no_grad():
        for x, _ in DataLoader(data, batch_size=60):
            predicted += model(x).argmax(1).tolist()
    labels = data.tensors[1].numpy()
    hits = sum(int(p == y) for p, y in zip(predicted, labels, strict=True))
    return hits / len(labels), macro_f1(torch.tensor(predicted).numpy(), labels)


def train(splits: tuple[Split, Split, Split], epochs: int, bar: Callable[..., Any], report: Callable[[str], None]) -> Any:
    """Trains and returns (test accuracy, test F1, the step's captured graphs)."""
    torch.manual_seed(0)
    train_set, validation, test = map(dataset, splits)
    model = Net()
    loader = DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(1, epochs + 1):
        model.train()
        total, hits, start = 0.0, 0, time.perf_counter()
        for x, y in bar(loader, f"CNN epoch {epoch}/{epochs}"):
            optimizer.zero_grad()
            logits = model(x)
            loss = criterion(logits, y)
            correct = (logits.argmax(1) == y).sum()
            loss.backward()
            optimizer.step()
            total += loss.item()
            hits += int(correct.item())
        scheduler.step()
        accuracy, _ = evaluate(model, validation)
        seconds = time.perf_counter() - start
        report(
            f"  epoch {epoch}: loss {total / len(loader):.4f}, train accuracy {hits / (len(loader) * 64):.3f}, "
            f"validation accuracy {accuracy:.3f}, {seconds:.2f} s"
        )
    x, y = next(iter(loader))
    model.train()
    with torch.capture() as captured:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    return *evaluate(model, test), captured
