"""Reductions, running operations, order statistics and counting."""

from __future__ import annotations

from rows.row import Of, Row

X = ((2, 3, 4),)
HALVES = ("bfloat16", "float16")
TIES = ("int64", "int32", "uint8", "bool", *HALVES)  # which of equal elements is found differs
SUMS = "sum nansum".split()
MOMENTS = "mean nanmean var std".split()

ROWS = [
    *(Row(n, X) for n in SUMS),
    *(Row(n, X, (d,), {"keepdim": k}, label=f"{d}{k}") for n in SUMS for d in (1, -1, (0, 2)) for k in (False, True)),
    *(Row(n, X) for n in MOMENTS),
    *(Row(n, X, (d,), {"keepdim": k}, label=f"{d}{k}") for n in MOMENTS for d in (1, (0, 2)) for k in (False, True)),
    Row("sum", X, options={"dtype": None}, label="dtype"),
    Row("prod", X, low=0.3),
    Row("prod", X, (1,), {"keepdim": True}, label="1", low=0.3),
    *(Row(n, X, (1,), {"correction": 0}, label="correction") for n in ("var", "std", "var_mean", "std_mean")),
    *(Row(n, X, (False,), label="biased") for n in ("var", "std")),
    *(Row(n, X, (d,), label=str(d), distinct=True) for n in ("amax", "amin") for d in (1, (0, 2), ())),
    Row("aminmax", X, options={"dim": 1, "keepdim": True}, distinct=True),
    Row("aminmax", X, label="all", distinct=True),
    *(Row(n, X, distinct=True) for n in ("max", "min", "argmax", "argmin", "median", "nanmedian")),
    *(Row(n, X, (d,), {"keepdim": k}, label=f"{d}{k}", distinct=True) for n in ("max", "min", "argmax", "argmin", "median", "nanmedian", "mode")
      for d in (1, -1) for k in (False, True)),
    *(Row(n, (Of((2, 3, 4), high=3),), (1,), label="ties", grad=False) for n in ("mode", "max", "min", "argmax", "argmin", "cummax", "cummin")),
    *(Row(n, X) for n in ("all", "any", "count_nonzero")),
    *(Row(n, X, (1,), label="1") for n in ("all", "any", "count_nonzero")),
    Row("all", X, ((0, 2),), label="02"),
    Row("logsumexp", X, (1,)),
    Row("logsumexp", X, ((0, 2),), {"keepdim": True}, label="02"),
    *(Row("norm", X, (p,), label=str(p)) for p in (1, 2, 3, float("inf"), float("-inf"), "fro")),
    Row("norm", X, (0,), label="0", grad=False),
    *(Row("norm", X, (p, 1), {"keepdim": True}, label=f"{p}-1") for p in (1, 2, float("inf"))),
    Row("dist", ((3, 4), (4,)), (2,)),
    *(Row(n, X, (d,), label=str(d)) for n in ("cumsum", "cumprod") for d in (0, -1)),
    *(Row(n, X, (d,), label=str(d)) for n in ("cummax", "cummin") for d in (0, -1)),
    Row("logcumsumexp", X, (1,), without=("complex64",)),  # of real numbers
    Row("logcumsumexp", X, (-1,), label="-1", without=("complex64",)),
    Row("diff", X),
    Row("diff", X, (2, 0), label="2"),
    Row("diff", ((3, 4), (3, 2), (3, 1)), call=lambda t, x, a, b: t.diff(x, dim=1, prepend=a, append=b), label="joined"),
    Row("trapezoid", X),
    Row("trapezoid", X, options={"dx": 0.5, "dim": 0}, label="dx"),
    Row("trapezoid", ((2, 4), (4,)), label="x", without=("uint8",)),  # wraps in another place
    Row("cumulative_trapezoid", X, options={"dim": 1}),
    Row("cumulative_trapezoid", ((2, 4), (2, 4)), label="x", without=("uint8",)),
    Row("gradient", ((4, 5),), without=("complex64", *HALVES, "uint8", "int32", "int64"), empty=False),  # torch divides integers as integers
    Row("gradient", ((4, 5),), options={"spacing": 0.5, "dim": 1, "edge_order": 2}, label="order 2", empty=False,
        without=("complex64", *HALVES, "uint8", "int32", "int64")),
    *(Row("quantile", X, (q,), label=str(q), distinct=True) for q in (0.0, 0.3, 1.0)),
    *(Row("quantile", X, (0.4, 1), {"interpolation": r, "keepdim": k}, label=f"{r}{k}", distinct=True)
      for r in ("linear", "lower", "higher", "midpoint", "nearest") for k in (False, True)),
    Row("quantile", ((4, 5),), call=lambda t, x: t.quantile(x, t.tensor([0.1, 0.5, 0.9], dtype=x.dtype), dim=0), label="several", distinct=True),
    Row("nanquantile", X, (0.3, -1), distinct=True),
    Row("kthvalue", X, (2,), distinct=True, without=TIES),
    Row("kthvalue", X, (2, 1, True), label="1", distinct=True, without=TIES),
    Row("msort", X, distinct=True),
    *(Row(n, X, (1, True), label="1", distinct=True) for n in ("sort", "argsort")),
    Row("sort", (Of((3, 5), high=4),), options={"stable": True}, label="stable", grad=False),
    Row("topk", X, (2,), distinct=True, without=TIES),
    Row("topk", X, (2, 1, False), label="1", distinct=True, without=TIES),
    Row("searchsorted", (Of((5,), high=9), Of((2, 3), high=9)), call=lambda t, a, v: t.searchsorted(a.sort().values, v, right=True), grad=False),
    Row("searchsorted", ((2, 5), (2, 3)), call=lambda t, a, v: t.searchsorted(a.sort(-1).values, v, side="left", out_int32=True), label="rows", grad=False,
        without=("bool", "complex64")),
    Row("bucketize", ((3, 4), (5,)), call=lambda t, v, a: t.bucketize(v, a.sort().values), grad=False, without=("bool", "complex64")),
    Row("histc", X, (5, -1, 1), grad=False, jit=False, without=HALVES),
    Row("histogram", X, (4,), {"range": (-1.0, 1.0)}, grad=False, jit=False, without=HALVES),
    Row("unique_consecutive", (Of((9,), high=3),), options={"return_inverse": True, "return_counts": True}, grad=False, jit=False),
    Row("unique", (Of((9,), high=5),), options={"return_inverse": True, "return_counts": True}, grad=False, jit=False),
    Row("bincount", (Of((9,), high=5),), options={"minlength": 7}, grad=False, jit=False),
    Row("softmax", X, (1,)),
    Row("log_softmax", X, (-1,)),
    Row("nn.functional.softmin", X, (1,)),
    Row("sum_to_size", ((2, 3, 4),), call=lambda t, x: x.sum_to_size(3, 1)),
]  # fmt: skip
