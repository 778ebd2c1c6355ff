"""grad, value_and_grad, vjp, jvp, linearize and the Jacobians: record f, transform the graph, inline the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import as_cell, assemble
from fgrad.eager.enter import enter
from fgrad.eager.marks import Marked, check_inputs, check_outputs, deeper, result_cells, scalar_output, split_argnums
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Tape, tensor_type
from fgrad.errors import ShapeError, TreeError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value, leaf, topological
from fgrad.ir.operators import FUNCTIONS
from fgrad.primitives.regions.custom import by_forward_rule
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import substitute
from fgrad.transforms.jvp import instantiate, push
from fgrad.transforms.vjp import pull

Function = Callable[..., Any]


def enter_all(tape: Tape, cells: Sequence[Any]) -> list[Value]:
    """Values of cells on `tape`."""
    return [t._value if t._tape is tape else enter(tape, t) for t in cells]


def memo(tape: Tape, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What a transform made of recorded values, made once."""
    found = tape.interned.joints.get(key)
    if found is None:
        found = tape.interned.joints[key] = make()
    return found


def wrap_like(cells: Sequence[Any], tape: Tape, values: Sequence[Value]) -> list[Any]:
    """Pending cells in the classes of `cells`."""
    return [wrap(type(t)._result, tape, v) for t, v in zip(cells, values, strict=True)]


def value_and_grad(
    fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False,
    allow_int: bool = False,
) -> Function:  # fmt: skip
    """A function that returns `(fun(*args), dfun/dargs[argnums])`.

    fun returns a scalar, or `(scalar, aux)` with has_aux.  The gradient has the tree structure of the argument, a tuple
    of such trees for several argnums.  holomorphic: arguments and result are complex.  allow_int: integer arguments
    get zeros of their own dtype.  Raises TypeError for integer
    arguments and results that are no real scalars.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.value_and_grad(lambda x: jnp.sum(x**2))(jnp.array([1.0, 2.0]))
    (Array(5., dtype=float32), Array([2., 4.], dtype=float32))
    """

    @wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        nums, one = split_argnums(args, argnums, "grad")
        with deeper() as depth:
            marked = Marked(tuple(args[i] for i in nums), depth)
            check_inputs(marked, "grad", holomorphic, ints=allow_int)
            given = list(args)
            for i, x in zip(nums, marked.tree, strict=True):
                given[i] = x
            out = fun(*given, **kwargs)
            out, aux = split_aux(out, has_aux)
            y = scalar_output(out, "grad", holomorphic)
            aux_cells, aux_spec = result_cells(aux)
            tape = THREAD.tape
            marks = marked.values(tape)
            values = enter_all(tape, [y, *aux_cells])
            key = ("grad", tuple(values), tuple(marks))
            found = memo(tape, key, lambda: scalar_gradient(values, marks, marked.operands(tape)))
        cells = wrap_like([y, *aux_cells, *marked.cells], tape, found)
        n = 1 + len(aux_cells)
        grads = assemble(marked.spec, cells[n:])
        value = (cells[0], assemble(aux_spec, cells[1:n])) if has_aux else cells[0]
        return value, grads[0] if one else grads

    return function


def split_aux(out: Any, has_aux: bool) -> tuple[Any, Any]:
    """A result and its auxiliary part."""
    if not has_aux:
        return out, None
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TreeError(
            f"has_aux=True needs a function that returns (result, aux), got {type(out).__name__}", where=caller(),
            fix="return a pair, or drop has_aux",
        )  # fmt: skip
    return out[0], out[1]


def scalar_gradient(values: Sequence[Value], marks: Sequence[Value], operands: dict[Value, Value]) -> list[Value]:
    """[value, *aux, *gradients] without marks."""
    kind = tensor_type(values[0])
    one = constant(np.ones((), kind.dtype), device=kind.device)
    real = [m for m in marks if m.type.inexact]
    grads = dict(zip(real, pull([values[0]], [one], real, [m for m in real if m in operands]), strict=True))
    full = [instantiate(grads.get(m), m.type) for m in marks]
    return substitute(by_forward_rule([*values, *full], real), operands)


def grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False,
         allow_int: bool = False) -> Function:  # fmt: skip
    """The gradient function of a scalar-valued `fun`; with has_aux it returns `(gradient, aux)`. See `value_and_grad`.

    >>> import fgrad
    >>> float(fgrad.grad(lambda x: x**3)(2.0))
    12.0
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return function


class Linearised:
    """A linear function that an earlier recording left: values it reads are kept as tensors."""

    def __init__(self, tape: Tape, inputs: Sequence[Value], outputs: Sequence[Value], cls: type[Cell]) -> None:
        order = topological(outputs, inputs)
        linear = {*inputs}
        for v in order:
            if not linear.isdisjoint(v.operands):
                linear.add(v)
        outside = dict.fromkeys(
            x for v in [*order, *outputs] for x in (v.operands if v in linear else (v,))
            if x not in linear and x.const is None and v in (linear | set(outputs))
        )  # fmt: skip
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.values = tuple(outside)
        self.kept = [wrap(cls, tape, v) if tensor_like(v) else None for v in self.values]

    def __call__(self, cells: Sequence[Any]) -> list[Value]:
        """The outputs for these inputs, on the current tape."""
        tape = THREAD.tape
        given = enter_all(tape, cells)
        held = enter_all(tape, self.kept)
        key = ("linear", self.outputs, tuple(given), tuple(held))
        found: list[Value] = memo(
            tape, key, lambda: substitute(self.outputs, {**dict(zip(self.inputs, given, strict=True)),
                                                        **dict(zip(self.values, held, strict=True))}))  # fmt: skip
        return found


def tensor_like(v: Value) -> bool:
    """True for a value a tensor can hold."""
    return not hasattr(v.type, "items")


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """`(fun(*primals), vjp_fn)`, or with has_aux `(out, vjp_fn, aux)`.

    vjp_fn(ct), with ct of the tree and types of the result, returns a tuple with one cotangent per primal.
    """
    with deeper() as depth:
        marked = Marked(primals, depth)
        out, aux = split_aux(fun(*marked.tree), has_aux)
        cells, spec = result_cells(out)
        aux_cells, aux_spec = result_cells(aux)
        tape = THREAD.tape
        marks, operands = marked.values(tape), marked.operands(tape)
        values = enter_all(tape, [*cells, *aux_cells])
        n = len(cells)

        def make() -> tuple[list[Value], list[Value]]:
            cts = [leaf(v.type) for v in values[:n]]
            grads = pull(values[:n], cts, marks, list(operands))
            full = [instantiate(g, m.type) for g, m in zip(grads, marks, strict=True)]
            return cts, substitute(by_forward_rule([*values, *full], marks), operands)

        cts, plain = memo(tape, ("vjp", n, tuple(values), tuple(marks)), make)
    linear = Linearised(tape, cts, plain[len(values) :], result_class(marked.cells))
    results = wrap_like([*cells, *aux_cells], tape, plain[: len(values)])

    def vjp_fn(ct: Any) -> Any:
        given = matching(ct, spec, cells, "vjp_fn")
        found = linear(given)
        return assemble(marked.spec, wrap_like(marked.cells, THREAD.tape, found))

    y = assemble(spec, results[: len(cells)])
    if has_aux:
        return y, vjp_fn, assemble(aux_spec, results[len(cells) :])
    return y, vjp_fn


def result_class(cells: Sequence[Any]) -> type[Cell]:
    """The face results of a transform take."""
    found: type[Cell] = type(cells[0])._result if cells else type(as_cell(0.0))
    return found


def matching(given: Any, spec: Any, like: Sequence[Any], what: str) -> list[Any]:
    """Leaves of `given`, checked against a structure and types."""
    leaves, other = tree.flatten(given)
    if other != spec:
        raise TreeError(f"{what}: the tree {other} does not match {spec}", where=caller(), fix="give the same structure")
    cells = [as_cell(x) for x in leaves]
    for t, k in zip(cells, like, strict=True):
        if t._type.shape != k._type.shape or (t._type.dtype != k._type.dtype and k._type.inexact):
            raise ShapeTypeError(
                f"{what}: got {t._type} where {k._type} is expected", where=caller(), fix="match shape and dtype",
            )  # fmt: skip
    return cells


class ShapeTypeError(ShapeError, TypeError):
    """A tangent or cotangent of another type than its primal."""


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """`(fun(*primals), dfun(primals) . tangents)`, forward mode; with has_aux also the auxiliary result."""
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TreeError("jvp: primals and tangents must be tuples or lists", where=caller(), fix="write (x,) for one argument")
    with deeper() as depth:
        marked = Marked(tuple(primals), depth)
        given = matching(tuple(tangents), marked.spec, marked.cells, "jvp")
        out, aux = split_aux(fun(*marked.tree), has_aux)
        cells, spec = result_cells(out)
        aux_cells, aux_spec = result_cells(aux)
        tape = THREAD.tape
        marks, operands = marked.values(tape), marked.operands(tape)
        values = enter_all(tape, [*cells, *aux_cells])
        n = len(cells)
        seeds = {m: t for m, t in zip(marks, enter_all(tape, given), strict=True) if m.type.inexact}

        def make() -> list[Value]:
            moved = push(values[:n], seeds)
            full = [instantiate(t, v.type) for t, v in zip(moved, values[:n], strict=True)]
            return substitute([*values, *full], operands)

        found = memo(tape, ("jvp", n, tuple(values), tuple(seeds.items())), make)
    made = wrap_like([*cells, *aux_cells, *cells], tape, found)
    y, dy = assemble(spec, made[:n]), assemble(spec, made[len(values) :])
    return (y, dy, assemble(aux_spec, made[n : len(values)])) if has_aux else (y, dy)


def linearize(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """`(fun(*primals), f_jvp)`: f_jvp(*tangents) is the derivative there, without running `fun` again.

    With has_aux also the auxiliary result, `(out, f_jvp, aux)`.
    """
    with deeper() as depth:
        marked = Marked(primals, depth)
        out, aux = split_aux(fun(*marked.tree), has_aux)
        cells, spec = result_cells(out)
        aux_cells, aux_spec = result_cells(aux)
        tape = THREAD.tape
        marks, operands = marked.values(tape), marked.operands(tape)
        values = enter_all(tape, [*cells, *aux_cells])
        n = len(cells)

        def make() -> tuple[list[Value], list[Value]]:
            seeds = [leaf(m.type) for m in marks]
            moved = push(values[:n], {m: s for m, s in zip(marks, seeds, strict=True) if m.type.inexact})
            full = [instantiate(t, v.type) for t, v in zip(moved, values[:n], strict=True)]
            return seeds, substitute([*values, *full], operands)

        seeds, plain = memo(tape, ("linearize", n, tuple(values), tuple(marks)), make)
    linear = Linearised(tape, seeds, plain[len(values) :], result_class(marked.cells))
    results = wrap_like([*cells, *aux_cells], tape, plain[: len(values)])

    def f_jvp(*tangents: Any) -> Any:
        given = matching(tangents, marked.spec, marked.cells, "f_jvp")
        return assemble(spec, wrap_like(cells, THREAD.tape, linear(given)))

    y = assemble(spec, results[:n])
    return (y, f_jvp, assemble(aux_spec, results[n:])) if has_aux else (y, f_jvp)


def basis(kind: Any) -> Value:
    """The standard basis of a tensor type: shape (size, *shape)."""
    eye = constant(np.eye(kind.size, dtype=kind.dtype), device=kind.device)
    found: Value = FUNCTIONS["reshape"](eye, shape=(kind.size, *kind.shape))
    return found


def jacobian(f: Function, argnums: int | Sequence[int], has_aux: bool, holomorphic: bool, forward: bool) -> Function:
    """The shared body of jacfwd and jacrev: derivatives along a basis, batched."""
    name = "jacfwd" if forward else "jacrev"

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        nums, one = split_argnums(args, argnums, name)
        with deeper() as depth:
            marked = Marked(tuple(args[i] for i in nums), depth)
            check_inputs(marked, name, holomorphic, real=forward)
            given = list(args)
            for i, x in zip(nums, marked.tree, strict=True):
                given[i] = x
            out, aux = split_aux(f(*given, **kwargs), has_aux)
            cells, spec = result_cells(out)
            if holomorphic or not forward:
                check_outputs(cells, name, holomorphic)
            aux_cells, aux_spec = result_cells(aux)
            tape = THREAD.tape
            marks, operands = marked.values(tape), marked.operands(tape)
            values = enter_all(tape, [*cells, *aux_cells])
            ys = values[: len(cells)]
            key = ("jacobian", forward, len(ys), tuple(values), tuple(marks))
            make = columns if forward else rows
            found = memo(tape, key, lambda: substitute([*make(ys, marks, operands), *values[len(cells) :]], operands))
        blocks = wrap_like([c for c in cells for _ in marks], tape, found[: len(ys) * len(marks)])
        m = len(marks)
        per_output = [assemble(marked.spec, blocks[i * m : (i + 1) * m]) for i in range(len(ys))]
        jac = assemble(spec, [p[0] if one else p for p in per_output], cells)
        if has_aux:
            return jac, assemble(aux_spec, wrap_like(aux_cells, tape, found[len(ys) * m :]))
        return jac

    return function


def rows(ys: Sequence[Value], marks: Sequence[Value], operands: dict[Value, Value]) -> list[Value]:
    """Jacobian blocks, outputs outer, by reverse mode: shape (*y.shape, *x.shape)."""
    out = []
    for y in ys:
        kind = tensor_type(y)
        ct = leaf(kind)
        grads = [instantiate(g, m.type) for g, m in zip(pull([y], [ct], marks, list(operands)), marks, strict=True)]
        for (g, moved), m in zip(batch(by_forward_rule(grads, marks), {ct: basis(kind)}, kind.size), marks, strict=True):
            full = g if moved else FUNCTIONS["broadcast_to"](g, shape=(kind.size, *m.shape))
            out.append(FUNCTIONS["reshape"](full, shape=(*kind.shape, *m.shape)))
    return out


def columns(ys: Sequence[Value], marks: Sequence[Value], operands: dict[Value, Value]) -> list[Value]:
    """Jacobian blocks, outputs outer, by forward mode: shape (*y.shape, *x.shape)."""
    blocks: dict[tuple[int, int], Value] = {}
    for j, m in enumerate(marks):
        kind = tensor_type(m)
        seed = leaf(kind)
        moved = [instantiate(t, y.type) for t, y in zip(push(ys, {m: seed}), ys, strict=True)]
        for i, ((t, has), y) in enumerate(zip(batch(moved, {seed: basis(kind)}, kind.size), ys, strict=True)):
            full = t if has else FUNCTIONS["broadcast_to"](t, shape=(kind.size, *y.shape))
            last = FUNCTIONS["transpose"](full, axes=(*range(1, y.ndim + 1), 0))
            blocks[i, j] = FUNCTIONS["reshape"](last, shape=(*y.shape, *kind.shape))
    return [blocks[i, j] for i in range(len(ys)) for j in range(len(marks))]


def jacfwd(
    fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The Jacobian of `fun` by forward mode, one column a pass: best for few inputs. Blocks: (*y.shape, *x.shape)."""
    return jacobian(fun, argnums, has_aux, holomorphic, forward=True)


def jacrev(
    fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The Jacobian of `fun` by reverse mode, one row a pass: best for few outputs. Blocks: (*y.shape, *x.shape)."""
    return jacobian(fun, argnums, has_aux, holomorphic, forward=False)


def hessian(
    fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """Second derivatives of `fun`, forward over reverse. Blocks: (*y.shape, *x.shape, *x.shape)."""
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)
