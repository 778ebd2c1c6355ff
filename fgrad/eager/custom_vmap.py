"""custom_vmap and sequential_vmap: functions that say themselves what vmap does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial, update_wrapper
from typing import Any

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.closures import (
    closed,
    enter_cells,
    flat_cells,
    over_captures,
    record_call,
    region,
    types_of,
    wrap_results,
)
from fgrad.eager.custom import Custom
from fgrad.eager.loops import map as loop_map
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, TraceError, TreeError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.types import Type
from fgrad.transforms.inline import inline

Flags = tuple[bool, ...]


class custom_vmap:  # noqa: N801  # JAX's name
    """A function with a rule for vmap: `f.def_vmap(rule)`, `rule(axis_size, in_batched, *args) -> (out, out_batched)`.

    in_batched, out_batched: trees of bools like args and out; what is batched has its axis in front.  Without vmap, and for
    derivatives (under vmap too), it is the function as written. Arrays it closes over are the same for every example.
    Raises AttributeError if there is no rule, TypeError for an out_batched of another structure.

    >>> import fgrad, fgrad.numpy as jnp
    >>> @fgrad.custom_batching.custom_vmap
    ... def f(x):
    ...     return jnp.sin(x)
    >>> @f.def_vmap
    ... def rule(axis_size, in_batched, x):
    ...     return jnp.cos(x), in_batched[0]
    >>> fgrad.vmap(f)(jnp.zeros(2))
    Array([1., 1.], dtype=float32)
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        update_wrapper(self, fun)
        self.fun = fun
        self.vmap_rule: Callable[..., Any] | None = None

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule, and returns it."""
        self.vmap_rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        if self.vmap_rule is None:
            raise NoRuleError(f"No batching rule defined for custom_vmap function {getattr(self.fun, '__name__', 'f')} using def_vmap.",
                                where=caller(), fix="call def_vmap(rule)")  # fmt: skip
        args = Custom.positional(self, args, kwargs)  # type: ignore[arg-type]  # it reads `fun` alone
        cells, spec, _ = flat_cells(args)
        r = record_call(self.fun, "custom_vmap", types_of(cells), tree.unflattener(spec))
        if not r.n_out:
            return tree.unflatten(r.out_spec, [])
        kinds = tuple([type(t)._result for t in cells])
        rule = batch_rule(self.vmap_rule, spec, r.out_spec, kinds)
        graph = closed((*r.graph.inputs[: len(cells)], *over_captures(r, r.captured)), r.graph.outputs)
        found = region("custom_vmap", enter_cells([*cells, *r.captured]), graph=graph, rule=rule)
        return tree.unflatten(r.out_spec, wrap_results(found, r.classes, [*cells, *r.captured]))


class NoRuleError(ArgumentError, AttributeError):
    """A function called before its rule is given."""


@lru_cache(maxsize=1024)
def batch_rule(rule: Callable[..., Any], spec: Any, out_spec: Any, classes: tuple[type[Cell], ...]) -> Callable[..., Any]:
    """`rule` as the primitive takes it; one object for one structure, so that a program is found again."""
    return lru_cache(maxsize=64)(partial(_batched, rule, spec, out_spec, classes))


def _batched(rule: Callable[..., Any], spec: Any, out_spec: Any, classes: tuple[type[Cell], ...], n: int, flags: Flags,
             types: tuple[Type, ...]) -> tuple[Graph, Flags]:  # fmt: skip
    """(the rule's graph over the operands, which results have the axis)."""
    k = len(classes)
    if any(flags[k:]):
        raise TraceError("custom_vmap: a tensor that the function closes over is mapped by vmap", where=caller(), fix="pass it as an argument")
    build, flagged = tree.unflattener(spec), tree.unflatten(spec, flags[:k])
    marked: list[Any] = []

    def call(*args: Any) -> Any:
        pair = rule(n, list(flagged), *args)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TreeError("a vmap rule must return a pair (out, out_batched)", where=caller(), fix="return both")
        marked[:] = out_flags(pair, out_spec)
        return pair[0]

    r = record_call(call, "custom_vmap", list(zip(classes, types[:k], strict=True)), build)
    known = [constant(buffer_of(c)) for c in r.captured]
    outputs = inline(r.graph, [*r.graph.inputs[:k], *known])
    return closed((*r.graph.inputs[:k], *[leaf(t) for t in types[k:]]), outputs), tuple(marked)


def out_flags(pair: Sequence[Any], out_spec: Any) -> list[bool]:
    """Which leaves of a rule's result are batched, checked."""
    found = tree.structure(pair[0])
    if found != out_spec:
        raise TreeError(f"a vmap rule returned {found}, the function {out_spec}", where=caller(), fix="return the function's structure")
    if tree.structure(pair[1]) != out_spec:
        raise TreeError(f"a vmap rule returned out_batched of structure {tree.structure(pair[1])}, its result has {out_spec}", where=caller(),
                        fix="return one bool for each part of the result")  # fmt: skip
    return [bool(x) for x in tree.leaves(pair[1])]


def sequential_vmap(f: Callable[..., Any]) -> custom_vmap:
    """`f` of which vmap makes a loop, one example after the other (lax.map), rather than a batch.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.vmap(fgrad.custom_batching.sequential_vmap(lambda x, y: x * y), in_axes=(0, None))(jnp.arange(3.0), 2.0)
    Array([0., 2., 4.], dtype=float32)
    """
    wrapped = custom_vmap(f)

    @wrapped.def_vmap
    def rule(axis_size: int, in_batched: list[Any], *args: Any) -> Any:
        leaves, spec = tree.flatten(args)
        flags = tree.leaves(in_batched)
        moving = [x for x, b in zip(leaves, flags, strict=True) if b]

        def one(parts: list[Any]) -> Any:
            given = iter(parts)
            return f(*tree.unflatten(spec, [next(given) if b else x for x, b in zip(leaves, flags, strict=True)]))

        out = loop_map(one, moving)
        return out, tree.map(lambda _: True, out)

    return wrapped
