"""scan, while_loop, fori_loop and map: a function recorded once, run many times."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.closures import (
    CarryError,
    Function,
    captures_of,
    check_types,
    closed,
    enter_cells,
    flat_cells,
    over_captures,
    record_call,
    region,
    retyped,
    types_of,
    weak_init,
    wrap_results,
)
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.counter import advance
from fgrad.eager.operands import convert
from fgrad.eager.operands import recorded as recorded_cell
from fgrad.eager.record import record
from fgrad.eager.trace import Recorded
from fgrad.eager.vmap import vmap
from fgrad.errors import ArgumentError, ShapeError, TreeError
from fgrad.ir.apply import caller
from fgrad.ir.primitive import REGISTRY as R
from fgrad.primitives.shape import iota
from fgrad.settings import current


def scan(f: Function, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: int = 1) -> Any:
    """`(carry, ys)` of `carry, y = f(carry, x)` over slices x of `xs` along axis 0, ys stacked.

    init: a tree; every step returns a carry of its structure and types.  xs: a tree of arrays with one leading length,
    or None with `length`.  reverse: from the last slice to the first, ys in place.  unroll: accepted, not needed.
    Differentiable in both modes.  Raises TypeError naming the types if the carry changes.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.lax.scan(lambda c, x: (c + x, c * x), 0.0, jnp.arange(4.0))
    (Array(6., dtype=float32), Array([0., 0., 2., 9.], dtype=float32))
    """
    if not isinstance(unroll, int) or unroll < 0:
        raise ArgumentError(f"scan: unroll={unroll!r}", where=caller(), fix="`unroll` must be a `bool` or a non-negative `int`")
    return run_scan("scan", f, init, xs, length, reverse)


def run_scan(name: str, f: Function, init: Any, xs: Any, length: int | None, reverse: bool) -> Any:
    """The body of scan, under the name a user called."""
    slices, xs_spec, _ = flat_cells(xs)
    n = common_length(name, slices, length)
    if not current().jit and n:
        return plain_scan(f, init, [tree.unflatten(xs_spec, [t[i] for t in slices]) for i in range(n)], reverse)
    inner = [(type(t)._result, t._type.with_shape(t._type.shape[1:])) for t in slices]
    carry, carry_spec, weak = flat_cells(init)
    build_carry, build_xs = tree.unflattener(carry_spec), tree.unflattener(xs_spec)

    def build(cells: list[Any]) -> tuple[Any, Any]:
        return build_carry(cells[: len(carry)]), build_xs(cells[len(carry) :])

    while True:
        r = record_call(f, name, [*types_of(carry), *inner], build, effects=True)
        places, ys, ys_tree = split_result(name, r, carry_spec)
        new = [r.graph.outputs[i] for i in places]
        changed = weak_init(carry, weak, new, [r.classes[i] for i in places])
        if changed is None:
            break
        carry, weak = changed, [False] * len(carry)
    wanted = [t._type for t in carry]
    new = [retyped(v, r.classes[i], t, True) for v, i, t in zip(new, places, wanted, strict=True)]
    check_types(name, "carry leaf", new, wanted)
    own = len(carry) + len(slices)
    captured, written = captures_of([r], r.written), list(r.written)
    body = closed((*over_captures(r, [*captured, *written]), *r.graph.inputs[:own]),
                  [*r.graph.outputs[r.n_out :], *new, *[r.graph.outputs[i] for i in ys]])  # fmt: skip
    found = region("scan", enter_cells([*captured, *written, *carry, *slices]), body=body, length=n, reverse=bool(reverse),
                   n_consts=len(captured), n_carry=len(written) + len(carry))  # fmt: skip
    k = len(written)
    classes = [*[type(t)._result for t in carry], *[r.classes[i] for i in ys]]
    cells = advance(written, found[:k], lambda: wrap_results(found[k:], classes, [*carry, *slices, *captured]))
    stacked = dict(zip(ys, cells[len(carry) :], strict=True))
    return tree.unflatten(carry_spec, cells[: len(carry)]), tree.map(stacked.__getitem__, ys_tree)


def plain_scan(f: Function, carry: Any, xs: list[Any], reverse: bool) -> Any:
    """A scan as the loop it is, where the settings switch recording off."""
    ys = []
    for x in reversed(xs) if reverse else xs:
        carry, y = f(carry, x)
        ys.append(tree.map(lambda t: as_cell(t)[None], y))
    return carry, tree.map(joined, *(reversed(ys) if reverse else ys))


def split_result(name: str, r: Recorded, carry_spec: Any) -> tuple[list[int], list[int], Any]:
    """(places of the carry's leaves, of the ys', the tree of the latter) among the results of a step."""
    out = tree.unflatten(r.out_spec, list(range(r.n_out)))
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TreeError(f"{name}: the function must return a pair (carry, y)", where=caller(),
                        fix="return (carry, None) where there is no y")  # fmt: skip
    check_carry(name, tree.structure(out[0]), carry_spec)
    return tree.leaves(out[0]), tree.leaves(out[1]), out[1]


def check_carry(name: str, found: Any, wanted: Any) -> None:
    """Refuses a carry of another structure."""
    if found != wanted:
        raise TreeError(
            f"{name}: the carry changes its structure from {wanted} to {found}", where=caller(),
            fix="return a carry of the structure of the first one",
        )  # fmt: skip


def common_length(name: str, slices: list[Any], length: int | None) -> int:
    """The number of steps."""
    for t in slices:
        if not t._type.shape:
            raise ShapeError(f"{name}: an element of xs is {t._type}, without axes", where=caller(),
                             fix="close over it, or give it a leading axis")  # fmt: skip
    found = {t._type.shape[0] for t in slices} | (set() if length is None else {operator.index(length)})
    if not found:
        raise ArgumentError(f"{name}: neither xs nor length is given", where=caller(), fix="give length=")
    if len(found) > 1:
        raise ShapeError(f"{name}: different leading lengths {sorted(found)}", where=caller(), fix="make them equal")
    return found.pop()


def while_loop(cond_fun: Function, body_fun: Function, init_val: Any) -> Any:
    """`while cond_fun(val): val = body_fun(val)` from init_val, a tree; its structure and types stay.

    cond_fun returns a bool of shape ().  Differentiable in forward mode only.
    """
    if not current().jit:
        while cond_fun(init_val):
            init_val = body_fun(init_val)
        return init_val
    carry, spec, weak = flat_cells(init_val)
    build = tree.unflattener(spec)

    def one(cells: list[Any]) -> tuple[Any]:
        return (build(cells),)

    while True:
        step = record_call(body_fun, "while_loop", types_of(carry), one, effects=True)
        check_carry("while_loop", step.out_spec, spec)
        changed = weak_init(carry, weak, step.graph.outputs[: step.n_out], step.classes)
        if changed is None:
            break
        carry, weak = changed, [False] * len(carry)
    test = record_call(cond_fun, "the condition of while_loop", types_of(carry), one)
    if test.n_out != 1 or test.graph.outputs[0].shape or test.graph.outputs[0].dtype.kind != "b":
        raise CarryError(
            f"while_loop: the condition returns ({', '.join(str(t) for t in test.graph.output_types)})", where=caller(),
            fix="return one bool of shape (), e.g. a comparison",
        )  # fmt: skip
    wanted = [t._type for t in carry]
    new = [retyped(v, c, t, True) for v, c, t in zip(step.graph.outputs, step.classes, wanted, strict=False)]
    check_types("while_loop", "carry leaf", new, wanted)
    written = list(step.written)
    captured = captures_of([test, step], written)
    graphs = [closed((*over_captures(r, [*captured, *written]), *r.graph.inputs[: len(carry)]), outputs)
              for r, outputs in ((test, test.graph.outputs), (step, [*step.graph.outputs[step.n_out :], *new]))]  # fmt: skip
    if not carry and not written:
        return tree.unflatten(spec, [])
    found = region("while_loop", enter_cells([*captured, *written, *carry]), condition=graphs[0], body=graphs[1],
                   n_consts=len(captured))  # fmt: skip
    k, classes = len(written), [type(t)._result for t in carry]
    return tree.unflatten(spec, advance(written, found[:k], lambda: wrap_results(found[k:], classes, carry)))


def is_static(x: Any) -> bool:
    """True for a bound known while recording."""
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any, *, unroll: Any = None) -> Any:
    """`for i in range(lower, upper): val = body_fun(i, val)`.

    Python bounds: a scan, differentiable in both modes.  Bounds that are arrays: a while loop, forward mode only.
    i: int64, or int32 if that is what the integers of init_val are; of the bounds' dtype if they are arrays.
    """
    if not current().jit:
        for i in range(operator.index(lower), operator.index(upper)):
            init_val = body_fun(i, init_val)
        return init_val
    if is_static(lower) and is_static(upper):
        low, n = int(lower), max(int(upper) - int(lower), 0)
        dtype = counter_dtype(init_val)
        counters = recorded_cell(FACES["array"], ("counters", low, n, dtype), lambda: counter_values(low, n, dtype))
        return run_scan("fori_loop", lambda val, i: (body_fun(i, val), None), init_val, counters, n, False)[0]
    start, stop = as_cell(lower), as_cell(upper)
    if start._type.dtype != stop._type.dtype:
        if isinstance(lower, Cell | np.ndarray) and isinstance(upper, Cell | np.ndarray):
            raise CarryError(
                f"lower and upper arguments to fori_loop must have equal types, got {start._type.dtype.name} and {stop._type.dtype.name}",
                where=caller(), fix="convert one of them (astype)",
            )  # fmt: skip
        start, stop = (start, convert(stop, start._type.dtype)) if is_static(upper) else (convert(start, stop._type.dtype), stop)

    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        return state[0] + 1, body_fun(state[0], state[1])

    return while_loop(lambda state: state[0] < stop, step, (start, init_val))[1]


def counter_dtype(init_val: Any) -> Any:
    """What counts the steps beside a carry: int32 if its integers are."""
    given = [as_cell(x)._type.dtype for x in tree.leaves(init_val) if isinstance(x, Cell | np.ndarray | np.generic)]
    return np.dtype("int32" if {d.name for d in given if d.kind in "iu"} == {"int32"} else "int64")


def counter_values(low: int, n: int, dtype: Any) -> Any:
    """dtype[n]: low, low + 1, ..."""
    counters = iota(shape=(n,), dtype=dtype, axis=0)
    return counters + low if low else counters


def map(f: Function, xs: Any, *, batch_size: int | None = None) -> Any:  # noqa: A001
    """`f` of each slice of `xs` along axis 0, one after the other, results stacked: vmap with the memory of one slice.

    batch_size: so many slices at a time by vmap, then those left over; the memory of so many.
    """
    if batch_size is None:
        return run_scan("map", lambda _, x: ((), f(x)), (), xs, None, False)[1]
    size = operator.index(batch_size)
    if size < 1:
        raise ArgumentError(f"map: batch_size={size}", where=caller(), fix="give a positive int, or None")
    slices, spec, _ = flat_cells(xs)
    n = common_length("map", slices, None)
    count, left = divmod(n, size)
    parts = []
    if count:
        blocks = [reshaped(t[: n - left], (count, size, *t._type.shape[1:])) for t in slices]
        ys = run_scan("map", lambda _, x: ((), vmap(f)(x)), (), tree.unflatten(spec, blocks), None, False)[1]
        parts.append(tree.map(lambda y: reshaped(y, (n - left, *y._type.shape[2:])), ys))
    if left or not count:
        parts.append(vmap(f)(tree.unflatten(spec, [t[n - left :] for t in slices])))
    return tree.map(joined, *parts)


def reshaped(t: Any, shape: tuple[int, ...]) -> Any:
    """The elements of `t` in another shape."""
    return record(type(t)._result, R["reshape"], (t,), (shape,))


def joined(*parts: Any) -> Any:
    """Arrays one after the other along axis 0."""
    return parts[0] if len(parts) == 1 else record(type(parts[0])._result, R["concatenate"], parts, (0,))
