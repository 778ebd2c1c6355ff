"""jit: a function recorded once per structure and types of its arguments, then one program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.backends import compile_graph, devices
from fgrad.eager import engine, explain
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import FACES, as_cell, host_array
from fgrad.eager.counter import settle
from fgrad.eager.enter import enter
from fgrad.eager.mode import ambient
from fgrad.eager.record import wrap
from fgrad.eager.shapes import type_like
from fgrad.eager.stages import Lowered, Traced
from fgrad.eager.tape import DONATION, THREAD, Tape, tensor_type
from fgrad.eager.trace import Recorded, inline_recorded, random_buffers, record_function
from fgrad.eager.views import held, store
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Graph
from fgrad.ir.types import TensorType
from fgrad.settings import current

Places = tuple[tuple[int, ...], tuple[str, ...]]  # argument numbers, argument names


class Specialisation:
    """One recording of a jitted function: how to recognise its arguments, its graph, its program."""

    __slots__ = ("ambient", "build_out", "classes", "donated", "flatten", "kinds", "outs", "program", "recorded", "simple", "static")

    def __init__(self, static: Any, spec: Any, classes: tuple[Any, ...], kinds: tuple[TensorType, ...]) -> None:
        self.static, self.ambient, self.flatten = static, ambient(), tree.flattener(spec)
        self.classes, self.kinds = classes, kinds
        self.program: Any = None
        self.donated: tuple[int, ...] = ()

    def finish(self, recorded: Recorded) -> None:
        """Takes in what recording gave."""
        self.recorded = recorded
        self.build_out = tree.unflattener(recorded.out_spec)
        face = next((c for c in self.classes if c is not None), FACES["array"])
        default = getattr(face, "_result", face)
        self.outs = [(c or default, tensor_type(v)) for c, v in zip(recorded.classes, recorded.graph.outputs, strict=False)]
        self.simple = not recorded.captured and not recorded.generators and not recorded.written

    def matches(self, leaves: Sequence[Any]) -> bool:
        """True if the leaves have the classes and types recorded."""
        for t, c, k in zip(leaves, self.classes, self.kinds, strict=True):
            if t.__class__ is c:
                if t._value.type is not k:
                    return False
            elif c is not None or isinstance(t, Cell) or host_type(t) is not k:
                return False
        return True


def host_type(x: Any) -> TensorType:
    """The type a NumPy array or a Python number has as an argument."""
    if isinstance(x, np.ndarray):
        return TensorType(x.shape, x.dtype)
    return as_cell(x)._type  # type: ignore[no-any-return]


class Jitted:
    """The function `jit` returns; `cache_size()` counts its recordings, `graph(*args)` is one, `lower(*args)` looks at it."""

    def __init__(self, f: Callable[..., Any], static: Places, donate: Places) -> None:
        update_wrapper(self, f)
        self._function = f
        (self._nums, self._names), (self._donate, self._donate_names) = static, donate
        self._known: list[Specialisation] = []
        self._name = getattr(f, "__name__", type(f).__name__)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method, it is bound like the function it wraps."""
        return self if instance is None else Bound(self, instance)

    def cache_size(self) -> int:
        """Number of recordings made so far."""
        return len(self._known)

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """(static part, dynamic tree) of a call."""
        nums = at(self._nums, len(args))
        static = (tuple((i, args[i]) for i in sorted(nums)),
                  tuple((k, kwargs[k]) for k in sorted(kwargs) if k in self._names))  # fmt: skip
        try:
            hash(static)
        except TypeError as e:
            raise ArgumentError(
                f"a static argument of {self._name} is not hashable: {e}", where=caller(),
                fix="make it a tuple, a number or a frozen object, or leave it out of static_argnums",
            ) from e  # fmt: skip
        dynamic = tuple(a for i, a in enumerate(args) if i not in nums)
        return static, (dynamic, {k: v for k, v in kwargs.items() if k not in self._names})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the program for these types, recording it first if there is none."""
        if THREAD.axes or not current().jit:  # a recording that holds a named axis would outlive it: it is inlined in any case
            return self._function(*args, **kwargs)
        static, dynamic = self._split(args, kwargs) if self._nums or self._names else (None, (args, kwargs))
        now = ambient()
        for s in self._known:
            if s.static == static and s.ambient == now:
                leaves = s.flatten(dynamic)
                if leaves is not None and len(leaves) == len(s.kinds) and s.matches(leaves):
                    return call(s, leaves)
        s, leaves = self._record(static, dynamic)
        return call(s, leaves)

    def _record(self, static: Any, dynamic: Any) -> tuple[Specialisation, Sequence[Any]]:
        leaves, spec = tree.flatten(dynamic)
        classes = tuple([x.__class__ if isinstance(x, Cell) else None for x in leaves])
        kinds = tuple([x._type if isinstance(x, Cell) else host_type(x) for x in leaves])
        s = Specialisation(static, spec, classes, kinds)
        build = tree.unflattener(spec)
        nums, names = static or ((), ())

        def rebuild(cells: list[Any]) -> tuple[Any, Any]:
            dyn, kw = build(cells)
            rest = list(dyn)
            for i, value in nums:
                rest.insert(i, value)
            return rest, {**kw, **dict(names)}

        given = [
            (c or FACES["array"], k, isinstance(x, Cell) and x._value.needs)
            for x, c, k in zip(leaves, classes, kinds, strict=True)
        ]
        s.finish(record_function(self._function, self._name, given, rebuild))
        s.donated = self._donated_leaves(dynamic, [i for i, _ in nums])
        self._known.insert(0, s)
        if len(self._known) > 1:
            explain.miss("jit", f"{self._name} recorded again for {describe(static, kinds)}", caller())
        return s, leaves

    def _donated_leaves(self, dynamic: Any, static: Sequence[int]) -> tuple[int, ...]:
        """Places of the donated arguments' leaves; argument numbers count the static ones too."""
        args, kwargs = dynamic
        n = len(args) + len(static)
        wanted = at(self._donate, n)
        flags = [(i in wanted, a) for i, a in zip([i for i in range(n) if i not in static], args, strict=True)]
        flags += [(k in self._donate_names, kwargs[k]) for k in sorted(kwargs)]
        leaves = [flag for flag, a in flags for _ in tree.leaves(a)]
        return tuple([i for i, flag in enumerate(leaves) if flag])

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph recorded for these arguments."""
        static, dynamic = self._split(args, kwargs) if self._nums or self._names else (None, (args, kwargs))
        now = ambient()
        for s in self._known:
            leaves = s.flatten(dynamic) if s.static == static and s.ambient == now else None
            if leaves is not None and len(leaves) == len(s.kinds) and s.matches(leaves):
                return s.recorded.graph
        return self._record(static, dynamic)[0].recorded.graph

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """A recording for these arguments, of which only the types count (ShapeDtypeStructs will do); nothing is run."""
        static, dynamic = self._split(args, kwargs) if self._nums or self._names else (None, (args, kwargs))
        example = tree.map(lambda x: x if isinstance(x, Cell) else empty_like(x), dynamic)
        s, _ = self._record(static, example)
        trees = (tree.structure(example), s.recorded.out_spec, s.recorded.n_out)
        return Traced(s.recorded.graph, s.kinds, trees, lambda cells: call(s, cells))

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """trace(...).lower(): its `compile()` gives a program for these types."""
        return self.trace(*args, **kwargs).lower()

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The tree of ShapeDtypeStructs that a call gives; nothing is run."""
        return self.trace(*args, **kwargs).out_info

    def clear_cache(self) -> None:
        """Forgets the recordings."""
        self._known.clear()


def empty_like(x: Any) -> Any:
    """A cell of the type of a number, an array, or anything with a shape and a dtype."""
    cls, kind = type_like(x)
    return concrete(cls, devices.zeros(kind), kind)


class Bound:
    """A jitted method of one object, passed as its first argument: name it in static_argnums unless it is a tree of arrays."""

    def __init__(self, jitted: Jitted, instance: Any) -> None:
        self._jitted, self._instance = jitted, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the method."""
        return self._jitted(self._instance, *args, **kwargs)


def describe(static: Any, kinds: Iterable[TensorType]) -> str:
    """A signature in words."""
    text = ", ".join(map(str, kinds))
    return f"({text})" + (f" with static {static}" if static else "")


def call(s: Specialisation, leaves: Sequence[Any]) -> Any:
    """Runs the program if every leaf is computed and wants no gradient; otherwise inlines the graph."""
    tape = THREAD.tape
    if tape.tracing or not s.simple:
        return call_general(s, leaves)
    arrays = []
    grad = THREAD.grad
    for t, c in zip(leaves, s.classes, strict=True):
        if c is None:
            plain = t.__class__ is np.ndarray and t.flags.c_contiguous and not s.donated
            arrays.append(t if plain else host_array(t))
            continue
        data = t._data
        if data is None or (grad and t._value.needs) or (s.donated and t._extra is not None):
            return call_general(s, leaves)
        arrays.append(data)
    program = s.program
    if program is None:
        program = s.program = engine.timed("compile", s.recorded.graph, lambda: compile_graph(s.recorded.graph, donation(s)))
    for watch in engine.WATCHERS:
        watch(s.recorded.graph, donation(s))
    found = engine.checked(program(arrays) if not engine.TIMERS else engine.timed("run", s.recorded.graph, lambda: program(arrays)))
    if s.donated:
        give_away([leaves[i] for i in s.donated])
    return s.build_out([concrete(c, a, k) for a, (c, k) in zip(found, s.outs, strict=True)])


def wants_grad(s: Specialisation, cells: Sequence[Any]) -> bool:
    """True if a derivative may flow into the call."""
    return THREAD.grad and (any(t._value.needs for t in cells) or any(t._value.needs for t in s.recorded.captured))


def call_general(s: Specialisation, leaves: Sequence[Any]) -> Any:
    """The call with captured tensors, hidden state, donation, pending or differentiable arguments."""
    tape = THREAD.tape
    cells = [as_cell(t) for t in leaves]
    recorded = s.recorded
    everything = [*cells, *recorded.captured]
    pending = any(t._data is None and (t._extra is None or t._extra.base is None) for t in everything)
    if tape.tracing or wants_grad(s, cells) or (pending and not s.donated):
        values = inline_recorded(tape, recorded, [t._value if t._tape is tape else enter(tape, t) for t in cells])
        out = s.build_out([wrap(c, tape, v) for (c, _), v in zip(s.outs, values, strict=False)])
        store(tape, *zip(recorded.written, values[recorded.n_out :], strict=True))
        settle(recorded.written)
        return out
    arrays = [settled(t, i in s.donated) for i, t in enumerate(everything)]
    if s.program is None:
        s.program = engine.timed("compile", recorded.graph, lambda: compile_graph(recorded.graph, donation(s)))
    for watch in engine.WATCHERS:
        watch(recorded.graph, donation(s))
    given = [*arrays, *random_buffers(recorded)]
    found = engine.checked(engine.timed("run", recorded.graph, lambda: s.program(given)))
    give_away([leaves[i] for i in s.donated])
    if recorded.written:
        commit(recorded.written, found[recorded.n_out :])
    settle(recorded.written)
    return s.build_out([concrete(c, a, k) for a, (c, k) in zip(found, s.outs, strict=False)])


def settled(t: Any, donated: bool) -> Any:
    """The contiguous buffer of a cell; a copy if results may overwrite it while somebody else may hold it."""
    data = held(t)
    shared = donated and t._extra is not None and (t._extra.exposed or t._extra.base is not None)
    return devices.put(data, t._device) if shared or not data.flags.c_contiguous else data


def give_away(leaves: Sequence[Any]) -> None:
    """Marks donated tensors: reading one is an error from now on."""
    for t in leaves:
        if isinstance(t, Cell):
            t._data, t._tape, t._extra = None, DONATED, None


def donation(s: Specialisation) -> dict[int, int]:
    """Output -> donated input of the same type, each used once."""
    spare = list(s.donated)
    out: dict[int, int] = {}
    for i, v in enumerate(s.recorded.graph.outputs[: s.recorded.n_out]):
        match = next((k for k in spare if s.kinds[k] is v.type), None)
        if match is not None and v.prim is not None:
            spare.remove(match)
            out[i] = match
    return out


def _donated_tape() -> Tape:
    tape = Tape(THREAD.tape.interned, tracing=DONATION)
    tape.closed = True
    return tape


DONATED = _donated_tape()


def commit(written: Sequence[Any], arrays: Sequence[Any]) -> None:
    """Captured tensors take the values a finished program wrote for them."""
    tape = THREAD.tape
    values = [enter(tape, concrete(type(t)._result, a, t._type)) for t, a in zip(written, arrays, strict=True)]
    store(tape, *zip(written, values, strict=True))


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    inline: bool = False,
    device: Any = None,
    backend: str | None = None,
    compiler_options: Any = None,
) -> Any:
    """Compiles `fun`: recorded once for each tree structure, types and static arguments, then run as one program.

    static_argnums, static_argnames: arguments that are part of the program (hashable); a name stands for its position
    as well.  donate_argnums, donate_argnames: arguments whose buffers results may overwrite; they cannot be read
    afterwards.  keep_unused, inline, device, backend, compiler_options: accepted, JAX's choices of compilation; programs run
    where their arguments are.  Tensors that `fun` closes over are read at each call, never frozen.  Raises TraceError if `fun` asks
    for a number, ValueError for arguments it has not.

    >>> import fgrad
    >>> import fgrad.numpy as jnp
    >>> fgrad.jit(lambda x: jnp.sum(x * x))(jnp.arange(4.0))
    Array(14., dtype=float32)
    """
    if fun is None:
        return lambda g: jit(g, static_argnums=static_argnums, static_argnames=static_argnames,
                             donate_argnums=donate_argnums, donate_argnames=donate_argnames)  # fmt: skip
    static = places(fun, static_argnums, static_argnames, "static")
    return Jitted(fun, static, places(fun, donate_argnums, donate_argnames, "donate"))


def at(nums: Iterable[int], n: int) -> set[int]:
    """Those of `nums` that are there among `n` arguments, counted from the front."""
    return {i % n for i in nums if -n <= i < n}


def places(f: Callable[..., Any], argnums: int | Iterable[int] | None, argnames: str | Iterable[str] | None, what: str) -> Places:
    """Arguments by position and by name, each completed by the other."""
    nums = (argnums,) if isinstance(argnums, int) else tuple(argnums or ())
    names = (argnames,) if isinstance(argnames, str) else tuple(argnames or ())
    if not nums and not names:
        return nums, names
    try:
        params = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have none
        return nums, names
    placed = [p.name for p in params if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kinds, n = {p.kind for p in params}, len(placed)
    bad: list[Any] = [k for k in names if k not in [p.name for p in params] and inspect.Parameter.VAR_KEYWORD not in kinds]
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        bad += [i for i in nums if not -n <= i < n]
        nums = tuple([i % n for i in nums if -n <= i < n])
    if bad:
        raise ArgumentError(
            f"jit: {what}_argnums or {what}_argnames name {', '.join(map(repr, bad))}, but the function takes "
            f"({', '.join(p.name for p in params)})", where=caller(), fix="name arguments that it has",
        )  # fmt: skip
    both = tuple(dict.fromkeys([*nums, *(placed.index(k) for k in names if k in placed)]))
    return both, tuple(dict.fromkeys([*names, *(placed[i] for i in nums if -n <= i < n)]))
