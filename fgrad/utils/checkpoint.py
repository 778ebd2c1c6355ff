"""Less memory for more arithmetic in training: PyTorch's utils.checkpoint over `fgrad.checkpoint`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fgrad.eager.remat import checkpoint as recomputed
from fgrad.errors import ArgumentError
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.primitive import REGISTRY, Primitive

__all__ = [
    "CheckpointError", "CheckpointPolicy", "SelectiveCheckpointContext", "check_backward_validity", "checkpoint",
    "checkpoint_sequential", "create_selective_checkpoint_contexts", "detach_variable", "noop_context_fn",
    "set_checkpoint_debug_enabled", "set_checkpoint_early_stop",
]  # fmt: skip

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
    function; the second, for a second run in Python, is never entered; those of create_selective_checkpoint_contexts
    say what is kept all the same.  Returns what the function returns.
    Raises ArgumentError for keywords of the function beside use_reentrant=True, another determinism_check, or a context_fn beside use_reentrant=True.
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
    if use_reentrant and kwargs:
        raise ArgumentError("Unexpected keyword arguments: " + ",".join(kwargs), where=caller(), fix="pass use_reentrant=False")
    if use_reentrant and (context_fn is not noop_context_fn or debug):
        raise ArgumentError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.",
                            where=caller(), fix="pass use_reentrant=False")  # fmt: skip
    forward, _ = context_fn()
    with forward:
        return recomputed(function, policy=getattr(forward, "policy", None))(*args, **kwargs)


class CheckpointError(RuntimeError):
    """PyTorch's error of a recomputation that differs; never raised here, as nothing runs twice in Python."""


class CheckpointPolicy(Enum):
    """What becomes of an operation's result. There is no second memory: offloading means saving."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


KEPT = frozenset(p for p in CheckpointPolicy if "RECOMPUTE" not in p.name)
PRODUCTS = {**dict.fromkeys(("mm", "matmul", "bmm", "linear", "mv", "dot", "addmm", "baddbmm", "einsum"), "dot_general"),
            **dict.fromkeys(("conv1d", "conv2d", "conv3d"), "conv"), "where": "select", "sum": "reduce_sum"}  # fmt: skip


class SelectiveCheckpointContext:
    """What a policy function is told first. is_recompute is False: it is asked once, about the forward pass."""

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


@dataclass(frozen=True)
class Selection:
    """A policy of `fgrad.checkpoint`, equal to another of the same operations or function, so that programs are found again."""

    names: frozenset[str]
    function: Callable[..., Any] | None = None

    def __call__(self, prim: Primitive, *types: Any, **params: Any) -> bool:
        """True if the result is kept."""
        if self.function is None:
            return prim.name in self.names
        answer = self.function(SelectiveCheckpointContext(is_recompute=False), prim, *types, **params)
        if isinstance(answer, bool):
            return answer
        if not isinstance(answer, CheckpointPolicy):
            raise ArgumentError(f"a checkpoint policy gave {answer!r}", where=caller(), fix="return a CheckpointPolicy")
        return answer in KEPT


class Selected(nullcontext[None]):
    """A context that does nothing but carry a policy to `checkpoint`."""

    def __init__(self, policy: Selection) -> None:
        super().__init__()
        self.policy = policy


def create_selective_checkpoint_contexts(policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False) -> tuple[Selected, Selected]:
    """Contexts for `checkpoint(context_fn=partial(create_selective_checkpoint_contexts, policy))`: some results are kept.

    policy_fn_or_list: operations whose results are kept (functions of fgrad, as fgrad.matmul, or names of primitives), or
    `policy(context, primitive, *operand types, **params) -> CheckpointPolicy`.  allow_cache_entry_mutation: accepted, kept
    values are never written to.  Raises ArgumentError for an operation without a primitive of its own.

    >>> import fgrad, functools
    >>> keep = functools.partial(create_selective_checkpoint_contexts, [fgrad.exp])
    >>> x = fgrad.tensor([0.0, 1.0], requires_grad=True)
    >>> checkpoint(lambda v: v.exp().sin(), x, use_reentrant=False, context_fn=keep).sum().backward()
    """
    if isinstance(policy_fn_or_list, list | tuple | set | frozenset):
        policy = Selection(frozenset(primitive_of(op) for op in policy_fn_or_list))
    elif callable(policy_fn_or_list):
        policy = Selection(frozenset(), policy_fn_or_list)
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    return Selected(policy), Selected(policy)


def primitive_of(op: Any) -> str:
    """The name of the primitive that an operation records."""
    name = op.name if isinstance(op, Primitive) else op if isinstance(op, str) else getattr(op, "__name__", repr(op))
    name = PRODUCTS.get(name, name)
    if name not in REGISTRY:
        raise ArgumentError(f"{name} is no primitive of fgrad", where=caller(),
                            fix="print fgrad.make_graph(f)(*args) for the names of the operations it records")  # fmt: skip
    return str(name)


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted and without effect: nothing runs twice in Python that could differ."""
    yield


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Accepted and without effect: only what gradients need is computed again."""
    yield


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors cut off from what they come from, requiring grad as before. RuntimeError for what is no tuple."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def check_backward_validity(inputs: Any) -> None:
    """Warns if no input requires grad."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


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
