"""Programs of the kinds people write, run under both names: `t` is fgrad or torch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def fill(t: Any, *modules: Any) -> None:
    """The same starting weights under both names."""
    rng = np.random.default_rng(0)
    with t.no_grad():
        for m in modules:
            for p in m.parameters():
                p.copy_(t.tensor(rng.normal(size=tuple(p.shape)).astype("float32") * 0.3))


def numbers(t: Any, seed: int, *shape: int) -> Any:
    return t.tensor(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def program_gan(t: Any) -> list[Any]:
    g = t.nn.Sequential(t.nn.Linear(3, 8), t.nn.LeakyReLU(0.2), t.nn.Linear(8, 2))
    d = t.nn.Sequential(t.nn.Linear(2, 8), t.nn.LeakyReLU(0.2), t.nn.Linear(8, 1))
    fill(t, g, d)
    og, od = t.optim.Adam(g.parameters(), lr=1e-2, betas=(0.5, 0.9)), t.optim.Adam(d.parameters(), lr=1e-2)
    criterion = t.nn.BCEWithLogitsLoss()
    out = []
    for i in range(8):
        real, noise = numbers(t, i, 6, 2) + 2, numbers(t, 100 + i, 6, 3)
        od.zero_grad()
        fake = g(noise)
        loss_d = criterion(d(real), t.ones(6, 1)) + criterion(d(fake.detach()), t.zeros(6, 1))
        loss_d.backward()
        od.step()
        og.zero_grad()
        loss_g = criterion(d(fake), t.ones(6, 1))
        loss_g.backward()
        og.step()
        out += [loss_d.item(), loss_g.item()]
    return out


def program_accumulation_and_clipping(t: Any) -> list[Any]:
    m = t.nn.Linear(4, 3)
    fill(t, m)
    opt = t.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
    out = []
    for i in range(12):
        loss = (m(numbers(t, i, 5, 4)) ** 2).mean() / 3
        loss.backward()
        if i % 3 == 2:
            norm = sum((p.grad**2).sum() for p in m.parameters()) ** 0.5
            for p in m.parameters():
                p.grad.mul_(0.5 / (norm + 1e-6))
            opt.step()
            opt.zero_grad()
            out.append(norm.item())
        out.append(loss.item())
    return out


def program_truncated_bptt(t: Any) -> list[Any]:
    cell = t.nn.Linear(3 + 5, 5)
    head = t.nn.Linear(5, 1)
    fill(t, cell, head)
    opt = t.optim.Adam([*cell.parameters(), *head.parameters()], lr=1e-2)
    h = t.zeros(2, 5)
    out = []
    for i in range(6):
        h = h.detach()
        loss = 0.0
        for k in range(4):
            h = t.tanh(cell(t.cat([numbers(t, 10 * i + k, 2, 3), h], 1)))
            loss = loss + (head(h) - 0.5).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        out.append(loss.item())
    return [*out, h]


def program_ema_and_tied_weights(t: Any) -> list[Any]:
    class Tied(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = t.nn.Embedding(7, 4)
            self.out = t.nn.Linear(4, 7, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, x: Any) -> Any:
            return self.out(self.embed(x).mean(1))

    m = Tied()
    fill(t, m)
    ema = copy.deepcopy(m)
    opt = t.optim.AdamW(m.parameters(), lr=1e-2)
    rng = np.random.default_rng(1)
    for _ in range(6):
        x, y = t.tensor(rng.integers(0, 7, (4, 3))), t.tensor(rng.integers(0, 7, 4))
        opt.zero_grad()
        t.nn.functional.cross_entropy(m(x), y).backward()
        opt.step()
        with t.no_grad():
            for a, b in zip(ema.parameters(), m.parameters()):
                a.mul_(0.9).add_(b, alpha=0.1)
    return [len(list(m.parameters())), m.out.weight, ema.out.weight]


def program_dqn(t: Any) -> list[Any]:
    q = t.nn.Sequential(t.nn.Linear(4, 16), t.nn.ReLU(), t.nn.Linear(16, 3))
    fill(t, q)
    target = copy.deepcopy(q)
    opt = t.optim.Adam(q.parameters(), lr=1e-2)
    rng = np.random.default_rng(2)
    out = []
    for i in range(9):
        s, s2 = numbers(t, i, 8, 4), numbers(t, 50 + i, 8, 4)
        a, r = t.tensor(rng.integers(0, 3, 8)), numbers(t, 90 + i, 8)
        done = t.tensor(rng.integers(0, 2, 8).astype("float32"))
        with t.no_grad():
            best = r + 0.9 * (1 - done) * target(s2).max(1)[0]
        value = q(s).gather(1, a.unsqueeze(1)).squeeze(1)
        loss = t.nn.functional.smooth_l1_loss(value, best)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 3 == 0:
            target.load_state_dict(q.state_dict())
        out.append(loss.item())
    return out


def program_vae(t: Any) -> list[Any]:
    enc, dec = t.nn.Linear(6, 4), t.nn.Linear(2, 6)
    fill(t, enc, dec)
    opt = t.optim.Adam([*enc.parameters(), *dec.parameters()], lr=1e-2)
    out = []
    for i in range(8):
        x = t.sigmoid(numbers(t, i, 5, 6))
        mu, logvar = enc(x).chunk(2, dim=1)
        z = mu + t.exp(0.5 * logvar) * numbers(t, 70 + i, 5, 2)
        rec = t.nn.functional.binary_cross_entropy(t.sigmoid(dec(z)), x, reduction="sum")
        kl = -0.5 * t.sum(1 + logvar - mu.pow(2) - logvar.exp())
        opt.zero_grad()
        (rec + kl).backward()
        opt.step()
        out.append((rec + kl).item())
    return out


def program_optimise_an_image(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Conv2d(1, 4, 3), t.nn.ReLU(), t.nn.AvgPool2d(2))
    fill(t, net)
    for p in net.parameters():
        p.requires_grad_(False)
    goal = net(numbers(t, 1, 1, 1, 8, 8))
    image = numbers(t, 2, 1, 1, 8, 8).requires_grad_(True)
    opt = t.optim.SGD([image], lr=0.5)
    out = []
    for _ in range(6):
        opt.zero_grad()
        features = net(image)
        gram = features.flatten(2) @ features.flatten(2).transpose(1, 2)
        aim = goal.flatten(2) @ goal.flatten(2).transpose(1, 2)
        loss = ((gram - aim) ** 2).mean() * 0.01
        loss.backward()
        opt.step()
        with t.no_grad():
            image.clamp_(-1, 1)
        out.append(loss.item())
    return [*out, image]


def program_meta_learning(t: Any) -> list[Any]:
    w = numbers(t, 0, 3, 1).requires_grad_(True)
    out = []
    for i in range(4):
        x, y = numbers(t, i, 6, 3), numbers(t, 20 + i, 6, 1)
        inner = ((x @ w - y) ** 2).mean()
        (g,) = t.autograd.grad(inner, w, create_graph=True)
        fast = w - 0.1 * g
        outer = ((numbers(t, 40 + i, 6, 3) @ fast - numbers(t, 60 + i, 6, 1)) ** 2).mean()
        outer.backward()
        with t.no_grad():
            w -= 0.05 * w.grad
        out += [outer.item(), w.grad.clone()]
        w.grad.zero_()
    return out


def program_physics(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Linear(1, 8), t.nn.Tanh(), t.nn.Linear(8, 1))
    fill(t, net)
    opt = t.optim.Adam(net.parameters(), lr=1e-2)
    out = []
    for _ in range(5):
        x = t.linspace(0, 1, 9).unsqueeze(1).requires_grad_(True)
        u = net(x)
        (ux,) = t.autograd.grad(u, x, t.ones_like(u), create_graph=True)
        (uxx,) = t.autograd.grad(ux, x, t.ones_like(ux), create_graph=True)
        loss = ((uxx + u) ** 2).mean() + (u[0] - 1).pow(2).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        out.append(loss.item())
    return out


def program_attention(t: Any) -> list[Any]:
    qkv, proj, norm = t.nn.Linear(8, 24), t.nn.Linear(8, 8), t.nn.LayerNorm(8)
    fill(t, qkv, proj)
    opt = t.optim.Adam([*qkv.parameters(), *proj.parameters(), *norm.parameters()], lr=1e-2)
    mask = t.triu(t.ones(5, 5), diagonal=1).bool()
    out = []
    for i in range(5):
        x = numbers(t, i, 2, 5, 8)
        q, k, v = qkv(norm(x)).view(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) / 2.0
        scores = scores.masked_fill(mask, float("-inf"))
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(2, 5, 8)
        loss = (x + proj(y)).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        out.append(loss.item())
    return out


def program_batchnorm_running_statistics(t: Any) -> list[Any]:
    m = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4, momentum=None), t.nn.ReLU(inplace=True), t.nn.BatchNorm1d(4))
    fill(t, m)
    for i in range(4):
        m(numbers(t, i, 6, 3)).sum().backward()
    m.eval()
    return [m[1].running_mean, m[1].running_var, m[3].running_var, m[1].num_batches_tracked, m(numbers(t, 9, 2, 3)), m[0].weight.grad]


def program_confusion_matrix(t: Any) -> list[Any]:
    rng = np.random.default_rng(3)
    predicted, expected = (t.tensor(rng.integers(0, 4, 50)) for _ in range(2))
    matrix = t.zeros(4, 4, dtype=t.int64)
    for p, e in zip(predicted, expected):
        matrix[e, p] += 1
    precision = matrix.diag().float() / matrix.sum(0).clamp(min=1)
    order = precision.argsort(descending=True)
    counts = t.bincount(expected, minlength=4)
    return [matrix, precision, order, counts, t.unique(predicted), (predicted == expected).float().mean()]


def program_lists_of_kept_tensors(t: Any) -> list[Any]:
    w = numbers(t, 0, 4).requires_grad_(True)
    kept, states = [], []
    for i in range(5):
        h = (w * numbers(t, i, 4)).tanh()
        kept.append(h)
        states.append(h.detach().numpy().copy())
    total = t.stack(kept).sum(0).pow(2).sum()
    total.backward()
    return [w.grad, *states]


PROGRAMS = {k.removeprefix("program_"): v for k, v in list(globals().items()) if k.startswith("program_")}


@pytest.mark.parametrize("kernels", ["auto", "native"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_computes_what_torch_does(name: str, kernels: str) -> None:
    theirs = PROGRAMS[name](torch)
    with fg.settings(kernels=kernels):
        for _ in range(2):
            ours = PROGRAMS[name](fg)
            assert len(ours) == len(theirs)
            for a, b in zip(ours, theirs, strict=True):
                x, y = (np.asarray(v.detach() if hasattr(v, "detach") else v) for v in (a, b))
                np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5)
