"""Trees of parameters as one composite: a rule of one leaf, recorded for all of them, with scalars shared between the leaves.

A rule is `rule(*leaves, s, **flags)`; `s` maps names to 0-d values of the leaf's dtype. What steps share (corrections of bias,
powers of a decay) is computed once by a `prepare`, in float64, before it takes the leaf's dtype: 0.999 is 1 in bfloat16.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fgrad import tree
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.operands import recorded
from fgrad.errors import ArgumentError
from fgrad.functions.call import compose, compose_many
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype, dtype_of, promote
from fgrad.primitives import composites as c
from fgrad.primitives.shape import full

FLOAT64 = np.dtype("float64")


class GradientTransformation(NamedTuple):
    """A pair of pure functions: `init(params) -> state`, `update(grads, state, params, **hyper) -> (updates, state)`."""

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class EmptyState(NamedTuple):
    """No state."""


class CountState(NamedTuple):
    """Step count (int32)."""

    count: Any


def empty(params: Any) -> EmptyState:
    """The state of a transform without any."""
    return EmptyState()


def demand(params: Any, name: str) -> None:
    """Raises ArgumentError if the parameters were not given."""
    if params is None:
        raise ArgumentError(f"{name} needs the parameters", where=caller(), fix="update(grads, state, params)")


def number(x: Any) -> Any:
    """A hyperparameter as a cell: numbers are constants of the program, arrays are read."""
    if hasattr(x, "_value"):
        return x
    return as_cell(x) if isinstance(x, np.ndarray) else _constant(float(x))


def _constant(x: float) -> Any:
    return recorded(FACES["array"], (_constant, str(x)), lambda: c.constant(np.float64(x)))


def like(s: Any, x: Any) -> Any:
    """A scalar in the dtype of `x`."""
    return s if s.dtype == x.dtype else c.convert(s, dtype=x.dtype)


_KEYED: dict[Any, Any] = {}


def keyed(f: Any, *key: Any) -> Any:
    """One function object for each key, so that recordings are found again."""
    return _KEYED.setdefault(key, f)


def as_given(s: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `prepare` that adds nothing."""
    return s


def elementwise(rule: Callable[..., Any], *trees: Any, scalars: Mapping[str, Any] | None = None, slots: int = 0,
                keep: bool = False, prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = as_given, **flags: Any) -> Any:  # fmt: skip
    """`rule(*leaves, s, **flags)` leaf by leaf, as one composite: a tree like the first.

    slots: that many of the last trees are state: the result is (tree, *new slots), and slots keep their dtypes.
    Leaves of several dtypes meet in the widest; keep: the result has the dtypes of the first tree.
    """
    spec = tree.structure(trees[0])
    columns = [[as_cell(x) for x in tree.leaves(t)] for t in trees]
    names = tuple(scalars or ())
    extra = [number(s) for s in (scalars or {}).values()]
    n, width = len(columns[0]), len(columns)

    def all_leaves(*values: Any, **given: Any) -> tuple[Any, ...]:
        tail = prepare({k: wide(s) for k, s in zip(names, values[n * width :], strict=True)})
        out = []
        for i in range(n):
            row = [values[k * n + i] for k in range(width)]
            xs = meet(row)
            y = rule(*xs, {k: s if s.dtype.kind == "b" else like(s, xs[0]) for k, s in tail.items()}, **given)
            first, *rest = y if slots else (y,)
            first = like(first, row[0]) if keep else first
            out.append((first, *[like(new, old) for new, old in zip(rest, row[width - slots :], strict=True)]))
        return tuple(v for column in zip(*out, strict=True) for v in column)

    flat: tuple[Any, ...] = ()
    if n:
        whole = keyed(all_leaves, rule, prepare, n, width, slots, keep, names)
        flat = compose_many(whole, *[x for col in columns for x in col], *extra, **flags)
    parts = [tree.unflatten(spec, flat[k * n : (k + 1) * n]) for k in range(1 + slots)]
    return tuple(parts) if slots else parts[0]


def meet(row: list[Any]) -> list[Any]:
    """Values in the widest of their dtypes."""
    d = functools.reduce(promote, [x.dtype for x in row])
    return [x if x.dtype == d else c.convert(x, dtype=d) for x in row]


def wide(s: Any) -> Any:
    """A scalar as float64; bool and what is wider stay."""
    return s if s.dtype.kind in "bc" or s.dtype == FLOAT64 else c.convert(s, dtype=FLOAT64)


def filled_like(params: Any, value: Any = 0.0, dtype: Any = None) -> Any:
    """A tree like `params` of one number, in the parameters' dtypes unless given."""
    d = None if dtype is None else dtype_of(dtype)
    return tree.map(lambda p: compose(_filled, as_cell(p), number(value), dtype=d), params)


def _filled(p: Any, value: Any, *, dtype: Dtype | None) -> Any:
    d = p.dtype if dtype is None else dtype
    return c.convert(full(p.shape, 0, p), dtype=d) + c.convert(value, dtype=d)


def zero_count() -> Any:
    """A step count of 0."""
    return as_cell(np.zeros((), np.int32))


def increment(count: Any) -> Any:
    """The count of the next step."""
    return compose(_increment, as_cell(count))


def _increment(count: Any) -> Any:
    return count + c.number(1, count)


def choose(flag: Any, yes: Any, no: Any) -> Any:
    """The tree `yes` where the 0-d bool `flag` holds, else `no`; each leaf in the dtype of `no`'s."""
    test = as_cell(flag)
    return tree.map(lambda a, b: compose(_chosen, as_cell(a), as_cell(b), test), yes, no)


def _chosen(a: Any, b: Any, flag: Any) -> Any:
    return c.select(flag, like(a, b), b)


def moving(rule: Callable[..., tuple[Any, ...]], state: type[Any], numbers: Mapping[str, Any], *, params: bool = False,
           prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = as_given, starts: Mapping[str, Any] | None = None,
           dtypes: Mapping[str, Any] | None = None, counter: str = "count", **flags: Any) -> GradientTransformation:  # fmt: skip
    """The transform of `rule(g, [p], *slots, s, **flags) -> (update, *slots)`.

    state: a NamedTuple of one tree for each slot, and of the step count in its field `counter`, if it has one.
    starts: what slots begin with (zeros): a number, or a function of a parameter.  dtypes: of slots (the parameter's).
    Each of `numbers` is overridden by the keyword argument of `update` that has its name.
    """
    slots = tuple(f for f in state._fields if f != counter)
    counted = counter in state._fields
    begin, kept = starts or {}, {k: dtype_of(d) for k, d in (dtypes or {}).items() if d is not None}

    def init(given: Any) -> Any:
        made = {k: _start(begin.get(k, 0.0), given, kept.get(k)) for k in slots}
        return state(**made, **({counter: zero_count()} if counted else {}))

    def update(grads: Any, now: Any, given: Any = None, **hyper: Any) -> tuple[Any, Any]:
        if params:
            demand(given, rule.__name__.strip("_"))
        count = {counter: increment(getattr(now, counter))} if counted else {}
        scalars = {k: hyper.get(k, v) for k, v in numbers.items()} | ({"count": count[counter]} if counted else {})
        trees = (grads, *([given] if params else []), *[getattr(now, k) for k in slots])
        out = elementwise(rule, *trees, scalars=scalars, prepare=prepare, slots=len(slots), **flags)
        return out[0], state(**dict(zip(slots, out[1:], strict=True)), **count)

    return GradientTransformation(init, update)


def _start(value: Any, params: Any, dtype: Dtype | None) -> Any:
    return tree.map(value, params) if callable(value) else filled_like(params, value, dtype)


def stateless_by(rule: Callable[..., Any], numbers: Mapping[str, Any] | None = None, *, params: bool = False,
              **flags: Any) -> GradientTransformation:  # fmt: skip
    """The transform of `rule(g, [p], s, **flags) -> update`; arguments as `moving`."""

    def update(grads: Any, state: Any, given: Any = None, **hyper: Any) -> tuple[Any, Any]:
        if params:
            demand(given, rule.__name__.strip("_"))
        scalars = {k: hyper.get(k, v) for k, v in (numbers or {}).items()}
        return elementwise(rule, grads, *([given] if params else []), scalars=scalars, **flags), state

    return GradientTransformation(empty, update)
