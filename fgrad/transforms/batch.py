"""vmap: one walk, a batch rule where an operand is batched. The batch axis is axis 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fgrad.ir.apply import located
from fgrad.ir.graph import Value, topological
from fgrad.ir.rewrite import with_operands
from fgrad.transforms.jvp import rule_missing


class Shared(NamedTuple):
    """What a batch rule returns for a result that is the same for every example: a value without the batch axis."""

    value: Value


def batch(
    outputs: Sequence[Value], batched: Mapping[Value, Value], n: int, stop: Sequence[Value] = ()
) -> list[tuple[Value, bool]]:
    """Each output with the values of `batched` replaced by versions that have a leading axis of length `n`.

    Returns (value, does it have the batch axis). The walk does not look behind `stop`. A batch rule of a primitive with
    several results may return a tuple of such pairs.
    """
    new: dict[Value, Any] = dict(batched)
    plain: dict[Value, Value] = {}  # results without the axis, of nodes that were batched, and what hangs on them
    for v in topological(outputs, [*batched, *stop]):
        assert v.prim is not None
        which = tuple([x in new for x in v.operands])
        if v.prim.name == "item" and which[0] and isinstance(new[v.operands[0]], tuple):
            value, has_axis = new[v.operands[0]][v.params[0]]
            (new if has_axis else plain)[v] = value
        elif any(which):
            if v.prim.batch is None:
                raise rule_missing(v, "batching")
            with located(v.where):
                operands = [new[x] if b else plain.get(x, x) for x, b in zip(v.operands, which, strict=True)]
                result = v.prim.batch(n, which, *operands, **v.named_params)
            if isinstance(result, Shared):
                plain[v] = result.value
            else:
                new[v] = result
        elif any([x in plain for x in v.operands]):
            plain[v] = with_operands(v, tuple([plain.get(x, x) for x in v.operands]))
    return [(new[v], True) if v in new else (plain.get(v, v), False) for v in outputs]
