"""Reading and writing by index."""

from __future__ import annotations

from typing import Any

from rows.row import Of, Row

X = (3, 4)
COLUMNS = Of((3, 2), high=4)
ROWS_INDEX = Of((2,), high=3)
MASK = Of((3, 4), "bool")
NO_HALF = ("bfloat16", "float16")


def method(name: str, *args: Any, **options: Any) -> Any:
    return lambda t, x, *rest: getattr(x, name)(*rest, *args, **options)


REDUCES = ("sum", "prod", "mean", "amax", "amin")
ROWS = [
    Row("gather", (X, COLUMNS), call=lambda t, x, i: t.gather(x, 1, i), empty=False),
    Row("take_along_dim", (X, COLUMNS), call=lambda t, x, i: t.take_along_dim(x, i, 1), empty=False),
    Row("take", (X, Of((5,), high=12)), empty=False),
    Row("index_select", (X, ROWS_INDEX), call=lambda t, x, i: t.index_select(x, 0, i), empty=False),
    Row("scatter", (X, COLUMNS, (3, 2)), call=lambda t, x, i, y: t.scatter(x, 1, i % 1 + t.tensor([0, 2]), y), empty=False),
    Row("scatter", (X, COLUMNS), call=lambda t, x, i: t.scatter(x, 1, i, 1), label="number", empty=False, without=("bool",)),
    Row("scatter_add", (X, COLUMNS, (3, 2)), call=lambda t, x, i, y: t.scatter_add(x, 1, i, y), empty=False),
    *(Row("scatter_reduce", (X, COLUMNS, (3, 2)), call=lambda t, x, i, y, r=r, s=s: t.scatter_reduce(x, 1, i, y, r, include_self=s),
          label=f"{r}{s}", empty=False, second=r != "prod", without=("bool", "complex64")) for r in REDUCES for s in (True, False)),
    Row("index_add", (X, ROWS_INDEX, (2, 4)), call=lambda t, x, i, y: t.index_add(x, 0, i, y, alpha=2), empty=False, without=("bool",)),
    Row("index_copy", (X, (2, 4)), call=lambda t, x, y: t.index_copy(x, 0, t.tensor([2, 0]), y), empty=False),
    Row("index_fill", (X, ROWS_INDEX), call=lambda t, x, i: t.index_fill(x, 0, i, 1), empty=False, without=("bool",)),
    *(Row("index_reduce", (X, ROWS_INDEX, (2, 4)), call=lambda t, x, i, y, r=r, s=s: t.index_reduce(x, 0, i, y, r, include_self=s),
          label=f"{r}{s}", empty=False, second=r != "prod", without=("bool", "complex64")) for r in ("prod", "mean", "amax", "amin") for s in (True, False)),
    Row("index_put", (X, ROWS_INDEX, (2, 4)), call=lambda t, x, i, y: t.index_put(x, (i,), y, accumulate=True), empty=False, without=("bool",)),
    Row("index_put", (X, (2,)), call=lambda t, x, y: t.index_put(x, (t.tensor([0, 2]), t.tensor([1, 3])), y), label="two", empty=False),
    Row("put", (X, (3,)), call=lambda t, x, y: x.put(t.tensor([0, 5, 11]), y), empty=False),
    Row("put", (X, (3,)), call=lambda t, x, y: x.put(t.tensor([0, 5, 5]), y, accumulate=True), label="add", empty=False, without=("bool",)),
    Row("masked_fill", (X, MASK), call=lambda t, x, m: t.masked_fill(x, m, 1), without=("bool",)),
    Row("masked_select", (X, MASK), jit=False, empty=False),
    Row("masked_scatter", (X, MASK, (12,)), empty=False),
    Row("where", (MASK, X, (4,))),
    Row("nonzero", (X,), grad=False, jit=False),
    Row("nonzero", (X,), call=lambda t, x: t.nonzero(x, as_tuple=True), label="tuple", grad=False, jit=False),
    Row("argwhere", (X,), grad=False, jit=False),
    Row("nonzero_static", (X,), call=lambda t, x: t.nonzero_static(x, size=20, fill_value=-1), grad=False, jit=False),
    Row("tensor.__getitem__", (X,), call=lambda t, x: x[1], label="int", empty=False),
    Row("tensor.__getitem__", (X,), call=lambda t, x: x[..., -1], label="last", empty=False),
    Row("tensor.__getitem__", ((2, 3, 4),), call=lambda t, x: x[:, 1:, ::2], label="slices", empty=False),
    Row("tensor.__getitem__", ((2, 3, 4),), call=lambda t, x: x[:, None, [0, 2], 1:3], label="mix", empty=False),
    Row("tensor.__getitem__", ((2, 3, 4),), call=lambda t, x: x[[0, 1], :, [1, 3]], label="apart", empty=False),
    Row("tensor.__getitem__", ((2, 3, 4),), call=lambda t, x: x[t.tensor([[0], [1]]), t.tensor([0, 2])], label="broadcast", empty=False),
    Row("tensor.__getitem__", (X, MASK), call=lambda t, x, m: x[m], label="mask", jit=False, empty=False),
    Row("tensor.__getitem__", ((2, 3, 4),), call=lambda t, x: x[:, t.tensor([True, False, True])], label="mask axis", jit=False, empty=False),
    Row("tensor.__getitem__", (X,), call=lambda t, x: x[True], label="true", empty=False),
    Row("tensor.__getitem__", (X,), call=lambda t, x: x[t.tensor(1)], label="0-d", empty=False),
    Row("tensor.__getitem__", (X,), call=lambda t, x: x[[]], label="nothing", empty=False),
    *(Row("tensor.__setitem__", ((2, 3, 4), s), call=lambda t, x, y, k=k: (z := x.clone(), z.__setitem__(k(t), y))[0], label=n, empty=False) for n, s, k in (
        ("int", (3, 4), lambda t: 1), ("slices", (2, 2, 4), lambda t: (slice(None), slice(1, None))), ("ellipsis", (2, 3), lambda t: (..., 0)),
        ("list", (2, 2, 4), lambda t: (slice(None), [0, 2])), ("pair", (2, 3), lambda t: ([0, 1], slice(None), [1, 3])),
        ("mask", (4,), lambda t: (slice(None), t.tensor([False, True, False]))), ("number axis", (4,), lambda t: (0, None, 1)))),
    Row("tril_indices", (), (4, 5, -1), grad=False, empty=False),
    Row("triu_indices", (), (4, 5, 1), grad=False, empty=False),
    Row("new_zeros", (X,), call=lambda t, x: x.new_zeros(2, 3), grad=False),
    Row("new_ones", (X,), call=lambda t, x: x.new_ones((2, 3)), grad=False),
    Row("new_full", (X,), call=lambda t, x: x.new_full((2,), 1), grad=False),
    Row("new_tensor", (X,), call=lambda t, x: x.new_tensor([1, 2]), grad=False),
    Row("fill", (X,), (1,), without=("bool",), grad=False),  # nothing depends on the tensor
]  # fmt: skip
