"""Where in the forward code a gradient became NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager.autograd import joint, start
from fgrad.eager.history import barriers_of, differentiable
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD
from fgrad.errors import GradError
from fgrad.functions import stack
from fgrad.ir.graph import Value, topological

__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_detect_anomaly"]

def find(roots: Sequence[Any], gradients: Sequence[Any]) -> None:
    """GradError at the line of the first operation, counted from the result, that turns a cotangent without NaN into one with."""
    tape = THREAD.tape
    given = start(tape, roots, gradients)
    barriers = tuple(barriers_of(tape))
    nodes = differentiable(given)
    order = [v for v in topological(list(given), barriers) if v in nodes]
    ends = tuple(dict.fromkeys([*order, *(x for v in order for x in v.operands if x in nodes)]))
    ends = tuple(v for v in ends if not hasattr(v.type, "items"))
    found = joint(tape, tuple(given), tuple(given.values()), ends, False, barriers)
    cls = type(roots[0])._result
    kept = [(v, wrap(cls, tape, g)) for v, g in zip(ends, found.grads, strict=True) if g is not None]
    flags = stack([(g != g).any() for _, g in kept]).tolist()
    bad = {v for (v, _), flag in zip(kept, flags, strict=True) if flag}
    for v in reversed(order):
        if v not in bad and v.prim is not None:
            place = next((i for i, x in enumerate(v.operands) if x in bad), None)
            if place is not None:
                raise _error(v, place)


def _error(v: Value, place: int) -> GradError:
    assert v.prim is not None
    return GradError(f"Function '{v.prim.name}Backward' returned nan values in its {place}th output.", where=v.where,
                     fix="keep the argument of this operation inside its domain, e.g. with clamp or an eps")  # fmt: skip


def look_away(roots: Sequence[Any], gradients: Sequence[Any]) -> None:
    """The mode without a look at numbers."""


def switch(on: bool, check_nan: bool) -> Callable[..., None] | None:
    """Puts a mode in force for this thread; returns what was in force."""
    before: Callable[..., None] | None = THREAD.anomaly
    THREAD.anomaly = (find if check_nan else look_away) if on else None
    return before


class detect_anomaly:  # noqa: N801  # PyTorch's name
    """A block in which backward() says at which line of the forward code a gradient becomes NaN: GradError, a RuntimeError.

    check_nan False: nothing is looked at.  Every backward is computed twice in it.

    >>> import fgrad as torch
    >>> x = torch.tensor([0.0], requires_grad=True)
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     (x.sqrt() * 0).sum().backward()
    Traceback (most recent call last):
    fgrad.errors.GradError: Function 'sqrtBackward' returned nan values in its 0th output.
      ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._before: Callable[..., None] | None = None
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
                      stacklevel=2)  # fmt: skip

    def __enter__(self) -> None:
        self._before = switch(True, self.check_nan)

    def __exit__(self, *error: object) -> None:
        THREAD.anomaly = self._before


class set_detect_anomaly:  # noqa: N801  # PyTorch's name
    """Switches the detection on or off at once; as a context manager puts the former mode back."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = switch(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        THREAD.anomaly = self._before


def is_anomaly_enabled() -> bool:
    """True while detection is on."""
    return THREAD.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """True unless detection was asked not to look at numbers."""
    return THREAD.anomaly is not look_away
