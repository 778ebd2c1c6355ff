"""After a loop: products that no carried value needs, and sums of products over the steps; for all steps at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fgrad.ir.graph import Value, leaf
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.rewrite import splat
from fgrad.passes.loops import Loop, above, barred, below, closed, is_heavy, same_everywhere, stack_type, stacked
from fgrad.primitives.regions.parts import VIEWS
from fgrad.transforms.inline import substitute

LINEAR = frozenset(("neg", "transpose", "reshape", "broadcast_to"))  # a sum of these is these of a sum


@dataclasses.dataclass(slots=True)
class Later:
    """What is computed after a loop, on stand-ins for the stacks that the loop makes."""

    loop: Loop
    order: list[Value]
    plain: set[Value]
    late: set[Value] = dataclasses.field(default_factory=set)  # what is computed after the loop if it is computed at all
    stands: dict[Value, Value] = dataclasses.field(default_factory=dict)  # value of the body -> its stack
    asked: dict[Value, None] = dataclasses.field(default_factory=dict)  # stacks that the loop did not make before
    known: dict[Value, Value | None] = dataclasses.field(default_factory=dict)
    totals: dict[Value, Value] = dataclasses.field(default_factory=dict)  # of carries
    stacks: dict[int, Value] = dataclasses.field(default_factory=dict)  # of results, by number

    def stack(self, x: Value) -> Value:
        """The stack of `x`: from those of what it is a form of, or a late product of."""
        cut: dict[Value, Value] = {}
        stack, seen = [x], {x}
        while stack:
            y = stack.pop()
            if y in self.plain:
                continue
            if y in self.loop.xs or y in self.stands or not (y in self.late or self.is_form(y)):
                cut[y] = self.stand(y)
                continue
            new = [z for z in y.operands if z not in seen]
            seen.update(new)
            stack.extend(new)
        return stacked([x], cut, self.loop)[0]

    def is_form(self, y: Value) -> bool:
        """True for another form of one value that is no larger."""
        return y.prim is not None and y.prim.name in VIEWS and y.operands[0].size == y.size

    def stand(self, y: Value) -> Value:
        """The stack of a value that the loop computes or reads."""
        if y in self.loop.xs:
            return self.loop.xs[y]
        if y not in self.stands:
            self.stands[y] = leaf(stack_type(y.type, self.loop.length))  # type: ignore[arg-type]  # a tensor
            if y not in self.loop.ys:
                self.asked[y] = None
        return self.stands[y]

    # ------------------------------------------------------------------ sums
    def total(self, g: Value) -> Value | None:
        """The sum of `g` over all steps; None if it is better summed in the loop."""
        if g not in self.known:
            self.known[g] = self.summed(g)
        return self.known[g]

    def summed(self, g: Value) -> Any:
        """`total`, made."""
        if g in self.plain:
            return None
        found = self.through(g)
        return F["reduce_sum"](self.stack(g), axes=(0,)) if found is None and self.at_hand(g) else found

    def through(self, g: Value) -> Any:
        """`total` from those of operands, which are smaller or fewer."""
        name = g.prim.name if g.prim is not None else ""
        if name == "dot_general":
            return self.product(g)
        if name in ("add", "sub"):
            parts = [self.total(x) for x in g.operands]
            return None if None in parts else F[name](*parts)
        if name in LINEAR:
            x = self.total(g.operands[0])
            return None if x is None else F[name](x, **g.named_params)
        if name == "reduce_sum" and self.at_hand(g.operands[0]):
            axes = (0, *[a + 1 for a in g.params[0]])
            return F["reduce_sum"](self.stack(g.operands[0]), axes=axes)
        return None

    def at_hand(self, x: Value) -> bool:
        """True if the stack of `x` is there anyway."""
        while x not in self.loop.xs and x not in self.stands and x not in self.loop.ys:
            if not self.is_form(x):
                return False
            x = x.operands[0]
        return True

    def product(self, g: Value) -> Any:
        """The sum of a product over all steps: one that sums over the steps too."""
        (x, y), (sums, shared) = g.operands, g.params
        if x in self.plain or y in self.plain:
            parts = [z if z in self.plain else self.total(z) for z in (x, y)]
            return None if None in parts else F["dot_general"](*parts, contract=sums, batch=shared)
        return F["dot_general"](self.stack(x), self.stack(y), contract=_behind(sums, (0,)), batch=_behind(shared, ()))

    # ------------------------------------------------------------------ decisions
    def add_up(self, added: Mapping[Value, Value]) -> None:
        """Totals of carries, by what each step adds to them."""
        self.known = {}
        for c, g in added.items():
            made = self.attempt(self.total, g)
            if made is not None:
                self.totals[c] = made

    def attempt(self, make: Callable[[Value], Value | None], x: Value, free: int = 0) -> Value | None:
        """`make(x)` if there is room for the stacks that it asks for; else all is as before."""
        stands, asked = dict(self.stands), dict(self.asked)
        made = make(x)
        if made is not None and self.loop.fits([y for y in self.asked if y not in asked], free):
            return made
        self.stands, self.asked, self.known = stands, asked, {}
        return None


def _behind(axes: Any, first: tuple[int, ...]) -> Any:
    """Axes behind one more."""
    return tuple([(*first, *[a + 1 for a in side]) for side in axes])


def sums(loop: Loop, order: Sequence[Value]) -> dict[Value, Value]:
    """Carries that only add up: what each step adds, by the leaf of the carry."""
    users: dict[Value, list[Value]] = {}
    for v in order:
        for x in v.operands:
            users.setdefault(x, []).append(v)
    outputs = loop.outputs()
    found = {}
    for c, n in loop.nexts.items():
        if n.prim is not None and n.prim.name == "add" and users.get(c) == [n] and n not in users and outputs.count(n) == 1 and c not in outputs:
            found[c] = n.operands[n.operands[0] is c]
    return found


def late(loop: Loop, order: Sequence[Value], plain: set[Value], added: Mapping[Value, Value]) -> set[Value]:
    """Products that no carried value needs, sums apart, and what depends on them."""
    needed = above([n for c, n in loop.nexts.items() if c not in added], order)
    heavy = [v for v in order if v not in needed and v not in plain and is_heavy(v, plain)]
    found = below(heavy, order)
    return found - below([v for v in found if barred(v)], order)


def postpone(loop: Loop) -> Later:
    """What of `loop` can be done after it."""
    order = loop.order()
    plain = same_everywhere(loop, order)
    added = sums(loop, order)
    while True:
        later = Later(dataclasses.replace(loop), order, plain, late(loop, order, plain, added))
        for _ in range(2):  # the second time more stacks are at hand
            later.add_up({c: g for c, g in added.items() if c not in later.totals})
        if len(later.totals) == len(added):
            break
        added = {c: g for c, g in added.items() if c in later.totals}
    for k, y in enumerate(loop.ys):
        made = later.attempt(later.stack, y, loop.length * y.type.nbytes) if y in later.late else None
        if made is not None:
            later.stacks[k] = made
    return later


def finished(loop: Loop, later: Later) -> tuple[dict[Value, Value], list[Value]]:
    """The loop that is left, and what follows it on what it gives: last values by carry, and stacks."""
    starts, totals, stacks = loop.carries, later.totals, later.stacks
    kept = [y for k, y in enumerate(loop.ys) if k not in stacks]
    outside = [*loop.consts.values(), *loop.xs.values()]
    rest = dataclasses.replace(
        loop, carries={c: x for c, x in starts.items() if c not in totals},
        nexts={c: n for c, n in loop.nexts.items() if c not in totals}, ys=list(dict.fromkeys([*kept, *later.asked])),
    )  # fmt: skip
    ends, made = closed(rest)
    of = dict(zip(rest.ys, made, strict=True))
    known = {**{x: x for x in outside}, **loop.consts, **{p: of[y] for y, p in later.stands.items() if y in of}}
    results = iter(substitute([*totals.values(), *stacks.values()], known))
    for c in totals:
        total, zero = next(results), splat(starts[c])
        ends[c] = total if zero is not None and zero == 0 else F["add"](starts[c], total)
    after = {k: next(results) for k in stacks}
    return ends, [after[k] if k in after else of[y] for k, y in enumerate(loop.ys)]
