"""Reductions, running operations, order statistics, sets and counting."""

from __future__ import annotations

from typing import Any

from drawn.pen import ALL, COMPLEX, FLOATS, INTEGERS, REAL, Case, Dtype, Pen

ONE_AXIS = ("argmax", "argmin", "mode")
PAIRS = "max min median nanmedian".split()
SETS = ("unique", "unique_consecutive")


def options(pen: Pen, ndim: int, *, several: bool = True, always: bool = False) -> dict[str, Any]:
    """`dim` and `keepdim`, or neither."""
    if not always and pen.int(0, 3) == 0:
        return {}
    dim = pen.axes(ndim, 1) if several and pen.flag() else pen.axis(ndim)
    if dim == () or (pen.int(0, 9) == 0 and not pen.smooth):
        dim = pen.axis(ndim + 1)  # sometimes one too many
    return {"dim": dim, "keepdim": True} if pen.flag() else {"dim": dim}


def total(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), ALL, special=name not in ("nanmean", "mean"))
    given = options(pen, x.values.ndim)
    if pen.int(0, 3) == 0:
        given["dtype"] = Dtype(pen.pick(("float64", "float32", *(() if x.dtype in COMPLEX else ("int64", "int32")), "complex128")))
        if given["dtype"].name.startswith("int"):  # a float that no integer holds converts as the machine likes
            x = pen.operand(x.values.shape, ALL[:-2], special=False)
    return Case(name, (x,), given, tol=8)


def product(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3), ALL, special=False)
    return Case(name, (x,), options(pen, x.values.ndim, several=False), tol=8)


def bounds(pen: Pen, name: str) -> Case:
    among = (*REAL, "bool") if name in ("amax", "amin") else ALL  # complex numbers have no order, but torch answers for none
    x = pen.operand(pen.shape(), among)
    return Case(name, (x,), options(pen, x.values.ndim, always=name in ("logsumexp",)), tol=2)


def spread(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), (*FLOATS, *COMPLEX, "int64"), special=False)
    given = options(pen, x.values.ndim)
    if pen.flag():
        given["correction"] = 0 if pen.smooth else pen.int(0, 3)  # no derivative without degrees of freedom
    return Case(name, (x,), given, tol=8)


def chosen(pen: Pen, name: str) -> Case:
    """Values and where they stand; no axis of length 0 without an answer, and no ties where torch answers with any of them."""
    ties = name in ("argmax", "argmin", "max", "min")
    x = pen.operand(pen.shape(least=1), ALL if ties else REAL, distinct=not ties)
    if not pen.often():
        return Case(name, (x,))
    given = options(pen, x.values.ndim, several=False, always=True)
    return Case(name, (x,), given if isinstance(given["dim"], int) else {})


def running(pen: Pen, name: str) -> Case:
    among = (*REAL, "bool") if name in ("cummax", "cummin") else ALL
    x = pen.operand(pen.shape(0, 3), among, special=name in ("cummax", "cummin", "cumsum"))
    given: dict[str, Any] = {"dtype": Dtype(pen.pick(("float64", "complex128")))} if pen.int(0, 4) == 0 and name in ("cumsum", "cumprod") else {}
    return Case(name, (x, pen.axis(x.values.ndim)), given, tol=8)


def ordered(pen: Pen, name: str) -> Case:
    """All different, or `stable`: torch may put equal ones in any order."""
    stable = pen.flag()
    x = pen.operand(pen.shape(0, 3), (*REAL, "bool") if stable else REAL, distinct=not stable)
    return Case(name, (x,), {"dim": pen.axis(x.values.ndim), "descending": pen.flag(), **({"stable": True} if stable else {})})


def best(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3, least=1), REAL, distinct=True)
    dim = pen.axis(x.values.ndim)
    length = x.values.shape[dim] if x.values.ndim and -x.values.ndim <= dim < x.values.ndim else 1
    if name == "kthvalue":
        return Case(name, (x, pen.int(1, length + 1), dim), {"keepdim": pen.flag()})
    return Case(name, (x, pen.int(0, length + 1), dim), {"largest": pen.flag(), "sorted": True})


def sets(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3, least=0), (*REAL, "bool"), special=False)
    given: dict[str, Any] = {"return_inverse": pen.flag(), "return_counts": pen.flag()}
    if x.values.ndim and pen.flag() and x.values.size:
        given["dim"] = pen.axis(x.values.ndim)
    return Case(name, (x,), given)


def searched(pen: Pen, name: str) -> Case:
    edges = pen.operand((pen.int(1, 6),), REAL, special=False, plain=True)
    edges = edges._replace(values=sorted_copy(edges.values))
    values = pen.operand(pen.shape(), (edges.dtype,), special=False)
    args = (edges, values) if name == "searchsorted" else (values, edges)
    return Case(name, args, {"right": pen.flag(), "out_int32": pen.flag()})


def sorted_copy(x: Any) -> Any:
    y = x.copy()
    y.sort()
    return y


def difference(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(1, 3), ALL, special=False)
    return Case(name, (x,), {"n": pen.int(0, 3), "dim": pen.axis(x.values.ndim)})


def norm(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3), (*FLOATS, *COMPLEX), special=False)
    p = pen.pick((0, 1, 2, 3, 0.5, float("inf"), -float("inf"), -1))
    given = options(pen, x.values.ndim)
    return Case(name, (x, p), given, tol=8)


def soft(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), FLOATS, special=False)
    given = {"dtype": Dtype("float64")} if pen.int(0, 3) == 0 else {}
    return Case(name, (x, pen.axis(x.values.ndim)), given, tol=2)


def quantile(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3, least=1), ("float32", "float64"), distinct=True)
    given = options(pen, x.values.ndim, several=False)
    if pen.flag():
        given["interpolation"] = pen.pick(("linear", "lower", "higher", "nearest", "midpoint"))
    return Case(name, (x, pen.int(0, 16) / 16), {"dim": None, **given})


def counted(pen: Pen, name: str) -> Case:
    x = pen.operand((pen.int(0, 6),), INTEGERS, low=0, high=6, special=False)
    given: dict[str, Any] = {"minlength": pen.int(0, 9)} if pen.flag() else {}
    if pen.flag():
        weighed = x.values.size > 0  # torch forgets the weights of nothing
        given["weights"] = pen.operand(x.values.shape, ("float32", "float64", "int64"), special=False) if weighed else None
    return Case(name, (x,), given)


def extremes(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), REAL)
    given = options(pen, x.values.ndim, several=False)
    return Case(name, (x,), given if isinstance(given.get("dim", 0), int) else {})


REDUCTIONS: dict[str, Any] = {
    **dict.fromkeys(("sum", "nansum", "mean", "nanmean"), total),
    "prod": product,
    **dict.fromkeys(("amax", "amin", "all", "any", "logsumexp"), bounds),
    "aminmax": extremes,
    "count_nonzero": lambda pen, name: Case(name, (x := pen.operand(pen.shape(), ALL), pen.axes(x.values.ndim) or None)),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), spread),
    **dict.fromkeys((*PAIRS, *ONE_AXIS), chosen),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"), running),
    **dict.fromkeys(("sort", "argsort"), ordered),
    "msort": lambda pen, name: Case(name, (pen.operand(pen.shape(1, 3), REAL, distinct=True),)),
    **dict.fromkeys(("topk", "kthvalue"), best),
    **dict.fromkeys(SETS, sets),
    **dict.fromkeys(("searchsorted", "bucketize"), searched),
    "diff": difference,
    "norm": norm,
    **dict.fromkeys(("softmax", "log_softmax"), soft),
    **dict.fromkeys(("quantile", "nanquantile"), quantile),
    "bincount": counted,
}  # fmt: skip
