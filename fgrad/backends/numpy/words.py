"""Random words of neighbouring elements: a block of the generator has four of them, so four vectors are made at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.loops import Loops
from fgrad.backends.numpy.machine import LLVM
from fgrad.ir.graph import Value
from fgrad.passes.nests import Shape
from fgrad.passes.spaces import is_free, position
from fgrad.primitives.random_bits import rounds

UNROLL = 4  # vectors at once: as many blocks as lanes


def affine(v: Value, nest: Shape) -> dict[int, int] | None:
    """`v` as a number (under -1) plus, for each axis of the space, its count times a step; None if it is anything else."""
    if v.const is not None:
        return {-1: int(v.const)} if not v.shape else None
    if v.prim is None:
        return None
    if v.prim.name == "iota":
        axis = v.named_params["axis"]
        return {nest.axes[v][position(v.shape, axis)]: 1} if v.shape[axis] != 1 else {-1: 0}
    if is_free(v):
        return affine(v.operands[0], nest)
    if v.prim.name not in ("add", "mul"):
        return None
    x, y = (affine(w, nest) for w in v.operands)
    if x is None or y is None:
        return None
    if v.prim.name == "add":
        return {k: x.get(k, 0) + y.get(k, 0) for k in (*x, *y)}
    if set(x) - {-1} and set(y) - {-1}:
        return None
    factor, other = (x, y) if set(x) == {-1} else (y, x)
    return {k: step * factor.get(-1, 0) for k, step in other.items()}


def aligned(order: Sequence[Value], nest: Shape, loops: Loops, depends: Mapping[Value, frozenset[int]], lanes: int) -> frozenset[Value]:
    """The random words whose index counts along the vector loop, from a multiple of four in every row."""
    last = len(loops.all) - 1
    if lanes % 4 or last < loops.rows:
        return frozenset()
    found = []
    for v in order:
        if v.prim is None or v.prim.name != "random_word" or any(last in depends.get(x, ()) for x in v.operands[1:]):
            continue
        steps = affine(v.operands[0], nest)
        along = loops.all[last].axes
        if steps is not None and len(along) == 1 and steps.get(along[0]) == 1 and not any(s % 4 for k, s in steps.items() if k != along[0]):
            found.append(v)
    return frozenset(found)


def four_vectors(m: LLVM, index: E, offset: E, low: E, high: E) -> list[E]:
    """The words of a vector and of the three after it. index: that of the first, whose first lane is a multiple of four."""
    asm, lanes = m.asm, index.lanes
    first = asm.op(f"lshr i64 {asm.op(f'extractelement {index.type} {index.text}, i32 0')}, 2")
    counts = E("<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">", "uint64", lanes)
    block = m.add(m.add(asm.splat(E(first, "uint64", 1), lanes), counts), offset)
    words = [m.convert(c, "uint32") for c in rounds(m, block, low, high)]
    return [_gathered(m, words, u * (lanes // 4)) for u in range(UNROLL)]


def _gathered(m: LLVM, words: Sequence[E], start: int) -> E:
    """The words of some blocks in their order."""
    w, lanes = words[0], words[0].lanes

    def shuffle(x: str, y: str, picks: Sequence[int]) -> str:
        mask = ", ".join(f"i32 {p}" for p in picks)
        return m.asm.op(f"shufflevector {w.type} {x}, {w.type} {y}, <{lanes} x i32> <{mask}>")

    low, high = (
        shuffle(words[k].text, words[k + 1].text, [start + e // 4 + lanes * (e % 2) for e in range(lanes)]) for k in (0, 2)
    )
    return E(shuffle(low, high, [e if e % 4 < 2 else lanes + e for e in range(lanes)]), "uint32", lanes)
