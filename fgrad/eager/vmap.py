"""vmap: the function is recorded for one example, the graph is batched and inlined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import FACES, as_cell, assemble
from fgrad.eager.counter import advance, refuse_writes
from fgrad.eager.enter import enter
from fgrad.eager.operands import recorded as recorded_cell
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Tape
from fgrad.eager.trace import Recorded, random_state, record_function
from fgrad.errors import ArgumentError, RangeError, ShapeError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value
from fgrad.ir.hash import canonical_hash
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import substitute

INT64 = TensorType((), np.dtype("int64"))


class Axis(NamedTuple):
    """An axis that a vmap in progress has named."""

    size: int
    index: Any  # int64[], the example's own number


NAMES = {"error": "vmap", "same": "vmap with randomness", "different": "vmap with randomness"}  # the last two let draws in


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, *, axis_size: int | None = None,
         in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", axis_name: Any = None,
         spmd_axis_name: Any = None) -> Callable[..., Any]:  # fmt: skip
    """`fun` over an axis of its arguments at once.

    in_axes: an int or None for each argument, or trees of them (prefixes of the argument's tree); None: the same value
    for every example.  out_axes: where the axis goes in each result.  axis_size: needed only if every in_axes is None.
    in_dims, out_dims: PyTorch's names of the two.  Keyword arguments are mapped over axis 0.
    randomness: what draws from the global generator do: "error", "same" numbers for each example, or "different" ones
    (each example has its own part of the stream).  axis_name: what lax.psum, lax.axis_index and the like call the axis,
    any hashable.  spmd_axis_name: accepted; the axes of a device mesh it names are constraints on where examples live,
    never on values, and here they all live in one array.  Raises ValueError if sizes differ or no axis is mapped.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.vmap(jnp.dot, in_axes=(0, None))(jnp.ones((3, 2)), jnp.ones(2))
    Array([2., 2., 2.], dtype=float32)
    """
    in_axes = in_axes if in_dims == 0 else in_dims
    out_axes = out_axes if out_dims == 0 else out_dims
    if randomness not in NAMES:
        raise ArgumentError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness!r}",
                            where=caller(), fix='use e.g. randomness="different"')  # fmt: skip

    @wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree.flatten((args, kwargs))
        cells = [as_cell(x) for x in leaves]
        axes = resolve_axes(in_axes, args, kwargs, cells)
        n = common_size(cells, axes, axis_size)
        kinds = [t._type.with_shape(drop(t._type.shape, a)) for t, a in zip(cells, axes, strict=True)]
        given = [(type(t)._result, k, t._value.needs) for t, k in zip(cells, kinds, strict=True)]
        build = partial(assemble, spec)
        if axis_name is None:
            recorded = record_function(fun, NAMES[randomness], given, build, THREAD.known_examples())
        else:
            cells, axes = [*cells, counter(n)], [*axes, 0]
            recorded = record_named(fun, NAMES[randomness], given, build, axis_name, n)
        refuse_writes(recorded, "vmap")
        tape = THREAD.tape
        values = [t._value if t._tape is tape else enter(tape, t) for t in cells]
        shared = [enter(tape, t) for t in recorded.captured]
        own: dict[Value, int] = {}
        if recorded.generators:
            state, own = drawn(tape, recorded, n, randomness)
            shared += state
        key = ("vmap", canonical_hash(recorded.graph), tuple(values), tuple(shared), tuple(axes), n, randomness)
        found = tape.interned.joints.get(key)
        if found is None:
            found = tape.interned.joints[key] = batched_outputs(recorded, values, shared, axes, n, own)
        out_leaf_axes = tree.broadcast_prefix(out_axes, tree.unflatten(recorded.out_spec, recorded.graph.outputs[: recorded.n_out]), "out_axes")
        default = type(cells[0])._result if cells else type(as_cell(0.0))
        counts = [FUNCTIONS["reduce_max"](v, axes=(0,)) if moved else v for v, moved in found[recorded.n_out :]]
        done = advance(recorded.written, counts, lambda: [
            wrap(c or default, tape, place(v, moved, a, n))
            for (v, moved), a, c in zip(found[: recorded.n_out], out_leaf_axes, recorded.classes, strict=True)
        ])  # fmt: skip
        return assemble(recorded.out_spec, done)

    return function


def counter(n: int) -> Any:
    """int64[n], the number of each example."""
    return recorded_cell(FACES["array"], ("counters", 0, n), lambda: FUNCTIONS["iota"](shape=(n,), dtype=INT64.dtype, axis=0))


def record_named(
    fun: Callable[..., Any], name: str, given: Sequence[Any], build: Callable[[list[Any]], Any], axis_name: Any, n: int
) -> Recorded:
    """The recording of `fun` with one more input, the example's number, by which collectives know the axis."""
    outer = THREAD.axes

    def named(cells: list[Any]) -> Any:
        THREAD.axes = {**outer, axis_name: Axis(n, cells[-1])}
        return build(cells[:-1])

    try:
        return record_function(fun, name, [*given, (FACES["array"], INT64, False)], named)
    finally:
        THREAD.axes = outer


def batched_outputs(
    recorded: Recorded, values: Sequence[Value], shared: Sequence[Value], axes: Sequence[int | None], n: int,
    own: dict[Value, int],
) -> list[tuple[Value, bool]]:  # fmt: skip
    """The recorded graph's outputs over the batch: (value, has it the batch axis).

    shared: captured values and random state.  own: offsets in it of which each example has its own, and how far apart.
    """
    inputs = recorded.graph.inputs
    new = {v: front(x, a) for v, x, a in zip(inputs, values, axes, strict=False) if a is not None}
    fixed = {v: x for v, x, a in zip(inputs, values, axes, strict=False) if a is None}
    for v, x in zip(inputs[len(values) :], shared, strict=True):
        if v in own:
            index = FUNCTIONS["iota"](shape=(n,), dtype=x.dtype, axis=0)
            new[v] = FUNCTIONS["broadcast_to"](x, shape=(n,)) + index * constant(np.uint64(own[v]))
        else:
            fixed[v] = x
    return batch(substitute(recorded.graph.outputs, fixed), new, n, list(fixed.values()))


def drawn(tape: Tape, recorded: Recorded, n: int, randomness: str) -> tuple[list[Value], dict[Value, int]]:
    """(keys and offsets of the generators, offset input -> blocks an example draws): they advance by what is drawn."""
    if randomness == "same":
        return random_state(tape, recorded), {}
    state = random_state(tape, recorded, times=n)
    bases = recorded.graph.inputs[-len(state) + 1 :: 2]
    return state, {v: count for v, (_, count) in zip(bases, recorded.generators, strict=True)}


def resolve_axes(in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any], cells: Sequence[Cell]) -> list[int | None]:
    """One axis (counted from the front) or None for every leaf."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ArgumentError(
            f"vmap in_axes has {len(in_axes)} entries for {len(args)} positional arguments", where=caller(),
            fix="give one entry for each argument",
        )  # fmt: skip
    found = tree.broadcast_prefix(in_axes, args, "in_axes") + [0] * len(tree.leaves(kwargs))
    out: list[int | None] = []
    for a, t in zip(found, cells, strict=True):
        rank = t._type.ndim
        check_axis("in_axes", a)
        if a is not None and not -rank <= a < rank:
            raise AxisError(
                f"vmap in_axes asks for axis {a} of a tensor of type {t._type}", where=caller(),
                fix="use an axis it has, or None",
            )  # fmt: skip
        out.append(None if a is None else a % rank)
    return out


def check_axis(name: str, axis: Any) -> None:
    """JAX's error for an axis that is no int."""
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
        raise AxisKindError(f"vmap {name} must be an int, None, or a tree with those as leaves, got {axis!r}",
                            where=caller(), fix="write e.g. in_axes=(0, None)")  # fmt: skip


class AxisKindError(ArgumentError, TypeError):
    """A vmap axis that is no number."""


class AxisError(RangeError, ValueError):
    """vmap over an axis that is not there."""


def common_size(cells: Sequence[Cell], axes: Sequence[int | None], axis_size: int | None) -> int:
    """The length of the mapped axis."""
    sizes = {t._type.shape[a] for t, a in zip(cells, axes, strict=True) if a is not None}
    if axis_size is not None:
        sizes.add(axis_size)
    if not sizes:
        raise ArgumentError("vmap must have at least one non-None value in in_axes", where=caller(),
                            fix="map at least one argument, or give axis_size")  # fmt: skip
    if len(sizes) > 1:
        raise ShapeError(
            f"vmap got inconsistent sizes for array axes to be mapped: {sorted(sizes)}", where=caller(),
            fix="map axes of one length",
        )  # fmt: skip
    return sizes.pop()


def drop(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """A shape without its mapped axis."""
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def front(v: Value, axis: int | None) -> Value:
    """The mapped axis moved to the front."""
    if not axis:
        return v
    moved: Value = FUNCTIONS["transpose"](v, axes=(axis, *(i for i in range(v.ndim) if i != axis)))
    return moved


def place(v: Value, moved: bool, axis: int | None, n: int) -> Value:
    """The batch axis of a result where it was asked for."""
    check_axis("out_axes", axis)
    if axis is None:
        if moved:
            raise ArgumentError("vmap has mapped output but out_axes is None", where=caller(), fix="give out_axes=0")
        return v
    if not moved:
        v = FUNCTIONS["broadcast_to"](v, shape=(n, *v.shape))
    rank = v.ndim
    if not -rank <= axis < rank:
        raise AxisError(f"vmap out_axes={axis} for a result of {rank} axes", where=caller(), fix="use an axis it has")
    axis %= rank
    if not axis:
        return v
    back: Value = FUNCTIONS["transpose"](v, axes=(*range(1, axis + 1), 0, *range(axis + 1, rank)))
    return back
