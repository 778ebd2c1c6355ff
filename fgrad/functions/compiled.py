"""compile: a function or Module recorded once for each set of argument types, then inlined by one look-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import WRAPPER_ASSIGNMENTS
from types import MethodType
from typing import Any, ClassVar

from fgrad import tree
from fgrad.eager import explain
from fgrad.eager.cell import Cell, concrete, settled
from fgrad.eager.engine import Runner
from fgrad.eager.enter import enter
from fgrad.eager.mode import ambient
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD
from fgrad.eager.trace import Recorded, inline_recorded, record_function
from fgrad.eager.views import bind_all, land
from fgrad.errors import ArgumentError, TraceError
from fgrad.functions.guards import Reached, Watch, entangled
from fgrad.ir.apply import caller

MODES = ("default", "reduce-overhead", "lite", "max-autotune", "max-autotune-no-cudagraphs")
LIMIT = 64  # recordings a function keeps; calls that fit none of them run uncompiled
STRIKES = 2  # calls that changed something outside before a function counts as one that does
_STANCE = ["default"]  # see fgrad.compiler.set_stance


def stance(name: str) -> str:
    """Puts a stance in force and returns the former one."""
    before, _STANCE[0] = _STANCE[0], name
    return before


class Compiled:
    """What `compile` returns for a function: call it like the original.

    The first call with arguments of some types runs in Python and is watched. If it changes nothing outside that a
    program could not change as well, it is recorded, with every Python value it can reach; calls of those types run the
    recording as long as these values stay what they were.
    """

    _watched: ClassVar[bool] = True

    def __init__(self, f: Any, fullgraph: bool = False) -> None:
        object.__setattr__(self, "_original", f)
        object.__setattr__(self, "_fullgraph", fullgraph)
        object.__setattr__(self, "_known", {})
        object.__setattr__(self, "_strikes", {})
        if not hasattr(f, "parameters"):
            for name in WRAPPER_ASSIGNMENTS:
                if hasattr(f, name):
                    object.__setattr__(self, name, getattr(f, name))
            object.__setattr__(self, "__wrapped__", f)

    def __getattr__(self, name: str) -> Any:
        if name in ("_original", "_fullgraph", "_known", "_strikes"):  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._original, name, value)

    def __reduce__(self) -> Any:
        return type(self), (self._original, self._fullgraph)

    def __repr__(self) -> str:
        return f"compiled {self._original!r}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method, it is bound like the function it wraps."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the recording for these types; records it first, or falls back to the original where it can't."""
        if _STANCE[0] == "force_eager":
            return self._original(*args, **kwargs)
        if THREAD.axes:  # a recording that holds a named axis of vmap would outlive it
            return self._plain(args, kwargs)
        leaves, spec = tree.flatten_ordered((args, kwargs), opaque)
        key = self._key(leaves, spec)
        if key is None or self._strikes.get(key, 0) >= STRIKES:
            return self._plain(args, kwargs)
        for reached, recorded in self._known.get(key, ()):
            if reached.holds():
                return run(recorded, [x for x in leaves if isinstance(x, Cell)])
        if self._known and _STANCE[0] in ("fail_on_recompile", "eager_on_recompile"):
            return self._unknown(args, kwargs)
        return self._first(key, leaves, spec, args, kwargs)

    def _plain(self, args: Any, kwargs: Any) -> Any:
        """The original, which may ask whether it is being compiled."""
        THREAD.compiling += 1
        try:
            return self._original(*args, **kwargs)
        finally:
            THREAD.compiling -= 1

    def _unknown(self, args: Any, kwargs: Any) -> Any:
        """A call of types not met so far, where the stance forbids recording."""
        if _STANCE[0] == "fail_on_recompile":
            raise ArgumentError("a call with other types of arguments would be recorded, and the stance is fail_on_recompile", where=caller(),
                                fix='pass the types met before, or set_stance("default")')  # fmt: skip
        return self._plain(args, kwargs)

    def _first(self, key: Any, leaves: Sequence[Any], spec: Any, args: Any, kwargs: Any) -> Any:
        """A call that no recording fits."""
        if sum(map(len, self._known.values())) >= LIMIT:
            return self._plain(args, kwargs)
        ran, watch = None, Watch()
        if self._watched and not THREAD.tape.tracing:
            ran, lost = self._watch(watch, args, kwargs)
            if lost:
                self._strikes[key] = self._strikes.get(key, 0) + 1
                explain.miss("fallback", f"compile runs it uncompiled: {lost}", caller())
                return ran[0]
        cells = [x for x in leaves if isinstance(x, Cell)]
        recorded = self._record(leaves, spec, cells)
        if recorded is None:
            self._strikes[key] = STRIKES
            return self._plain(args, kwargs) if ran is None else ran[0]
        reached = Reached([self._original, *(x for x in leaves if not isinstance(x, Cell))], watch.grads)
        self._known.setdefault(key, []).insert(0, (reached, recorded))
        return run(recorded, cells) if ran is None else ran[0]

    def _watch(self, watch: Watch, args: Any, kwargs: Any) -> tuple[tuple[Any], str]:
        """The result of a call in Python, and what a recording of it would lose."""
        before = Reached([self._original, args, kwargs], grads=True)
        with watch:
            out = self._plain(args, kwargs)
        if self._fullgraph and watch.strict:
            raise TraceError(f"{self._name} calls {', '.join(watch.strict)}, which is no part of one program", where=caller(),
                             fix="call it outside, or compile without fullgraph")  # fmt: skip
        if watch.broke:
            return (out,), f"it calls {', '.join(watch.broke)}"
        if before.unsure or not before.holds():
            return (out,), before.unsure or "it changes Python values or gradients outside"
        return (out,), entangled(tree.leaves(out), before.cells)

    @property
    def _name(self) -> str:
        return getattr(self._original, "__name__", type(self._original).__name__)

    def recordings(self) -> list[tuple[Any, list[Any], Recorded]]:
        """(structure of the arguments, their types or, where they are no tensors, values, recording) of everything met so far."""
        return [(key[0], [part[1] for part in key[1]], found) for key, all_ in self._known.items() for _, found in all_[:1]]

    def _key(self, leaves: Sequence[Any], spec: Any) -> Any:
        parts = tuple((x.__class__, x._value.type, x._value.needs) if isinstance(x, Cell) else (x.__class__, x) for x in leaves)
        key = (spec, parts, THREAD.grad, THREAD.inference, *ambient())
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def _record(self, leaves: Sequence[Any], spec: Any, cells: Sequence[Any]) -> Recorded | None:
        given = [(type(t)._result, t._value.type, t._value.needs) for t in cells]
        made: list[Any] = []

        def build(cells: list[Any]) -> Any:
            made[:] = cells
            stand_ins = iter(made)
            return tree.restore(spec, [next(stand_ins) if isinstance(x, Cell) else x for x in leaves])

        THREAD.compiling += 1
        try:
            recorded = record_function(self._original, self._name, given, build)
        except TraceError as e:
            if self._fullgraph:
                raise
            explain.miss("fallback", f"compile runs it uncompiled: {e.args[0].splitlines()[0]}", caller())
            return None
        finally:
            THREAD.compiling -= 1
        if any(c._version for c in made):
            explain.miss("fallback", "compile runs it uncompiled: it writes an argument in place", caller())
            return None
        if self._known:
            explain.miss("compile", f"recorded again for ({', '.join(str(k) for _, k, _ in given)})", caller())
        return recorded


def opaque(x: Any) -> bool:
    """True for a Module among the arguments: its parameters are read at each call."""
    return "_parameters" in getattr(x, "__dict__", ())


def run(recorded: Recorded, cells: Sequence[Any]) -> Any:
    """The recorded graph on the current tape, or at once if all it reads is computed and no derivative is wanted."""
    tape = THREAD.tape
    if recorded.runner is not None and not tape.tracing and not tape.busy:
        given = [*cells, *recorded.captured]
        if all(map(settled, given)) and not (THREAD.grad and any([t._value.needs for t in given])):
            return at_once(recorded, recorded.runner, cells)
    values = inline_recorded(tape, recorded, [t._value if t._tape is tape else enter(tape, t) for t in cells])
    default = type(cells[0])._result if cells else None
    held = bind_all(tape, *zip(recorded.written, values[recorded.n_out :], strict=True))  # in the order of eager code
    out = [
        v.const.item() if c is None and v.const is not None else wrap(c or default, tape, v)  # type: ignore[arg-type]
        for c, v in zip(recorded.classes, values, strict=False)
    ]
    land(tape, held)
    return tree.restore(recorded.out_spec, out)


def compile(model: Callable[..., Any] | None = None, *, fullgraph: bool = False, dynamic: bool | None = None,  # noqa: A001
            backend: Any = None, mode: str | None = None, options: Any = None, disable: bool = False) -> Any:  # fmt: skip
    """A function that is recorded once per argument types, after which a call costs one look-up; of a Module, an OptimizedModule.

    Works with eager tensors, Modules and `backward()`: parameters are read at each call, and other Python values that it
    can reach are compared.  What cannot be recorded (a number is asked for, something is printed, a Python value outside
    is changed) runs in Python at each call, and `explain()` says why; fullgraph=True raises TraceError for what PyTorch
    has no graph for.  dynamic, backend and options are accepted: plain eager code is compiled as a whole step anyway.
    Raises RuntimeError for an unknown mode, and for mode beside options.  disable: the function itself.
    """
    if mode is not None and options is not None:
        raise ArgumentError("Either mode or options can be specified, but both can't be specified at the same time.", where=caller(), fix="leave one out")
    if mode is not None and mode not in MODES:
        raise ArgumentError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}", where=caller(), fix="leave it out")
    if model is None:
        return lambda f: compile(f, fullgraph=fullgraph, disable=disable)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if disable or isinstance(model, type):
        return model
    module: Any = getattr(model, "_optimized", None)
    return Compiled(model, fullgraph) if module is None else module(fullgraph)


def at_once(recorded: Recorded, runner: Runner, cells: Sequence[Any]) -> Any:
    """The results, computed: nothing is recorded."""
    default = type(cells[0])._result if cells else None
    found = runner.call([t._data for t in (*cells, *recorded.captured)])
    out = [
        v.const.item() if c is None and v.const is not None else concrete(c or default, a, v.type)  # type: ignore[arg-type]
        for c, v, a in zip(recorded.classes, recorded.graph.outputs, found, strict=False)
    ]
    return tree.restore(recorded.out_spec, out)
