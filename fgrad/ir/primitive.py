"""What an operation is: one entry holds all its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fgrad.errors import FgradError, RangeError, Where

Rule = Callable[..., Any]
REGISTRY: dict[str, Primitive] = {}


class Each(Mapping[int, Rule]):
    """One rule for every operand of an operation with any number of them: `rule(i, tangent_or_ct, ...)`."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, i: int) -> Rule:
        rule = self.rule
        return lambda *args, **params: rule(i, *args, **params)

    def __contains__(self, i: object) -> bool:
        return isinstance(i, int)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        raise TypeError("Each has no fixed set of operands")

    def __len__(self) -> int:
        raise TypeError("Each has no fixed set of operands")


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """All there is to know about one operation.

    Rules get operands in order and params by keyword. `ys` below is the node's own Value.
    """

    name: str
    params: tuple[str, ...]  # declared order of the static parameters
    defaults: Mapping[str, Any]
    type: Rule  # (*operand_types, where, **params) -> Type, or raises ShapeError, DtypeError
    lower: Rule | None = None  # (xp, out, *arrays, **params) -> array (a tuple of arrays for a TupleType)
    jvp: Mapping[int, Rule] = field(default_factory=dict)  # operand -> (tangent, y, *xs, **params) -> dy
    transpose: Mapping[int, Rule] = field(default_factory=dict)  # linear operand -> (ct, *xs, **params) -> ct of x
    joint: tuple[int, ...] | None = None  # operands the op is jointly linear in, () for all: jvp is the op itself
    linearize: Rule | None = None  # region primitives: (v, varying) -> transforms.Linear
    batch: Rule | None = None  # (n, batched, *xs, **params) -> y; the batch axis is axis 0
    flops: Rule = lambda y, *xs, **params: 0  # on types
    nbytes: Rule | None = None  # on types; None: every operand and result once
    elementwise: bool = False  # operands broadcast; `apply` inserts broadcast_to
    scalar: Rule | None = None  # (machine, *xs, **params) -> one element, in machine operations: fusable
    view_of: int | None = None  # operand whose memory the result shares
    check: Rule | None = None  # (xp, *arrays, **params) -> error text or None: value-dependent errors
    error: Callable[..., FgradError] | None = None  # what a failed check is; None: a RangeError that names the operation
    effect: bool = False  # takes and returns a token: never shared, dropped or moved
    smooth: bool = True  # False: derivatives stop here

    def __post_init__(self) -> None:
        """Enter the registry; a second operation of the same name is a bug."""
        if REGISTRY.setdefault(self.name, self) is not self:
            raise ValueError(f"primitive {self.name!r} is defined twice")

    def refusal(self, found: str, where: Where | None) -> FgradError:
        """The error for what `check` found."""
        fix = "check the values at this line"
        if self.error is not None:
            return self.error(found, where=where, fix=fix)
        return RangeError(f"{self.name}: {found}", where=where, fix=fix)

    @property
    def differentiable(self) -> bool:
        """True if some derivative rule exists."""
        return self.smooth and bool(self.jvp or self.transpose or self.linearize or self.joint is not None)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return _find, (self.name,)


def _find(name: str) -> Primitive:
    return REGISTRY[name]
