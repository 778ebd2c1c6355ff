"""MLP 784-256-10 with Adam; `tiled` is fgrad as on a machine without llvmlite, against NumPy typed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.faces import OPTIMISERS, ByHand, Eager, Functional, drawn, labels, numbers
from benchmarks.rows.row import Row, Step

BATCHES = 8


def shapes(wide: int, hidden: int, classes: int) -> dict[str, tuple[int, ...]]:
    return {"0.weight": (hidden, wide), "0.bias": (hidden,), "2.weight": (classes, hidden), "2.bias": (classes,)}


def batches(batch: int, wide: int, classes: int) -> list[tuple[Any, Any]]:
    return [(numbers((batch, wide), i), labels((batch,), classes, i)) for i in range(BATCHES)]


def eager(e: Eager, batch: int, wide: int, hidden: int, classes: int) -> Step:
    nn = e.torch.nn
    model = nn.Sequential(nn.Linear(wide, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    return e.classify(model, batches(batch, wide, classes))


def functional(f: Functional, batch: int, wide: int, hidden: int, classes: int) -> Step:
    def model(p: Any, x: Any) -> Any:
        return f.linear(p, "2", f.nn.relu(f.linear(p, "0", x)))

    return f.classify(model, f.filled(shapes(wide, hidden, classes)), batches(batch, wide, classes))


def byhand(_: ByHand, batch: int, wide: int, hidden: int, classes: int) -> Step:
    """The same arithmetic, every pass over the parameters a call."""
    p = {k: drawn(k, s) for k, s in shapes(wide, hidden, classes).items()}
    w1, b1, w2, b2 = p.values()
    m, v = ({k: np.zeros_like(x) for k, x in p.items()} for _ in range(2))
    data, places, f32 = batches(batch, wide, classes), np.arange(batch), np.float32

    def step(i: int) -> float:
        x, y = data[i % BATCHES]
        h = x @ w1.T + b1
        a = np.maximum(h, 0)
        z = a @ w2.T + b2
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[places, y]).mean()
        d = e / total
        d[places, y] -= 1
        d /= f32(batch)
        da = d @ w2
        da *= h > 0
        grads = {"0.weight": da.T @ x, "0.bias": da.sum(0), "2.weight": d.T @ a, "2.bias": d.sum(0)}
        rate, root = f32(OPTIMISERS["adam"]["lr"] / (1 - 0.9 ** (i + 1))), f32((1 - 0.999 ** (i + 1)) ** -0.5)
        for k, g in grads.items():
            m[k] *= f32(0.9)
            m[k] += g * f32(0.1)
            v[k] *= f32(0.999)
            v[k] += g * g * f32(0.001)
            p[k] -= m[k] * rate / (np.sqrt(v[k]) * root + f32(1e-8))
        return float(loss)

    return step


def sized(batch: int) -> dict[str, int]:
    return {"batch": batch, "wide": 784, "hidden": 256, "classes": 10}


ROWS = [
    *(Row(f"mlp-b{b}", sized(b), {}, n, 60, eager, functional) for b, n in ((1, 150), (32, 150), (64, 150), (512, 40))),
    *(
        Row(f"tiled-b{b}", sized(b), {}, n, 60, eager, functional, byhand,
            without=("torch", "torch.compile", "jax.jit"), settings={"kernels": "tiled"})
        for b, n in ((32, 150), (64, 150), (512, 40))
    ),
]  # fmt: skip
