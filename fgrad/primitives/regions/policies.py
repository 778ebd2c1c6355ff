"""What a checkpoint keeps for its reverse pass: policies as static parameters, so that they can be printed and parsed.

A policy is a word of POLICIES, or a tuple: ("only", *names), ("any_but", *names), ("anything_except", *names) about
values named by the `checkpoint_name` operation, ("both", policy, policy) for what either keeps; or JAX's kind, a function
`policy(primitive, *operand types, **params) -> bool` (printed by its name, not parsed back in another process).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.errors import ArgumentError, Where
from fgrad.ir.graph import Value
from fgrad.primitives.regions.parts import costly

Policy = str | tuple[Any, ...] | Callable[..., bool]
Save = Callable[[Value], bool]
PRODUCTS = frozenset(("dot_general", "conv", "conv_dx", "conv_dw"))
POLICIES: dict[str, Save] = {
    "nothing": lambda v: False,
    "everything": costly,
    "dots": lambda v: v.prim is not None and v.prim.name in PRODUCTS,
    "unbatched_dots": lambda v: POLICIES["dots"](v) and not any(v.named_params.get("batch", ())),
}


def name_of(v: Value) -> str | None:
    """The name a value was given, if any."""
    return v.params[0] if v.prim is not None and v.prim.name == "checkpoint_name" else None


NAMED: dict[str, Callable[[Value, tuple[str, ...]], bool]] = {
    "only": lambda v, names: name_of(v) in names,
    "any_but": lambda v, names: name_of(v) is not None and name_of(v) not in names,
    "anything_except": lambda v, names: costly(v) and name_of(v) not in names,
}


def is_policy(policy: Any) -> bool:
    """True for a policy as above."""
    if isinstance(policy, str):
        return policy in POLICIES
    if callable(policy):
        return True
    if not isinstance(policy, tuple) or not policy:
        return False
    if policy[0] == "both":
        return len(policy) == 3 and is_policy(policy[1]) and is_policy(policy[2])
    return policy[0] in NAMED and all(isinstance(name, str) for name in policy[1:])


def check_policy(policy: Any, where: Where | None) -> None:
    """Refuses what is no policy."""
    if not is_policy(policy):
        raise ArgumentError(
            f"checkpoint: no policy {policy!r}", where=where,
            fix=f"use one of checkpoint_policies ({', '.join(POLICIES)}, or by names)",
        )  # fmt: skip


def saves(policy: Policy) -> Save:
    """The test whether a computed value is kept."""
    if isinstance(policy, str):
        return POLICIES[policy]
    if callable(policy):
        return lambda v: v.prim is not None and bool(policy(v.prim, *[x.type for x in v.operands], **v.named_params))
    kind, *rest = policy
    if kind == "both":
        first, second = saves(rest[0]), saves(rest[1])
        return lambda v: first(v) or second(v)
    test, names = NAMED[kind], tuple(rest)
    return lambda v: test(v, names)
