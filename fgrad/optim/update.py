"""The update of all parameters as one graph; and run on their buffers, where everything is computed and nothing is recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager.cell import settled
from fgrad.eager.engine import Runner
from fgrad.ir.dtypes import dtype_of, real_of
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.optim.rules import Rule
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.complex import complex_, imag, real
from fgrad.primitives.structure import stop_gradient
from fgrad.transforms.inline import trace

_OWNED = 2  # references to a buffer that only its cell holds, seen from `owned`


def computed(dtype: Any) -> Any:
    """The dtype an update is computed in: halves in float32 (a beta of .999 is 1 in bfloat16), complex numbers by their parts."""
    return dtype_of("float32") if dtype.itemsize == 2 else real_of(dtype)


def update_all(rule: Rule, given: tuple[Value, ...], width: int, n: int, flags: dict[str, Any]) -> list[Value]:
    """New parameters and slots of all parameters, from their values, gradients, slots, then the scalars."""
    scalars = dict(zip(rule.scalars, given[width * n :], strict=True))

    def updated(values: list[Value]) -> list[Value]:
        p, g, *slots = values
        new, after = rule.update(p, g, tuple(slots), scalars, **flags)
        return [new, *after]

    out: list[Value] = []
    for i in range(n):
        values = [stop_gradient(v) if v.needs else v for v in given[width * i : width * (i + 1)]]
        dtype = values[0].dtype
        wide = computed(dtype)
        if dtype == wide:
            out += updated(values)
        elif dtype.kind == "c":
            parts = zip(updated([real(v) for v in values]), updated([imag(v) for v in values]), strict=True)
            out += [complex_(x, y) for x, y in parts]
        else:
            out += [convert(v, dtype=dtype) for v in updated([convert(v, dtype=wide) for v in values])]
    return out


def owned(t: Any) -> bool:
    """True if nobody else may look at the buffer of a settled tensor."""
    e = t._extra
    return (e is None or not (e.exposed or e.views)) and sys.getrefcount(t._data) <= _OWNED


def directly(
    programs: dict[Any, Runner], key: Any, rule: Callable[..., list[Value]], given: Sequence[Any], written: Sequence[Any], numbers: Sequence[Any]
) -> bool:
    """Runs `rule` on the buffers of `given` and 0-d `numbers`, over those of `written`; False, and nothing is done, if some have none of their own.

    programs: those known, by `key` and the types of `given`.
    """
    if not all(map(settled, given)) or not all(map(owned, written)):
        return False
    types = tuple([t._value.type for t in given])
    runner = programs.get((key, types))
    if runner is None:
        graph = trace(rule, *types, *[TensorType((), a.dtype) for a in numbers])
        place = {id(t): i for i, t in enumerate(given)}
        runner = programs[key, types] = Runner(graph, {k: place[id(t)] for k, t in enumerate(written)})
    found = runner.call([*[t._data for t in given], *numbers])
    for t, a in zip(written, found, strict=True):
        t._data = a
        e = t._extra or t.extra
        e.version += 1
        e.history = None
    return True
