"""compile: a function or Module recorded once for each set of argument types, then inlined by one look-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from fgrad import tree
from fgrad.eager import explain
from fgrad.eager.cell import Cell
from fgrad.eager.enter import enter
from fgrad.eager.mode import ambient
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD
from fgrad.eager.trace import Recorded, inline_recorded, record_function
from fgrad.eager.views import bind_all, land
from fgrad.errors import ArgumentError, TraceError
from fgrad.ir.apply import caller

_STANCE = ["default"]  # see fgrad.compiler.set_stance


def stance(name: str) -> str:
    """Puts a stance in force and returns the former one."""
    before, _STANCE[0] = _STANCE[0], name
    return before


class Compiled:
    """What `compile` returns: call it like the original. A Module's attributes are reached through it."""

    def __init__(self, f: Any, fullgraph: bool) -> None:
        object.__setattr__(self, "_original", f)
        object.__setattr__(self, "_fullgraph", fullgraph)
        object.__setattr__(self, "_known", {})
        if not hasattr(f, "parameters"):
            update_wrapper(self, f)

    def __getattr__(self, name: str) -> Any:
        if name in ("_original", "_fullgraph", "_known"):  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._original, name, value)

    def __reduce__(self) -> Any:
        return Compiled, (self._original, self._fullgraph)

    def __repr__(self) -> str:
        return f"compiled {self._original!r}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Records the call the first time these types are seen; falls back to the original where it can't."""
        if _STANCE[0] == "force_eager" or THREAD.axes:  # a recording that holds a named axis of vmap would outlive it
            return self._original(*args, **kwargs)
        leaves, spec = tree.flatten_ordered((args, kwargs))
        cells = [x for x in leaves if isinstance(x, Cell)]
        key = self._key(leaves, spec)
        found = self._known.get(key) if key is not None else None
        if found is None and key is not None:
            if self._known and _STANCE[0] in ("fail_on_recompile", "eager_on_recompile"):
                return self._unknown(args, kwargs)
            found = self._known[key] = self._record(leaves, spec, cells)
        if not isinstance(found, Recorded):
            return self._original(*args, **kwargs)
        return run(found, cells)

    def _unknown(self, args: Any, kwargs: Any) -> Any:
        """A call of types not met so far, where the stance forbids recording."""
        if _STANCE[0] == "fail_on_recompile":
            raise ArgumentError("a call with other types of arguments would be recorded, and the stance is fail_on_recompile", where=caller(),
                                fix='pass the types met before, or set_stance("default")')  # fmt: skip
        return self._original(*args, **kwargs)

    def recordings(self) -> list[tuple[Any, list[Any], Recorded]]:
        """(structure of the arguments, their types or, where they are no tensors, values, recording) of everything met so far."""
        made = [(key, found) for key, found in self._known.items() if isinstance(found, Recorded)]
        return [(key[0], [part[1] for part in key[1]], found) for key, found in made]

    def _key(self, leaves: Sequence[Any], spec: Any) -> Any:
        parts = tuple((x.__class__, x._value.type, x._value.needs) if isinstance(x, Cell) else (x.__class__, x) for x in leaves)
        modules = self._original.modules() if hasattr(self._original, "modules") else ()
        flags = tuple((m.training, m._edits) for m in modules)
        key = (spec, parts, flags, THREAD.grad, *ambient())
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def _record(self, leaves: Sequence[Any], spec: Any, cells: Sequence[Any]) -> Any:
        given = [(type(t)._result, t._value.type, t._value.needs) for t in cells]

        made: list[Any] = []

        def build(cells: list[Any]) -> Any:
            made[:] = cells
            stand_ins = iter(made)
            return tree.restore(spec, [next(stand_ins) if isinstance(x, Cell) else x for x in leaves])

        depth = THREAD.compiling
        THREAD.compiling = depth + 1
        try:
            recorded: Recorded = record_function(self._original, getattr(self._original, "__name__", type(self._original).__name__), given, build)
            if any(c._version for c in made):
                raise TraceError("an argument was written in place while it was recorded", where=caller(),
                                 fix="return the new value instead")  # fmt: skip
        except TraceError as e:
            if self._fullgraph:
                raise
            explain.miss("fallback", f"compile runs it uncompiled: {e.args[0].splitlines()[0]}", caller())
            return "fallback"
        finally:
            THREAD.compiling = depth
        if self._known:
            explain.miss("compile", f"recorded again for ({', '.join(str(k) for _, k, _ in given)})", caller())
        return recorded


def run(recorded: Recorded, cells: Sequence[Any]) -> Any:
    """The recorded graph on the current tape; captured tensors it writes are written."""
    tape = THREAD.tape
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
    """A function or Module that is recorded once per argument types, after which a call costs one look-up.

    Works with eager tensors, Modules and `backward()`: parameters are read at each call.  Where recording is impossible
    (a number is asked for inside), the original runs and `explain()` says which line; fullgraph=True raises instead.
    The other options of torch.compile are accepted: plain eager code is compiled as a whole step anyway.
    """
    if model is None:
        return lambda f: compile(f, fullgraph=fullgraph, disable=disable)
    return model if disable else Compiled(model, fullgraph)
