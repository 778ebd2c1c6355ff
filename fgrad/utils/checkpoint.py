"""Less memory for more arithmetic in training: PyTorch's utils.checkpoint over `fgrad.checkpoint`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fgrad.eager.remat import checkpoint as recomputed
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]

Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing: what `checkpoint` enters unless told."""
    return nullcontext(), nullcontext()


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True,
               context_fn: Contexts = noop_context_fn, determinism_check: str = "default", debug: bool = False,
               early_stop: bool = True, **kwargs: Any) -> Any:  # fmt: skip
    """`function(*args, **kwargs)`, whose intermediate values are computed again in the reverse pass, not kept.

    The recorded operations are computed again, not the Python function: it runs once, and draws the same numbers in
    both.  So use_reentrant, preserve_rng_state, debug and early_stop are accepted and change nothing, and
    determinism_check ("default" or "none") has nothing to find.  context_fn: gives two contexts, the first around the
    function; the second, for a second run in Python, is never entered.  Returns what the function returns.
    Raises ArgumentError for another determinism_check, or a context_fn beside use_reentrant=True.
    Source: Chen et al. 2016, arXiv:1604.06174.

    >>> import fgrad
    >>> x = fgrad.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda v: v * v * v, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    if determinism_check not in ("default", "none"):
        raise ArgumentError(f"determinism_check should be one of 'default', 'none', but got {determinism_check!r}",
                            where=caller(), fix='pass "default" or "none"')  # fmt: skip
    if use_reentrant and (context_fn is not noop_context_fn or debug):
        raise ArgumentError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.",
                            where=caller(), fix="pass use_reentrant=False")  # fmt: skip
    forward, _ = context_fn()
    with forward:
        return recomputed(function)(*args, **kwargs)


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          **kwargs: Any) -> Any:  # fmt: skip
    """`input` through `functions` in turn; every segment but the last keeps nothing but its input.

    functions: a Sequential, or functions of one argument.  segments: how many parts of len(functions) // segments
    functions, the last with the rest.  kwargs: preserve_rng_state, accepted.  Raises ArgumentError for other
    keywords, and for segments outside 1 .. len(functions).

    >>> import fgrad
    >>> checkpoint_sequential([fgrad.sin, fgrad.exp], 2, fgrad.zeros(2), use_reentrant=False)
    tensor([1., 1.])
    """
    kwargs.pop("preserve_rng_state", None)
    if kwargs:
        raise ArgumentError("Unexpected keyword arguments: " + ",".join(kwargs), where=caller(),
                            fix="pass preserve_rng_state alone")  # fmt: skip
    steps = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= len(steps):
        raise ArgumentError(f"checkpoint_sequential: {segments} segments of {len(steps)} functions", where=caller(),
                            fix="use from 1 to the number of functions")  # fmt: skip
    size = len(steps) // segments
    x, last = input, size * (segments - 1)
    for start in range(0, last, size):
        x = checkpoint(_chain(steps[start : start + size]), x, use_reentrant=use_reentrant)
    return _chain(steps[last:])(x)


def _chain(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The functions one after the other."""

    def segment(x: Any) -> Any:
        for f in steps:
            x = f(x)
        return x

    return segment
