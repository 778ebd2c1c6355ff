"""custom_jvp and custom_vjp: functions with derivative rules of their own.

A rule often calls its own function. Inside a rule it is that function again, with its rule, down to DEPTH rules; there
it is differentiated as written, so derivatives beyond that order are those of its own operations.
"""

from __future__ import annotations

import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

from fgrad import tree
from fgrad.backends import devices
from fgrad.eager.cell import Cell, concrete
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
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.tape import tensor_type
from fgrad.eager.trace import Recorded
from fgrad.errors import ArgumentError, TreeError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.transforms.jvp import zeros

DEPTH = 3  # rules inside rules
Join = Callable[[Sequence[Any]], list[Any]]


class _Nesting(threading.local):
    def __init__(self) -> None:
        self.depth: dict[Any, int] = {}


_NESTING = _Nesting()


class Custom(ABC):
    """What both share: arguments split into those with a derivative and the others."""

    define = ""  # how the rules are given
    rules: tuple[Function, ...] = ()

    def __init__(self, fun: Function, nondiff_argnums: int | Sequence[int] = (),
                 nondiff_argnames: str | Sequence[str] = ()) -> None:  # fmt: skip
        update_wrapper(self, fun)
        self.fun = fun
        nums = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        self.nondiff = tuple(sorted({*nums, *(place_of(fun, name) for name in names)}))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        if not self.rules:
            name = getattr(self.fun, "__name__", "the function")
            raise ArgumentError(f"no derivative rule is defined for {name}", where=caller(), fix=f"call {self.define}")
        given = self.positional(args, kwargs)
        return self.fun(*given) if self.at_bottom() else self.record(*self.split(given))

    @abstractmethod
    def record(self, fixed: list[Any], rest: tuple[Any, ...], join: Join) -> Any:
        """The function's value as a node that carries its rules."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method, the object is an argument like the others."""
        if instance is None:
            return self
        return lambda *args, **kwargs: self(instance, *args, **kwargs)

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments by position, keywords and defaults filled in."""
        try:
            signature = inspect.signature(self.fun)
        except (TypeError, ValueError):  # some built-in functions have none
            return args
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args

    def split(self, args: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...], Join]:
        """(nondiff arguments, the others, a function that puts those back among the former)."""
        at = sorted(i % len(args) for i in self.nondiff)
        fixed = [args[i] for i in at]
        rest = tuple([a for i, a in enumerate(args) if i not in at])

        def join(given: Sequence[Any]) -> list[Any]:
            out = list(given)
            for i, x in zip(at, fixed, strict=True):
                out.insert(i, x)
            return out

        return fixed, rest, join

    def at_bottom(self) -> bool:
        """True inside DEPTH rules of this function."""
        return _NESTING.depth.get(self, 0) >= DEPTH

    @contextmanager
    def in_rule(self) -> Iterator[None]:
        """While a rule of this function is recorded."""
        depth = _NESTING.depth
        depth[self] = depth.get(self, 0) + 1
        try:
            yield
        finally:
            depth[self] -= 1
            if not depth[self]:
                del depth[self]


def place_of(fun: Function, name: str) -> int:
    """The position of a parameter."""
    known = list(inspect.signature(fun).parameters)
    if name not in known:
        raise ArgumentError(f"nondiff_argnames: {name!r} is no argument of {getattr(fun, '__name__', 'the function')}",
                            where=caller(), fix=f"use one of {', '.join(known)}")  # fmt: skip
    return known.index(name)


class custom_jvp(Custom):  # noqa: N801  # JAX's name
    """A function with a rule for tangents: `f.defjvp(rule)`, `rule(primals, tangents) -> (out, tangent_out)`.

    nondiff_argnums, nondiff_argnames: arguments that are passed to the rule first, as they are.  The rule serves both modes, so it must
    be linear in the tangents. Integer arguments have zeros as tangents; what is closed over counts as constant.

    >>> import fgrad, fgrad.numpy as jnp
    >>> @fgrad.custom_jvp
    ... def twice(x):
    ...     return 2 * x
    >>> _ = twice.defjvp(lambda primals, tangents: (twice(*primals), 5 * tangents[0]))
    >>> float(fgrad.grad(twice)(1.0))
    5.0
    """

    define = "defjvp(rule)"

    def defjvp(self, jvp: Function, symbolic_zeros: bool = False) -> Function:
        """Sets the rule; returns it, so that it can be used as a decorator."""
        self.rules = (jvp,)
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """One rule `jvp(tangent, out, *primals)` for each argument; None: no derivative."""

        def rule(primals: Any, tangents: Any) -> Any:
            out = self(*primals)
            parts = [j(t, out, *primals) for j, t in zip(jvps, tangents, strict=True) if j is not None]
            total = parts[0] if parts else tree.map(lambda y: zero_cell(as_cell(y)), out)
            for p in parts[1:]:
                total = tree.map(lambda a, b: a + b, total, p)
            return out, total

        self.rules = (rule,)

    def record(self, fixed: list[Any], rest: tuple[Any, ...], join: Join) -> Any:
        """The function's value as a node that carries its rule."""
        cells, spec, _ = flat_cells(rest)
        build = tree.unflattener(spec)
        main = record_call(self.fun, "custom_jvp", types_of(cells), lambda xs: tuple(join(build(xs))))
        with self.in_rule():
            rule = self.record_rule(fixed, cells, build)
        wrt = tuple([i for i, t in enumerate(cells) if t._type.inexact])
        moved = self.tangents_out(main, rule)
        captured = captures_of([main, rule])
        n = len(cells)
        over = over_captures(rule, captured)
        jvp = closed((*rule.graph.inputs[:n], *over, *rule.graph.inputs[n : n + len(wrt)]), moved)
        graph = closed((*main.graph.inputs[:n], *over_captures(main, captured)), main.graph.outputs)
        found = region("custom_jvp", enter_cells([*cells, *captured]), graph=graph, jvp=jvp, wrt=wrt)
        return tree.unflatten(main.out_spec, wrap_results(found, main.classes, [*cells, *captured]))

    def record_rule(self, fixed: list[Any], cells: list[Any], build: Callable[..., Any]) -> Recorded:
        """The rule over (arguments, tangents of the inexact ones)."""
        n = len(cells)

        def arguments(xs: list[Any]) -> tuple[Any, ...]:
            dots = iter(xs[n:])
            tangents = [next(dots) if t._type.inexact else zero_cell(t) for t in cells]
            return (*fixed, tuple(build(xs[:n])), tuple(build(tangents)))

        types = types_of(cells)
        return record_call(self.rules[0], "custom_jvp", [*types, *[k for k in types if k[1].inexact]], arguments)

    def tangents_out(self, main: Recorded, rule: Recorded) -> list[Value]:
        """The rule's tangents of the function's inexact results, checked."""
        out = tree.unflatten(rule.out_spec, list(range(rule.n_out)))
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise TreeError("a jvp rule must return a pair (out, tangent_out)", where=caller(), fix="return both")
        for part, what in zip(out, ("results", "tangents"), strict=True):
            if tree.structure(part) != main.out_spec:
                raise TreeError(
                    f"a jvp rule returned {what} of structure {tree.structure(part)}, the function {main.out_spec}",
                    where=caller(), fix="return the function's result and a tangent for each part of it",
                )  # fmt: skip
        wanted = main.graph.output_types
        values = [retyped(rule.graph.outputs[i], rule.classes[i], t) for i, t in zip(tree.leaves(out[0]), wanted, strict=True)]
        check_types("custom_jvp", "result of the rule, leaf", values, wanted)
        pairs = [(i, v.type) for i, v in zip(tree.leaves(out[1]), main.graph.outputs, strict=True) if v.type.inexact]
        moved = [retyped(rule.graph.outputs[i], rule.classes[i], t) for i, t in pairs]
        check_types("custom_jvp", "tangent", moved, [t for _, t in pairs])
        return moved


def zero_cell(t: Any) -> Any:
    """Zeros of the type of `t`."""
    return concrete(type(t)._result, devices.zeros(t._type), t._type)


class custom_vjp(Custom):  # noqa: N801  # JAX's name
    """A function with a rule for reverse mode: `f.defvjp(fwd, bwd)`.

    fwd(*args) -> (out, residuals), a tree of arrays; bwd(*nondiff, residuals, cotangent) -> a tuple with the cotangent
    of each argument but the nondiff ones (by nondiff_argnums or nondiff_argnames; None: zero).  Forward mode is a TypeError. What is closed over counts as
    constant.

    >>> import fgrad
    >>> @fgrad.custom_vjp
    ... def f(x):
    ...     return x
    >>> f.defvjp(lambda x: (x, x), lambda res, ct: (10 * ct,))
    >>> float(fgrad.grad(f)(1.0))
    10.0
    """

    define = "defvjp(fwd, bwd)"

    def defvjp(self, fwd: Function, bwd: Function, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Sets both halves of the rule."""
        self.rules = (fwd, bwd)

    def record(self, fixed: list[Any], rest: tuple[Any, ...], join: Join) -> Any:
        """The function's value as a node that carries its rules."""
        cells, spec, _ = flat_cells(rest)
        build = tree.unflattener(spec)

        def arguments(xs: list[Any]) -> tuple[Any, ...]:
            return tuple(join(build(xs)))

        main = record_call(self.fun, "custom_vjp", types_of(cells), arguments)
        with self.in_rule():
            fwd = record_call(self.rules[0], "custom_vjp", types_of(cells), arguments)
            residuals = residual_places(fwd, main)
            bwd = self.record_bwd(fixed, main, fwd, residuals, cells)
        cts = cotangents(bwd, rest, cells)
        wrt = tuple([i for i, t in enumerate(cells) if t._type.inexact])
        captured = captures_of([main, fwd, bwd])
        n, lead = len(cells), fwd.graph.inputs[: len(cells)]
        over = over_captures(fwd, captured)
        values = [fwd.graph.outputs[i] for i in tree.leaves(tree.unflatten(fwd.out_spec, list(range(fwd.n_out)))[0])]
        values = [retyped(v, None, o.type) for v, o in zip(values, main.graph.outputs, strict=True)]
        check_types("custom_vjp", "result of fwd", values, main.graph.output_types)
        kept = [fwd.graph.outputs[i] for i in tree.leaves(residuals)]
        forward = closed((*lead, *over), [*values, *kept, *over])
        split = len(kept)
        inputs = bwd.graph.inputs
        n_cts = sum(v.type.inexact for v in main.graph.outputs)
        held = over_captures(bwd, captured)
        backward = closed((*inputs[:split], *held, *inputs[split : split + n_cts]), [cts[i] for i in wrt])
        graph = closed((*main.graph.inputs[:n], *over_captures(main, captured)), main.graph.outputs)
        found = region("custom_vjp", enter_cells([*cells, *captured]), graph=graph, fwd=forward, bwd=backward, wrt=wrt)
        return tree.unflatten(main.out_spec, wrap_results(found, main.classes, [*cells, *captured]))

    def record_bwd(self, fixed: list[Any], main: Recorded, fwd: Recorded, residuals: Any, cells: list[Any]) -> Recorded:
        """The second half over (residuals, cotangents of the inexact results)."""
        face = type(cells[0])._result if cells else FACES["array"]
        places, spec = tree.flatten(residuals)
        build_res, build_out = tree.unflattener(spec), tree.unflattener(main.out_spec)
        types: list[tuple[type[Cell], Any]] = [(fwd.classes[i] or face, fwd.graph.outputs[i].type) for i in places]
        outs = [(c or face, tensor_type(v)) for c, v in zip(main.classes, main.graph.outputs, strict=True)]
        n = len(places)

        def arguments(xs: list[Any]) -> tuple[Any, ...]:
            given = iter(xs[n:])
            cts = [next(given) if t.inexact else concrete(c, devices.zeros(t), t) for c, t in outs]
            return (*fixed, build_res(xs[:n]), build_out(cts))

        return record_call(self.rules[1], "custom_vjp", [*types, *[k for k in outs if k[1].inexact]], arguments)


def residual_places(fwd: Recorded, main: Recorded) -> Any:
    """The tree of residuals, as places among the results of fwd."""
    out = tree.unflatten(fwd.out_spec, list(range(fwd.n_out)))
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TreeError("fwd must return a pair (out, residuals)", where=caller(), fix="return both")
    if tree.structure(out[0]) != main.out_spec:
        raise TreeError(
            f"fwd returned results of structure {tree.structure(out[0])}, the function {main.out_spec}", where=caller(),
            fix="return the same structure",
        )  # fmt: skip
    return out[1]


def cotangents(bwd: Recorded, rest: tuple[Any, ...], cells: list[Any]) -> list[Value]:
    """A cotangent for each leaf of the arguments, checked."""
    out = tree.unflatten(bwd.out_spec, list(range(bwd.n_out)))
    if not isinstance(out, tuple | list) or len(out) != len(rest):
        raise TreeError(f"bwd must return a tuple of {len(rest)} cotangents", where=caller(),
                        fix="return one for each argument, None for zero")  # fmt: skip
    found: list[Value] = []
    at = iter(cells)
    for arg, part in zip(rest, out, strict=True):
        kinds: list[TensorType] = [next(at)._type for _ in tree.leaves(arg)]
        if part is None:
            found += [zeros(k) for k in kinds]
            continue
        if tree.structure(part) != tree.structure(arg):
            raise TreeError(
                f"bwd returned a cotangent of structure {tree.structure(part)} for an argument {tree.structure(arg)}",
                where=caller(), fix="return the argument's structure",
            )  # fmt: skip
        values = [retyped(bwd.graph.outputs[i], bwd.classes[i], k) for i, k in zip(tree.leaves(part), kinds, strict=True)]
        pairs = [(v, k) for v, k in zip(values, kinds, strict=True) if k.inexact]
        check_types("custom_vjp", "cotangent", [v for v, _ in pairs], [k for _, k in pairs])
        found += values
    return found
