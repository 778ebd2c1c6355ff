"""A causal transformer language model: nn.TransformerEncoder, sinusoidal positions, AdamW, warmup then cosine decay."""

import math

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim

TEXT = "she sells sea shells by the sea shore; the shells she sells are sea shells for sure. " * 12
LETTERS = sorted(set(TEXT))


class PositionalEncoding(nn.Module):
    """Adds sin and cos of the position."""

    def __init__(self, d_model, dropout=0.0, max_len=256):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        """[n, t, d_model], positions added."""
        return self.dropout(x + self.pe[:, : x.size(1)])


class TransformerModel(nn.Module):
    """Embedding, positions, encoder layers under a causal mask, decoder."""

    def __init__(self, words, d_model, heads, d_hid, layers, dropout=0.0):
        super().__init__()
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        layer = nn.TransformerEncoderLayer(d_model, heads, d_hid, dropout, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.embedding = nn.Embedding(words, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, words)
        self.init_weights()

    def init_weights(self):
        """Uniform embedding and decoder, no decoder bias."""
        self.embedding.weight.data.uniform_(-0.1, 0.1)
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-0.1, 0.1)

    def forward(self, src):
        """Letters [n, t] to logits [n, t, words]."""
        x = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        mask = nn.Transformer.generate_square_subsequent_mask(src.size(1))
        return self.linear(self.transformer_encoder(x, mask, is_causal=True))


def build(d_model=32, heads=4, layers=2):
    """The model to train, in a list."""
    return [TransformerModel(len(LETTERS), d_model, heads, 2 * d_model, layers)]


def train(model, steps=100, batch=16, length=24, lr=5e-3, warmup=10, total=100, seed=0):
    """The loss of every step."""
    rng = np.random.default_rng(seed)
    ids = np.array([LETTERS.index(c) for c in TEXT], dtype=np.int64)
    optimizer = optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    rate = lambda i: min((i + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(i, total) / total)))
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, rate)
    losses = []
    model.train()
    for _ in range(steps):
        starts = rng.integers(0, len(ids) - length - 1, batch)
        rows = torch.from_numpy(np.stack([ids[s : s + length + 1] for s in starts]))
        output = model(rows[:, :-1])
        loss = F.cross_entropy(output.reshape(-1, output.size(-1)), rows[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def generate(model, start="she", count=40):
    """The most probable continuation."""
    model.eval()
    ids = torch.tensor([[LETTERS.index(c) for c in start]])
    with torch.no_grad():
        for _ in range(count):
            best = model(ids[:, -24:])[:, -1].argmax(dim=-1, keepdim=True)
            ids = torch.cat([ids, best], dim=1)
    return "".join(LETTERS[i] for i in ids[0].tolist())


def main(steps=100):
    """Trains, prints losses and a continuation."""
    torch.manual_seed(0)
    (model,) = build()
    losses = train(model, steps, total=steps)
    for i in range(19, steps, 20):
        print(f"step {i + 1}: loss {losses[i]:.3f}")
    print(generate(model))
    return losses


if __name__ == "__main__":
    main()
