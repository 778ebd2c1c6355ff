"""A convolutional classifier of handwritten digits: NLL loss, Adadelta, a step schedule, accuracy after each epoch."""

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim
from fgrad.demo.digits import load
from fgrad.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """Two convolutions, pooling, dropout, two linear layers; log probabilities."""

    def __init__(self, width=8, dropout=0.25):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, 1, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, 1)
        self.dropout1 = nn.Dropout2d(dropout)
        self.dropout2 = nn.Dropout(2 * dropout)
        self.fc1 = nn.Linear(2 * width * 3 * 3, 8 * width)
        self.fc2 = nn.Linear(8 * width, 10)

    def forward(self, x):
        """Images [n, 1, 8, 8] to [n, 10]."""
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = torch.flatten(x, 1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def build(width=8, dropout=0.25):
    """The model to train, in a list."""
    return [Net(width, dropout)]


def test(model, loader):
    """(mean loss, accuracy) over the loader."""
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def train(model, steps=60, batch=64, report=None):
    """The loss of every step; report(step, loss, test loss, accuracy) after each pass over the data."""
    train_split, _, test_split = load()
    as_set = lambda s: TensorDataset(torch.from_numpy(s.images).unsqueeze(1), torch.from_numpy(s.labels))
    train_loader = DataLoader(as_set(train_split), batch_size=batch, drop_last=True)
    test_loader = DataLoader(as_set(test_split), batch_size=256)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)
    losses = []
    while len(losses) < steps:
        model.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
        scheduler.step()
        if report:
            report(len(losses), losses[-1], *test(model, test_loader))
    return losses


def main(steps=114):
    """Trains with progress on the screen."""
    torch.manual_seed(1)
    show = lambda n, loss, held, acc: print(f"step {n}: loss {loss:.4f}, test loss {held:.4f}, accuracy {acc:.3f}")
    return train(*build(), steps=steps, report=show)


if __name__ == "__main__":
    main()
