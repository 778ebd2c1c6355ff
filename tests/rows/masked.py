"""torch.masked and torch.signal.windows."""

from __future__ import annotations

from typing import Any

from rows.row import Of, Row

X = (3, 4)
MASK = Of((3, 4), "bool")
NUMBERS = ("bool", "complex64", "bfloat16", "float16", "uint8", "int32", "int64")  # PyTorch's masked functions are of float32 and float64


def masked(name: str, *args: Any, **options: Any) -> Any:
    """With a mask that lets something through in every row, and its result where that counts."""

    def call(t: Any, x: Any, m: Any) -> Any:
        m = m | (t.arange(4) == 1)
        y = getattr(t.masked, name)(x, *args, mask=m, **options)
        return t.where(m, y, t.zeros_like(y)) if tuple(y.shape) == (3, 4) else y

    return call


REDUCTIONS = "sum prod amax amin mean var std logsumexp".split()
WINDOWS = "bartlett blackman cosine exponential gaussian hamming hann kaiser nuttall".split()
ROWS = [
    *(Row(f"masked.{n}", (X, MASK), call=masked(n, d, keepdim=k), label=f"{d}{k}", without=NUMBERS, empty=False, distinct=True)
      for n in REDUCTIONS for d, k in ((1, False), (-1, True), (0, False))),
    *(Row(f"masked.{n}", (X, MASK), call=masked(n, 1), without=NUMBERS, empty=False, distinct=True, grad=n not in ("argmax", "argmin"))
      for n in ("argmax", "argmin", "cumsum", "cumprod", "softmax", "log_softmax", "softmin", "median")),
    *(Row("masked.norm", (X, MASK), call=masked("norm", p, 1), label=str(p), without=NUMBERS, empty=False) for p in (1, 2, 3, float("inf"))),
    Row("masked.normalize", (X, MASK), call=masked("normalize", 2, 1), without=NUMBERS, empty=False),
    Row("masked.logaddexp", (X, X, MASK), call=lambda t, x, y, m: t.masked.logaddexp(x, y, input_mask=m, other_mask=t.ones_like(m)), without=NUMBERS, empty=False,
        grad=False),  # PyTorch's derivative is NaN where one side does not count
    *(Row(f"masked.{n}", (X,), call=lambda t, x, n=n: getattr(t.masked, n)(x, 1), label="no mask", without=NUMBERS, empty=False, distinct=True)
      for n in REDUCTIONS),
    *(Row(f"signal.windows.{n}", (), (m,), {"sym": s, "dtype": None}, label=f"{m}{s}", grad=False, empty=False, layout=False)
      for n in WINDOWS for m in (0, 1, 2, 7, 10) for s in (True, False)),
    Row("signal.windows.general_cosine", (), (8,), {"a": [0.5, 0.3, 0.2]}, grad=False, empty=False, layout=False),
    Row("signal.windows.general_hamming", (), (8,), {"alpha": 0.6}, grad=False, empty=False, layout=False),
    Row("signal.windows.exponential", (), (9,), {"center": 2, "tau": 3.0, "sym": False}, label="center", grad=False, empty=False, layout=False),
    Row("signal.windows.gaussian", (), (9,), {"std": 0.5}, label="std", grad=False, empty=False, layout=False),
    Row("signal.windows.kaiser", (), (9,), {"beta": 3.0}, label="beta", grad=False, empty=False, layout=False),
]  # fmt: skip
