"""custom_linear_solve and custom_root: solvers whose derivatives are those of the equation that they solve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.closures import (
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
    wrap_results,
)
from fgrad.eager.convert import as_cell
from fgrad.eager.custom import custom_jvp, zero_cell
from fgrad.eager.grad import jvp, vjp
from fgrad.eager.trace import Recorded
from fgrad.errors import TreeError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Graph
from fgrad.transforms.inline import inline

Solver = Callable[[Function, Any], Any]


def check_tree(name: str, what: str, found: Any, wanted: Any) -> None:
    """Refuses a result of another structure."""
    if found != wanted:
        raise TreeError(f"{name}: {what} returns {found} for {wanted}", where=caller(), fix="return the structure of the argument")


def solution_of(name: str, what: str, r: Recorded, spec: Any, has_aux: bool) -> tuple[list[int], list[int], Any]:
    """(places of the solution among the results, of the auxiliary ones, the tree of the latter)."""
    out = tree.unflatten(r.out_spec, list(range(r.n_out)))
    if has_aux and (not isinstance(out, tuple | list) or len(out) != 2):
        raise TreeError(f"{name}: {what} must return a pair (solution, aux)", where=caller(), fix="return both, or leave has_aux out")
    x, aux = out if has_aux else (out, None)
    check_tree(name, what, tree.structure(x), spec)
    return tree.leaves(x), tree.leaves(aux), aux


def custom_linear_solve(matvec: Function, b: Any, solve: Solver, transpose_solve: Solver | None = None, symmetric: bool = False,
                        has_aux: bool = False) -> Any:  # fmt: skip
    """x = solve(matvec, b), a solution of matvec(x) = b, differentiable by that equation in b and in what matvec closes over.

    matvec: linear, of trees like `b`.  solve: need not be differentiable (it may be a while_loop).  transpose_solve:
    solves the transposed system, given its own product with a vector; needed for reverse mode unless `symmetric`, which
    takes `solve`.  has_aux: the solvers return (x, aux).  Raises TypeError for results of other trees or shapes, and for
    reverse mode without transpose_solve.

    >>> import fgrad, fgrad.numpy as jnp
    >>> def root(a, b):
    ...     return fgrad.lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / f(jnp.ones(())), symmetric=True)
    >>> fgrad.grad(root, (0, 1))(2.0, 3.0)
    (Array(-0.75, dtype=float32), Array(0.5, dtype=float32))
    """
    name = "custom_linear_solve"
    cells, spec, _ = flat_cells(b)
    build = tree.unflattener(spec)
    example = build(cells)

    def record(f: Function) -> Recorded:
        return record_call(f, name, types_of(cells), lambda xs: (build(xs),))

    def vecmat(ct: Any) -> Any:
        return vjp(matvec, tree.map(lambda t: zero_cell(as_cell(t)), example))[1](ct)[0]

    product = record(matvec)
    check_tree(name, "matvec", product.out_spec, spec)
    parts = [product, record(lambda y: solve(matvec, y))]
    if symmetric or transpose_solve is not None:
        turned = matvec if symmetric else vecmat
        chosen = solve if transpose_solve is None else transpose_solve
        parts += [product if symmetric else record(turned), record(lambda y: chosen(turned, y))]
    captured = captures_of(parts)
    wanted = [t._type for t in cells]
    graphs = []
    aux: tuple[list[int], Any] = ([], None)
    for k, r in enumerate(parts):
        places, more, aux_tree = solution_of(name, ("matvec", "solve", "the transposed matvec", "transpose_solve")[k], r, spec, has_aux and k % 2 == 1)
        outputs = [retyped(r.graph.outputs[i], r.classes[i], t) for i, t in zip(places, wanted, strict=True)]
        check_types(name, "result", outputs, wanted)
        kept = [r.graph.outputs[i] for i in more]
        graphs.append(closed((*over_captures(r, captured), *r.graph.inputs[: len(cells)]), [*outputs, *kept]))
        aux = (more, aux_tree) if k == 1 else aux
    found = region("linear_solve", enter_cells([*captured, *cells]), matvec=graphs[0], solve=graphs[1], transposed=tuple(graphs[2:]),
                   n_consts=len(captured))  # fmt: skip
    classes = [type(t)._result for t in cells] + [parts[1].classes[i] for i in aux[0]]
    done = wrap_results(found, classes, [*cells, *captured])
    x = build(done[: len(cells)])
    if not has_aux:
        return x
    named = dict(zip(aux[0], done[len(cells) :], strict=True))
    return x, tree.map(named.__getitem__, aux[1])


def replayed(graph: Graph, classes: Sequence[Any]) -> Callable[..., list[Any]]:
    """A closed graph as a function of cells."""

    def run(*cells: Any) -> list[Any]:
        given = [as_cell(t) for t in cells]
        return wrap_results(inline(graph, enter_cells(given)), classes, given)

    return run


def custom_root(f: Function, initial_guess: Any, solve: Solver, tangent_solve: Solver, has_aux: bool = False) -> Any:
    """x = solve(f, initial_guess), a root of `f`, differentiable in what `f` closes over by the implicit function theorem.

    f: of a tree like initial_guess, which it returns.  solve: need not be differentiable.  tangent_solve(g, y): x with
    g(x) = y, g being `f` linearised at the root; it must be differentiable in y for reverse mode (for numbers
    ``lambda g, y: y / g(1.0)``).  has_aux: solve returns (x, aux).  Raises TypeError for results of other trees or shapes.

    >>> import fgrad, fgrad.numpy as jnp
    >>> def newton(f, x):
    ...     return fgrad.lax.fori_loop(0, 20, lambda i, x: x - f(x) / fgrad.grad(f)(x), x)
    >>> def sqrt(a):
    ...     return fgrad.lax.custom_root(lambda x: x * x - a, jnp.ones(()), newton, lambda g, y: y / g(1.0))
    >>> fgrad.grad(sqrt)(4.0)
    Array(0.25, dtype=float32)
    """
    name = "custom_root"
    guess, spec, _ = flat_cells(initial_guess)
    build = tree.unflattener(spec)
    n, kinds = len(guess), types_of(guess)
    wanted = [t for _, t in kinds]

    def tangent(x: Any, y: Any) -> Any:
        def g(v: Any) -> Any:
            like = tree.map(lambda t, a: as_cell(t, type(a)).astype(a.dtype) if not isinstance(t, Cell) else t, v, x)
            return jvp(f, (x,), (like,))[1]

        return tangent_solve(g, y)

    parts = [record_call(f, name, kinds, lambda xs: (build(xs),)), record_call(lambda x: solve(f, x), name, kinds, lambda xs: (build(xs),)),
             record_call(tangent, name, kinds * 2, lambda xs: (build(xs[:n]), build(xs[n:])))]  # fmt: skip
    captured = captures_of(parts)
    graphs = []
    rest: tuple[list[int], Any] = ([], None)
    for k, r in enumerate(parts):
        places, more, aux_tree = solution_of(name, ("f", "solve", "tangent_solve")[k], r, spec, has_aux and k == 1)
        outputs = [retyped(r.graph.outputs[i], r.classes[i], t) for i, t in zip(places, wanted, strict=True)]
        check_types(name, "result", outputs, wanted)
        own = r.graph.inputs[: n * (1 + (k == 2))]
        graphs.append(closed((*over_captures(r, captured), *own), [*outputs, *[r.graph.outputs[i] for i in more]]))
        rest = (more, aux_tree) if k == 1 else rest
    classes = [c for c, _ in kinds]
    of_f, of_tangent = replayed(graphs[0], classes), replayed(graphs[2], classes)
    of_solve = replayed(graphs[1], classes + [parts[1].classes[i] for i in rest[0]])

    @custom_jvp
    def root(held: list[Any], x: list[Any]) -> list[Any]:
        return of_solve(*held, *x)

    @root.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        held, x = primals
        found = root(held, x)
        at, more = found[:n], found[n:]
        moved = jvp(lambda h: of_f(*h, *at), (held,), (tangents[0],))[1] if held else [zero_cell(t) for t in at]
        return found, [-t for t in of_tangent(*held, *at, *moved)] + [zero_cell(t) for t in more]

    found = root(captured, guess)
    x = build(found[:n])
    if not has_aux:
        return x
    named = dict(zip(rest[0], found[n:], strict=True))
    return x, tree.map(named.__getitem__, rest[1])
