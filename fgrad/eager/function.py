"""autograd.Function: user code with a derivative that is user code too, run at every backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.eager.cell import Cell
from fgrad.eager.enter import enter, intern
from fgrad.eager.mode import set_grad
from fgrad.eager.record import items, mirrored, wrap
from fgrad.eager.tape import THREAD, Tape
from fgrad.eager.views import rebind
from fgrad.errors import GradError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.ir.primitive import REGISTRY
from fgrad.transforms.jvp import zeros


class Context:
    """What forward leaves for backward. Attributes may be set freely."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._versions: tuple[int, ...] = ()
        self._materialize = True
        self._plain: set[int] = set()
        self._dirty: set[int] = set()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps tensors; writing to one before backward is an error there."""
        self._saved = tensors
        self._versions = tuple(t._version if isinstance(t, Cell) else 0 for t in tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors kept by save_for_backward."""
        for t, version in zip(self._saved, self._versions, strict=True):
            if isinstance(t, Cell) and t._version != version:
                raise GradError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"a saved {t._type} is at version {t._version}; expected version {version}",
                    where=caller(), fix="clone() it before writing",
                )  # fmt: skip
        return self._saved

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Outputs that get no gradient."""
        self._plain.update(id(t) for t in tensors)

    def mark_dirty(self, *tensors: Any) -> None:
        """Arguments that forward wrote in place and returns."""
        self._dirty.update(id(t) for t in tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """If False, backward gets None for outputs without gradient instead of zeros."""
        self._materialize = value


class Node:
    """One call: its context, and which arguments the gradients belong to."""

    def __init__(self, function: Any, context: Context, places: Sequence[int], n: int) -> None:
        self.function, self.context, self.places, self.n = function, context, tuple(places), n

    def run_backward(self, tape: Tape, v: Value, ct: tuple[Any, ...], create: bool) -> list[tuple[Value, Value]]:
        """Calls the user's backward; returns (input value, cotangent) pairs."""
        context = self.context
        cls = self.function
        face = context._face  # type: ignore[attr-defined]  # set by apply
        given = [
            wrap(face, tape, mirrored(tape, g)) if g is not None else wrap(face, tape, zeros(x.type)) if context._materialize else None
            for g, x in zip(ct, v.operands[: self.n], strict=True)
        ]
        before = set_grad(create)
        try:
            back = cls.backward(context, *given)
        finally:
            set_grad(before)
        back = back if isinstance(back, tuple) else (back,)
        count = context._count  # type: ignore[attr-defined]
        if len(back) < count or any(g is not None for g in back[count:]):
            raise GradError(
                f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {count}, got "
                f"{len(back)})", where=caller(), fix="return one gradient, or None, for each argument of forward",
            )  # fmt: skip
        out = []
        for place, x in zip(self.places, v.operands[self.n :], strict=True):
            g = back[place]
            if g is not None and not isinstance(g, Cell):
                raise GradError(f"{cls.__name__}.backward: expected a tensor or None, got {type(g).__name__}", where=caller(),
                                fix="return tensors")  # fmt: skip
            if g is not None and x.needs:
                if g._type.shape != x.shape:
                    raise GradError(
                        f"function {cls.__name__}Backward returned an invalid gradient at index {place} - got "
                        f"{g._type} but expected shape compatible with {x.type}", where=caller(),
                        fix="return a gradient of the argument's shape",
                    )  # fmt: skip
                out.append((x, mirrored(tape, g._value if g._tape is tape else enter(tape, g))))
        return out


class Function:
    """Base of operations with a derivative of their own.

    Subclasses define `forward(ctx, *args)` (or `forward(*args)` with `setup_context(ctx, inputs, output)`) and
    `backward(ctx, *grads)`, one gradient or None per argument; call `apply(*args)`.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What it computes."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Its derivative."""
        raise NotImplementedError("You must implement the backward function to use Function with backward mode AD.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and records the call."""
        context = Context()
        context.needs_input_grad = tuple(isinstance(a, Cell) and a._value.needs for a in args)
        recording = THREAD.grad and any(context.needs_input_grad)
        tape = THREAD.tape  # as they are before forward may write to them
        inputs = [a._value if a._tape is tape else enter(tape, a) for a in args if isinstance(a, Cell)] if recording else []
        before = set_grad(False)
        try:
            if hasattr(cls, "setup_context"):
                out = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, out)
            else:
                out = cls.forward(context, *args, **kwargs)
        finally:
            set_grad(before)
        if not recording:
            return out
        if THREAD.tape is not tape:  # forward asked for numbers: what was recorded so far is done
            inputs = [enter(THREAD.tape, a) for a in args if isinstance(a, Cell)]
        return record_call(cls, context, args, inputs, out)


def record_call(cls: type[Function], context: Context, args: tuple[Any, ...], inputs: list[Value], out: Any) -> Any:
    """The outputs as results of one opaque node whose derivative is the class's backward."""
    results = out if isinstance(out, tuple) else (out,)
    tape = THREAD.tape
    tensors = [t for t in results if isinstance(t, Cell)]
    context._face = type(tensors[0])._result  # type: ignore[attr-defined]
    context._count = len(args)  # type: ignore[attr-defined]
    places = [i for i, a in enumerate(args) if isinstance(a, Cell)]
    operands = (*(enter(tape, t) for t in tensors), *inputs)
    label = (cls, len(tape.functions))
    node = intern(tape, REGISTRY["opaque"], operands, (len(tensors), label))
    tape.functions[node] = Node(cls, context, places, len(tensors))
    made = iter(items(tape, node))
    done = []
    for t in results:
        if not isinstance(t, Cell):
            done.append(t)
            continue
        v = next(made)
        plain = id(t) in context._plain or not v.type.inexact
        if id(t) in context._dirty and not plain and t._tape is tape:
            rebind(tape, t, v)
            done.append(t)
            continue
        done.append(t if plain else wrap(type(t)._result, tape, v))
    return tuple(done) if isinstance(out, tuple) else done[0]
