"""A linear system solved by a graph of its own; its derivatives are those of the system, not of the way it is solved."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ArgumentError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.regions.parts import Flags, batch_graph, check_results, check_signature, flat, items
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.primitives.shape import spread
from fgrad.transforms.inline import inline
from fgrad.transforms.jvp import Linear, Tangent, instantiate
from fgrad.transforms.jvp import push as push_values
from fgrad.transforms.vjp import pull as pull_values

Pair = tuple[Graph, ...]


class TransposeError(ArgumentError, TypeError):
    """Reverse mode of a linear solve without a way to solve the transposed system."""


def _type(*xs: Type, matvec: Graph, solve: Graph, transposed: Pair, n_consts: int, where: Where | None) -> Type:
    right = xs[n_consts:]
    for part, graph in (("the matrix", matvec), ("the solver", solve), *[("the transposed system", g) for g in transposed]):
        check_signature("linear_solve", part, graph, xs, where)
        check_results("linear_solve", part, graph.output_types[: len(right)], right, where)
    if len(transposed) not in (0, 2):
        raise ShapeError(f"linear_solve: {len(transposed)} transposed graphs", where=where, fix="give (matrix, solver) or none")
    return TupleType(solve.output_types)


def _lower(xp: Any, out: Any, *xs: Any, solve: Any, **rest: Any) -> Any:
    return finish(xp, out, runner(solve, xp)(xs), graph_of(solve).output_types, xs)


def _batch(
    n: int, batched: Flags, *xs: Value, matvec: Graph, solve: Graph, transposed: Pair, n_consts: int
) -> tuple[tuple[Value, bool], ...]:
    flags = (*batched[:n_consts], *[True] * (len(xs) - n_consts))
    new = [batch_graph(g, flags, n, (True,) * len(g.outputs)) for g in (matvec, solve, *transposed)]
    right = spread(n, batched[n_consts:], *xs[n_consts:])
    found = linear_solve(*xs[:n_consts], *right, matvec=new[0], solve=new[1], transposed=tuple(new[2:]), n_consts=n_consts)
    return tuple([(y, isinstance(y.type, TensorType)) for y in items(found)])


def _linearize(v: Value, varying: Flags) -> Linear:
    matvec, solve, transposed, m = v.params
    n = len(v.operands) - m
    consts, kinds = v.operands[:m], [x.type for x in v.operands[m:]]

    def applied() -> tuple[list[Value], list[Value]]:
        """(the solution, the product of the matrix and it)."""
        x = items(v)[:n]
        return x, inline(matvec, [*consts, *x])

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        """dx = A^-1 (db - dA x)."""
        moves = {c: t for c, t in zip(consts, tangents[:m], strict=True) if t is not None}
        x, product = applied()
        own = push_values(product, moves, x) if moves else [None] * n
        right = [_minus(b, a, kind) for b, a, kind in zip(tangents[m:], own, kinds, strict=True)]
        found = items(linear_solve(*consts, *right, matvec=matvec, solve=solve, transposed=transposed, n_consts=m))
        return (*found[:n], *[None] * (len(solve.outputs) - n))

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        """A^T of the cotangent's solution is that of b; -(it x^T) that of A."""
        if not transposed:
            raise TransposeError("transpose_solve is required for reverse mode of custom_linear_solve", where=v.where,
                                   fix="give transpose_solve, or symmetric=True")  # fmt: skip
        given = [instantiate(c, kind) for c, kind in zip(flat(ct, len(solve.outputs))[:n], kinds, strict=True)]
        back, turned = transposed
        found = items(linear_solve(*consts, *given, matvec=back, solve=turned, transposed=(matvec, solve), n_consts=m))[:n]
        wrt = [c for c, f in zip(consts, varying[:m], strict=True) if f]
        x, product = applied()
        moved = iter(pull_values(product, [-c for c in found], wrt, x) if wrt else ())
        return (*[next(moved) if f else None for f in varying[:m]], *[c if f else None for c, f in zip(found, varying[m:], strict=True)])

    return Linear(v, push, pull)


def _minus(b: Tangent, a: Tangent, kind: Type) -> Any:
    """B - a, either of which may be zero."""
    if a is None:
        return instantiate(b, kind)
    return -a if b is None else b - a


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, *xs, matvec, solve, transposed, n_consts: totals(solve)[0],
    nbytes=lambda y, *xs, matvec, solve, transposed, n_consts: totals(solve)[1],
)
def linear_solve(*xs: Any, matvec: Graph, solve: Graph, transposed: Pair, n_consts: int) -> Any:
    """The results of `solve` on `xs`, a tuple read by `item`: x with A x = b, then what else the solver tells.

    xs: n_consts values that A and the solvers read, then the parts of b.  matvec, solve: graphs over xs, of A b and of
    the solution.  transposed: both for the transposed system, or none: then there is no reverse mode (TypeError).
    """
