"""vmap: one walk, a batch rule where an operand is batched. The batch axis is axis 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fgrad.ir.apply import located
from fgrad.ir.graph import Value, topological
from fgrad.transforms.jvp import rule_missing


def batch(
    outputs: Sequence[Value], batched: Mapping[Value, Value], n: int, stop: Sequence[Value] = ()
) -> list[tuple[Value, bool]]:
    """Each output with the values of `batched` replaced by versions that have a leading axis of length `n`.

    Returns (value, does it have the batch axis). The walk does not look behind `stop`.
    """
    new: dict[Value, Value] = dict(batched)
    for v in topological(outputs, [*batched, *stop]):
        which = tuple([x in new for x in v.operands])
        if any(which):
            assert v.prim is not None
            if v.prim.batch is None:
                raise rule_missing(v, "batching")
            with located(v.where):
                new[v] = v.prim.batch(n, which, *[new.get(x, x) for x in v.operands], **v.named_params)
    return [(new.get(v, v), v in new) for v in outputs]
