"""Before a loop: products, and results, that need no step before; for all steps at once."""

from __future__ import annotations

from collections.abc import Sequence

from fgrad.ir.graph import Value, leaf
from fgrad.passes.loops import Loop, barred, below, is_heavy, same_everywhere, stacked
from fgrad.primitives.regions.parts import costly
from fgrad.transforms.inline import substitute


def hoist(loop: Loop) -> dict[int, Value]:
    """Takes what needs no carried value out of `loop`. Returns the stacks, by number, that it need not make."""
    order = loop.order()
    plain = same_everywhere(loop, order)
    bound = below([*loop.carries, *[v for v in order if barred(v)]], order)
    free = [v for v in order if v not in bound]
    refused, products = affordable(loop, free, plain)
    early = {k: v for k, v in enumerate(loop.ys) if v not in bound and v not in refused}
    values = list(dict.fromkeys([*products, *early.values()]))
    stacks = dict(zip(values, stacked(values, loop.xs, loop), strict=True))
    loop.ys = [v for k, v in enumerate(loop.ys) if k not in early]
    replace(loop, {v: stacks[v] for v in products}, [v for v in free if v in plain])
    return {k: stacks[v] for k, v in early.items()}


def affordable(loop: Loop, free: Sequence[Value], plain: set[Value]) -> tuple[set[Value], list[Value]]:
    """Products for which there is room, and all that stays in the loop for want of it."""
    refused: set[Value] = set()
    products: list[Value] = []
    for v in free:
        if not refused.isdisjoint(v.operands):
            refused.add(v)
        elif v not in plain and is_heavy(v, plain):
            if loop.fits([v], loop.length * v.type.nbytes if v in loop.ys else 0):
                products.append(v)
            else:
                refused.add(v)
    return refused, products


def replace(loop: Loop, stacks: dict[Value, Value], plain: Sequence[Value]) -> None:
    """Reads `stacks` in the loop instead of computing their slices, and computes once what is the same in every step."""
    own = below(loop.consts, plain)
    once = {v: leaf(v.type) for v in plain if v in own and costly(v)}
    slices = {v: leaf(v.type) for v in stacks}
    outputs = substitute(loop.outputs(), {**slices, **once})
    loop.nexts = dict(zip(loop.nexts, outputs, strict=False))
    loop.ys = outputs[len(loop.nexts) :]
    loop.xs = {**loop.xs, **{x: stacks[v] for v, x in slices.items()}}
    outside = [substitute([v], loop.consts)[0] for v in once]
    loop.consts = {**loop.consts, **dict(zip(once.values(), outside, strict=True))}
