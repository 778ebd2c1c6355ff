"""A word-level LSTM language model: truncated backpropagation through time, gradient clipping, sampled sentences."""

import math

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.optim as optim

SUBJECTS = "the cat|a dog|my friend|the old man|a small bird".split("|")
VERBS = "sees|likes|follows|finds|paints".split("|")
OBJECTS = "the river|a red house|the moon|an apple|the garden".split("|")


def corpus(sentences, seed=0):
    """(words, ids int64[n]): sentences of a small grammar, each closed by <eos>."""
    rng = np.random.default_rng(seed)
    text = []
    for _ in range(sentences):
        parts = (SUBJECTS, VERBS, OBJECTS)
        text += [*" ".join(p[rng.integers(len(p))] for p in parts).split(), "<eos>"]
    words = sorted(set(text))
    index = {w: i for i, w in enumerate(words)}
    return words, np.array([index[w] for w in text], dtype=np.int64)


def batchify(ids, columns):
    """int64[n // columns, columns]: the text cut into columns read side by side."""
    rows = len(ids) // columns
    return torch.from_numpy(ids[: rows * columns]).view(columns, rows).t().contiguous()


def get_batch(source, i, bptt):
    """(inputs [t, columns], the next words [t * columns])."""
    length = min(bptt, len(source) - 1 - i)
    return source[i : i + length], source[i + 1 : i + 1 + length].reshape(-1)


class RNNModel(nn.Module):
    """Embedding, LSTM, tied decoder."""

    def __init__(self, words, width, layers, dropout=0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(words, width)
        self.rnn = nn.LSTM(width, width, layers, dropout=dropout)
        self.decoder = nn.Linear(width, words)
        self.decoder.weight = self.encoder.weight
        self.width, self.layers = width, layers
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens, hidden):
        """(logits [t * columns, words], hidden)."""
        output, hidden = self.rnn(self.drop(self.encoder(tokens)), hidden)
        decoded = self.decoder(self.drop(output))
        return decoded.view(-1, decoded.size(-1)), hidden

    def init_hidden(self, columns):
        """Zeros (h, c), of the weights' type."""
        weight = next(self.parameters())
        shape = (self.layers, columns, self.width)
        return weight.new_zeros(*shape), weight.new_zeros(*shape)


def build(width=48, layers=2, dropout=0.0):
    """The model to train, in a list."""
    words, _ = corpus(200)
    return [RNNModel(len(words), width, layers, dropout)]


def repackage(hidden):
    """The same state without its history."""
    return tuple(h.detach() for h in hidden)


def train(model, steps=80, columns=16, bptt=12, lr=4.0):
    """The loss of every step."""
    _, ids = corpus(200)
    data = batchify(ids, columns)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=lr)
    losses = []
    model.train()
    while len(losses) < steps:
        hidden = model.init_hidden(columns)
        for i in range(0, data.size(0) - 1, bptt):
            inputs, targets = get_batch(data, i, bptt)
            hidden = repackage(hidden)
            optimizer.zero_grad()
            output, hidden = model(inputs, hidden)
            loss = criterion(output, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


def generate(model, count=24, temperature=0.8):
    """Sampled words."""
    words, _ = corpus(200)
    model.eval()
    hidden = model.init_hidden(1)
    token = torch.tensor([[words.index("<eos>")]])
    out = []
    with torch.no_grad():
        for _ in range(count):
            output, hidden = model(token, hidden)
            weights = output.squeeze().div(temperature).exp()
            index = torch.multinomial(weights, 1)[0]
            token.fill_(index)
            out.append(words[index.item()])
    return " ".join(out)


def main(steps=120):
    """Trains, prints losses and a sample."""
    torch.manual_seed(0)
    (model,) = build()
    losses = train(model, steps)
    for i in range(19, steps, 20):
        print(f"step {i + 1}: loss {losses[i]:.3f}, perplexity {math.exp(losses[i]):.2f}")
    print(generate(model).replace("<eos>", "/"))
    return losses


if __name__ == "__main__":
    main()
