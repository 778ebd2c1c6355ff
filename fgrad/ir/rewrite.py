"""Rewrite rules as data: both sides are ordinary fgrad expressions over holes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fgrad.errors import IRError
from fgrad.ir.apply import located
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import Operators
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import TensorType

LIMIT = 64  # sweeps, or rewrites of one value in a sweep, before we call it a loop
COMMUTE = frozenset(
    ("add", "mul", "maximum", "minimum", "eq", "ne", "bitwise_and", "bitwise_or", "bitwise_xor")
)
Found = dict[str, Any]


def splat(v: Value) -> Any:
    """The one number that a constant consists of, as a 0-d array; None for anything else."""
    while v.prim is not None and v.prim.name in ("broadcast_to", "reshape"):
        v = v.operands[0]
    return v.const if v.const is not None and isinstance(v.type, TensorType) and not v.shape else None


@dataclass(frozen=True, slots=True, eq=False)
class Pattern(Operators):
    """A hole (it has a name) or a primitive applied to patterns and numbers; params may be holes too."""

    name: str = ""
    prim: Primitive | None = None
    parts: tuple[Any, ...] = ()
    params: tuple[Any, ...] = ()

    @staticmethod
    def __fgrad_apply__(prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Pattern:
        return Pattern("", prim, operands, params)

    def matches(self, v: Value, found: Found) -> Iterator[Found]:
        """Every way in which `v` has this shape, as what its holes stand for. One name is one value."""
        if self.prim is None:
            if found.setdefault(self.name, v) is v:
                yield found
            return
        if v.prim is not self.prim or len(v.operands) != len(self.parts):
            return
        given = dict(found)
        for p, x in zip(self.params, v.params, strict=True):
            if isinstance(p, Pattern):
                if given.setdefault(p.name, x) != x:
                    return
            elif p != x:
                return
        yield from match_all(self.parts, v.operands, given)
        if self.prim.name in COMMUTE:
            yield from match_all(self.parts, v.operands[::-1], given)


def match_all(parts: Sequence[Any], values: Sequence[Value], found: Found) -> Iterator[Found]:
    """Every way in which all `values` match their `parts`."""
    if not parts:
        yield dict(found)
        return
    part, v = parts[0], values[0]
    if isinstance(part, Pattern):
        for one in part.matches(v, dict(found)):
            yield from match_all(parts[1:], values[1:], one)
    elif is_number(v, part):
        yield from match_all(parts[1:], values[1:], found)


def is_number(v: Value, number: float | complex) -> bool:
    """True if `v` is a constant of this one number; 0.0 and -0.0 differ."""
    c = splat(v)
    if c is None:
        return False
    same = bool(c == number)
    return same and (c.dtype.kind not in "fV" or bool(np.signbit(c)) == bool(np.signbit(number)))


def suits(wanted: Primitive | bool, x: Value) -> bool:
    """True if an operand may be what a part of a pattern wants."""
    if wanted is False:
        return True
    return x.prim is wanted if wanted is not True else splat(x) is not None


def wanted_by(part: Any) -> Primitive | bool:
    """What a part of a pattern wants of an operand."""
    return True if not isinstance(part, Pattern) else part.prim or False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rule: values that look like `left` are replaced by `right` where `when` holds."""

    name: str
    left: Callable[..., Any]
    right: Callable[..., Any]
    when: Callable[..., Any] | None
    holes: tuple[str, ...]
    pattern: Pattern
    wanted: tuple[Primitive | bool, ...] = field(init=False)  # of each operand: its primitive, True for a number, False for anything

    def __post_init__(self) -> None:
        object.__setattr__(self, "wanted", tuple([wanted_by(p) for p in self.pattern.parts]))

    def may(self, v: Value) -> bool:
        """False if the operands of `v`, of the rule's primitive, rule it out at a glance: most do."""
        if all(map(suits, self.wanted, v.operands)):
            return True
        return v.prim is not None and v.prim.name in COMMUTE and all(map(suits, self.wanted, reversed(v.operands)))

    def __call__(self, v: Value) -> Value | None:
        """What replaces `v`, of its type; None if the rule does not apply."""
        if not self.may(v):
            return None
        for found in self.pattern.matches(v, {}):
            args = [found[h] for h in self.holes]
            if self.when is None or self.when(*args):
                with located(v.where):
                    new = self.right(*args)
                if isinstance(new, Value) and new.type is v.type:
                    return new
        return None


def rewrite(
    name: str, left: Callable[..., Any], right: Callable[..., Any], when: Callable[..., Any] | None = None
) -> Rewrite:
    """A rule from two expressions with the same argument names; every name must occur on the left.

    right may return None: the rule does not apply.  when: a condition on what the holes stand for.
    """
    holes = tuple(inspect.signature(left).parameters)
    return Rewrite(name, left, right, when, holes, left(*[Pattern(h) for h in holes]))


def with_operands(v: Value, operands: tuple[Value, ...]) -> Value:
    """`v` on other operands; itself if they are the same."""
    if operands == v.operands:
        return v
    assert v.prim is not None
    needs = v.type.inexact and v.prim.smooth and any([x.needs for x in operands])
    return Value(v.prim, operands, v.params, v.type, v.where, None, needs)


def rebuild(graph: Graph, rules: Sequence[Rewrite]) -> Graph:
    """Applies rules bottom-up until none matches; untouched values are shared.

    Raises IRError with the names of rules that chase each other.
    """
    by_prim: dict[Primitive | None, list[Rewrite]] = {}
    for r in rules:
        by_prim.setdefault(r.pattern.prim, []).append(r)
    used: set[str] = set()
    settled: set[Value] = set()  # no rule matches: rules look at values alone, which do not change
    for _ in range(LIMIT):
        used.clear()
        new: dict[Value, Value] = {}
        for old in graph.values():
            v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
            if v not in settled:
                v = _settle(v, by_prim, used)
                settled.add(v)
            new[old] = v
        if all([a is b for a, b in new.items()]):
            return graph
        graph = Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs]))
    raise IRError(f"rewrite rules do not settle: {', '.join(sorted(used))}", fix="remove or guard one of them with when=")


def _settle(v: Value, by_prim: dict[Primitive | None, list[Rewrite]], used: set[str]) -> Value:
    """`v` after all rules that match at its root."""
    for _ in range(LIMIT):
        for r in by_prim.get(v.prim, ()):
            hit = r(v)
            if hit is not None and hit is not v:
                used.add(r.name)
                v = hit
                break
        else:
            return v
    names = ", ".join(r.name for r in by_prim.get(v.prim, ()))
    raise IRError(f"rewrite rules do not settle on {v.prim}: {names}", fix="remove or guard one of them with when=")
