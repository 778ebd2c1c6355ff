"""Einstein summation as products of pairs: what both faces mean by einsum and tensordot, on Values."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import need
from fgrad.primitives import composites as c
from fgrad.primitives.linear import dot_general


def contraction(a: Any, b: Any, *, contract: Any) -> Any:
    """Sum of products over pairs of axes."""
    return dot_general(a, b, contract=contract, batch=((), ()))


def einsum_values(*xs: Any, equation: str) -> Any:
    """Einstein summation of values of one dtype; the order of contraction is opt-einsum's."""
    oe = need("opt_einsum")
    inputs, output, _ = oe.parser.parse_einsum_input((equation, *[_Shaped(x.shape) for x in xs]))
    terms = inputs.split(",")
    path = oe.contract_path(f"{inputs}->{output}", *[x.shape for x in xs], shapes=True)[0]
    pool = list(zip(xs, terms, strict=True))
    for step in path:
        chosen = [pool.pop(i) for i in sorted(step, reverse=True)][::-1]
        rest = set("".join(t for _, t in pool)) | set(output)
        while len(chosen) > 1:
            (a, ta), (b, tb) = chosen.pop(0), chosen.pop(0)
            wanted = rest | set("".join(t for _, t in chosen))
            chosen.insert(0, _pair(a, ta, b, tb, wanted))
        pool.append(chosen[0])
    x, term = pool[0]
    x, term = _single(x, term, set(output))
    return c.transpose(x, axes=tuple(term.index(s) for s in output)) if term != output else x


class _Shaped:
    """Stands for an operand where only its shape is read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def _single(x: Any, term: str, wanted: set[str]) -> tuple[Any, str]:
    """One operand with repeated letters on the diagonal and unwanted ones summed."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            n = x.shape[i]
            shape = tuple(n if k in (i, j) else 1 for k in range(x.ndim))
            row, col = (c.iota(shape=shape, dtype=np.dtype("int64"), axis=k, device=x.device) for k in (i, j))
            mask = c.broadcast_to(c.eq(row, col), shape=x.shape)
            x = c.reduce_sum(c.select(mask, x, c.number(0, x)), axes=(j,))
            term = term[:j] + term[j + 1 :]
    gone = tuple(i for i, s in enumerate(term) if s not in wanted)
    return (c.reduce_sum(x, axes=gone), "".join(s for s in term if s in wanted)) if gone else (x, term)


def _pair(a: Any, ta: str, b: Any, tb: str, wanted: set[str]) -> tuple[Any, str]:
    """Two operands contracted by one dot_general."""
    a, ta = _single(a, ta, wanted | set(tb))
    b, tb = _single(b, tb, wanted | set(ta))
    shared = [s for s in ta if s in tb]
    batch = [s for s in shared if s in wanted]
    summed = [s for s in shared if s not in wanted]
    y = dot_general(
        a, b,
        contract=(tuple(ta.index(s) for s in summed), tuple(tb.index(s) for s in summed)),
        batch=(tuple(ta.index(s) for s in batch), tuple(tb.index(s) for s in batch)),
    )  # fmt: skip
    free = [s for s in ta if s not in shared] + [s for s in tb if s not in shared]
    return y, "".join(batch + free)
