"""A GRU encoder and a decoder with additive attention learn to write a number's digits in reverse."""

import numpy as np

import fgrad as torch
import fgrad.nn as nn
import fgrad.nn.functional as F  # noqa: N812
import fgrad.optim as optim

SOS, EOS, FIRST = 0, 1, 2
WORDS = FIRST + 10


class EncoderRNN(nn.Module):
    """Embedding and GRU, batch first."""

    def __init__(self, words, hidden_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, inputs):
        """(outputs [n, t, h], state [1, n, h])."""
        return self.gru(self.dropout(self.embedding(inputs)))


class BahdanauAttention(nn.Module):
    """softmax(v . tanh(W query + U keys)) over the keys."""

    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        """(context [n, 1, h], weights [n, 1, t])."""
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    """One GRU step a word, fed by the attention's context."""

    def __init__(self, hidden_size, words, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, words)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, encoder_outputs, encoder_hidden, length, target=None):
        """(log probabilities [n, length, words], state, attention [n, length, t])."""
        batch_size = encoder_outputs.size(0)
        word = torch.empty(batch_size, 1, dtype=torch.long).fill_(SOS)
        hidden, outputs, attentions = encoder_hidden, [], []
        for i in range(length):
            output, hidden, weights = self.forward_step(word, hidden, encoder_outputs)
            outputs.append(output)
            attentions.append(weights)
            if target is not None:
                word = target[:, i].unsqueeze(1)
            else:
                _, top = output.topk(1)
                word = top.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), hidden, torch.cat(attentions, dim=1)

    def forward_step(self, word, hidden, encoder_outputs):
        """(logits [n, 1, words], state, weights)."""
        embedded = self.dropout(self.embedding(word))
        query = hidden.permute(1, 0, 2)
        context, weights = self.attention(query, encoder_outputs)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return self.out(output), hidden, weights


def pairs(count, digits, seed=0):
    """(inputs, targets): int64[count, digits + 1], each closed by EOS, the target reversed."""
    numbers = np.random.default_rng(seed).integers(FIRST, WORDS, (count, digits))
    close = np.full((count, 1), EOS)
    both = (np.concatenate([numbers, close], 1), np.concatenate([numbers[:, ::-1], close], 1))
    return tuple(torch.from_numpy(x.astype(np.int64)) for x in both)


def build(hidden=48):
    """[encoder, decoder]."""
    return [EncoderRNN(WORDS, hidden), AttnDecoderRNN(hidden, WORDS)]


def train(encoder, decoder, steps=150, batch=32, digits=4, lr=5e-3):
    """The loss of every step."""
    inputs, targets = pairs(batch * 20, digits)
    encoder_optimizer = optim.Adam(encoder.parameters(), lr=lr)
    decoder_optimizer = optim.Adam(decoder.parameters(), lr=lr)
    criterion = nn.NLLLoss()
    losses = []
    for step in range(steps):
        rows = slice(step % 20 * batch, (step % 20 + 1) * batch)
        source, target = inputs[rows], targets[rows]
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        encoder_outputs, encoder_hidden = encoder(source)
        outputs, _, _ = decoder(encoder_outputs, encoder_hidden, target.size(1), target)
        loss = criterion(outputs.view(-1, outputs.size(-1)), target.reshape(-1))
        loss.backward()
        encoder_optimizer.step()
        decoder_optimizer.step()
        losses.append(loss.item())
    return losses


def evaluate(encoder, decoder, digits=4):
    """The share of unseen numbers written fully right, without the teacher."""
    encoder.eval()
    decoder.eval()
    source, target = pairs(64, digits, seed=1)
    with torch.no_grad():
        outputs, state = encoder(source)
        found, _, _ = decoder(outputs, state, target.size(1))
        return (found.argmax(-1) == target).all(dim=1).float().mean().item()


def main(steps=300):
    """Trains, prints losses and the accuracy."""
    torch.manual_seed(0)
    encoder, decoder = build()
    losses = train(encoder, decoder, steps)
    for i in range(49, steps, 50):
        print(f"step {i + 1}: loss {losses[i]:.4f}")
    print(f"numbers reversed without a mistake: {evaluate(encoder, decoder):.2f}")
    return losses


if __name__ == "__main__":
    main()
