"""Recurrence and text: LSTM, GRU, a tanh RNN as a scan, a bag-of-words classifier with an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.faces import Eager, Functional, labels, numbers
from benchmarks.rows.row import Row, Step

GATES = {"LSTM": 4, "GRU": 3}


def batches(batch: int, n: int, wide: int) -> list[tuple[Any, Any]]:
    return [(numbers((batch, n, wide), i), labels((batch,), 10, i)) for i in range(4)]


def layer_eager(kind: str) -> Callable[..., Step]:
    def eager(e: Eager, batch: int, n: int, wide: int, hidden: int) -> Step:
        nn = e.torch.nn

        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.rnn, self.head = getattr(nn, kind)(wide, hidden, batch_first=True), nn.Linear(hidden, 10)

            def forward(self, x: Any) -> Any:
                return self.head(self.rnn(x)[0][:, -1])

        return e.classify(Net(), batches(batch, n, wide))

    return eager


def lstm_cell(f: Functional, p: Any, carry: Any, drive: Any) -> Any:
    """PyTorch's gate order i, f, g, o; `drive` is the input's part."""
    h, c = carry
    i, forget, g, o = f.np.split(drive + h @ p["rnn.weight_hh_l0"].T + p["rnn.bias_hh_l0"], 4, axis=-1)
    c = f.nn.sigmoid(forget) * c + f.nn.sigmoid(i) * f.np.tanh(g)
    return f.nn.sigmoid(o) * f.np.tanh(c), c


def gru_cell(f: Functional, p: Any, carry: Any, drive: Any) -> Any:
    """PyTorch's gate order r, z, n."""
    (h,) = carry
    r, z, n = f.np.split(drive, 3, axis=-1)
    rh, zh, nh = f.np.split(h @ p["rnn.weight_hh_l0"].T + p["rnn.bias_hh_l0"], 3, axis=-1)
    z = f.nn.sigmoid(z + zh)
    return ((1 - z) * f.np.tanh(n + f.nn.sigmoid(r + rh) * nh) + z * h,)


def layer_functional(kind: str) -> Callable[..., Step]:
    cell, states = (lstm_cell, 2) if kind == "LSTM" else (gru_cell, 1)

    def functional(f: Functional, batch: int, n: int, wide: int, hidden: int) -> Step:
        rows = GATES[kind] * hidden
        shapes: dict[str, tuple[int, ...]] = {"rnn.weight_ih_l0": (rows, wide), "rnn.weight_hh_l0": (rows, hidden)}
        shapes |= {"rnn.bias_ih_l0": (rows,), "rnn.bias_hh_l0": (rows,), "head.weight": (10, hidden), "head.bias": (10,)}

        def model(p: Any, x: Any) -> Any:
            drive = f.np.swapaxes(x @ p["rnn.weight_ih_l0"].T + p["rnn.bias_ih_l0"], 0, 1)
            start = (f.np.zeros((batch, hidden), dtype="float32"),) * states
            end, _ = f.lax.scan(lambda carry, d: (cell(f, p, carry, d), None), start, drive)
            return f.linear(p, "head", end[0])

        return f.classify(model, f.filled(shapes), batches(batch, n, wide))

    return functional


def scan_eager(e: Eager, batch: int, n: int, wide: int, hidden: int) -> Step:
    torch, nn = e.torch, e.torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer, self.head = nn.Linear(wide, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 10)

        def forward(self, x: Any) -> Any:
            h = torch.zeros(batch, hidden)
            for t in range(n):
                h = torch.tanh(self.inner(x[:, t]) + self.outer(h))
            return self.head(h)

    return e.classify(Net(), batches(batch, n, wide))


def scan_functional(f: Functional, batch: int, n: int, wide: int, hidden: int) -> Step:
    sizes = {"inner": (hidden, wide), "outer": (hidden, hidden), "head": (10, hidden)}
    shapes: dict[str, tuple[int, ...]] = {f"{k}.weight": s for k, s in sizes.items()}
    shapes |= {f"{k}.bias": s[:1] for k, s in sizes.items()}

    def model(p: Any, x: Any) -> Any:
        def one(h: Any, xt: Any) -> Any:
            return f.np.tanh(f.linear(p, "inner", xt) + f.linear(p, "outer", h)), None

        h, _ = f.lax.scan(one, f.np.zeros((batch, hidden), dtype="float32"), f.np.swapaxes(x, 0, 1))
        return f.linear(p, "head", h)

    return f.classify(model, f.filled(shapes), batches(batch, n, wide))


def texts(batch: int, n: int, vocabulary: int) -> list[tuple[Any, Any]]:
    return [(labels((batch, n), vocabulary, i), labels((batch,), 4, i)) for i in range(4)]


def text_eager(e: Eager, batch: int, n: int, vocabulary: int, wide: int) -> Step:
    nn = e.torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.hidden, self.head = nn.Embedding(vocabulary, wide), nn.Linear(wide, 64), nn.Linear(64, 4)

        def forward(self, ids: Any) -> Any:
            return self.head(e.torch.relu(self.hidden(self.token(ids).mean(dim=1))))

    return e.classify(Net(), texts(batch, n, vocabulary))


def text_functional(f: Functional, batch: int, n: int, vocabulary: int, wide: int) -> Step:
    shapes: dict[str, tuple[int, ...]] = {"token.weight": (vocabulary, wide), "hidden.weight": (64, wide), "hidden.bias": (64,)}
    shapes |= {"head.weight": (4, 64), "head.bias": (4,)}

    def model(p: Any, ids: Any) -> Any:
        x = f.np.mean(f.np.take(p["token.weight"], ids, axis=0), axis=1)
        return f.linear(p, "head", f.nn.relu(f.linear(p, "hidden", x)))

    return f.classify(model, f.filled(shapes), texts(batch, n, vocabulary))


SIZES = {"batch": 32, "n": 64, "wide": 64, "hidden": 128}
QUICK = {"batch": 4, "n": 12}
ROWS = [
    Row("lstm", SIZES, QUICK, 10, 5, layer_eager("LSTM"), layer_functional("LSTM")),
    Row("gru", SIZES, QUICK, 10, 5, layer_eager("GRU"), layer_functional("GRU")),
    Row("scan-rnn", SIZES, QUICK, 10, 5, scan_eager, scan_functional),
    Row("text", {"batch": 64, "n": 100, "vocabulary": 20000, "wide": 64}, {"vocabulary": 2000}, 20, 5, text_eager, text_functional),
]
