"""Hooks of Modules: before and after forward, and around the backward of a whole module."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from fgrad.eager.cell import Cell
from fgrad.eager.function import Function
from fgrad.functions.base import Handle
from fgrad.nn.registry import Registry


class Hook(NamedTuple):
    """A registered function and how it wants to be called."""

    call: Callable[..., Any]
    with_kwargs: bool = False
    always: bool = False


EVERYWHERE: dict[int, tuple[str, Hook]] = {}  # (table, hook): what runs around every module's calls


def hooks_of(module: Any, table: str) -> list[tuple[Any, Hook]]:
    """(key, hook) of one kind: those of all modules, then the module's own."""
    shared = [(("all", key), hook) for key, (kind, hook) in EVERYWHERE.items() if kind == table]
    kinds = module.__dict__.get("_hook_kinds", {})
    return [*shared, *((key, kinds.get(key) or Hook(call)) for key, call in getattr(module, table).items())]


class Watch:
    """One call of a module whose backward is watched: the gradients of its outputs, then of its inputs."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()
        self.inputs_follow = False
        self.reached = True

    def leave(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Gradients of the outputs, after the pre-hooks."""
        for _, hook in hooks_of(self.module, "_backward_pre_hooks"):
            grads = replaced(hook.call(self.module, grads), grads)
        self.grad_output = grads
        if not self.inputs_follow:  # no input requires grad: the hooks run now, without gradients of inputs
            for _, hook in hooks_of(self.module, "_backward_hooks"):
                hook.call(self.module, (None,), grads)
        return grads

    def enter(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Gradients of the inputs, after the hooks."""
        if not self.reached:
            return grads
        for _, hook in hooks_of(self.module, "_backward_hooks"):
            grads = replaced(hook.call(self.module, grads, self.grad_output), grads)
        return grads


def replaced(new: Any, old: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook returned in place of the gradients, or the gradients if it returned None."""
    if new is None:
        return old
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(old):
        raise RuntimeError(f"Backward hook returned an invalid number of grad_output, got {len(new)}, but expected {len(old)}")
    return tuple(new)


class Gate(Function):
    """The identity, whose backward passes the gradients through a function."""

    @staticmethod
    def forward(ctx: Any, then: Any, *xs: Any) -> Any:
        """The tensors themselves."""
        ctx.then = then
        return tuple(x.detach() for x in xs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients after `then`."""
        return (None, *ctx.then(grads))


def gated(then: Any, xs: Any) -> Any:
    """`xs` (a tensor or a tuple with tensors) behind a Gate."""
    single = isinstance(xs, Cell)
    items = [xs] if single else list(xs) if isinstance(xs, tuple | list) else []
    at = [i for i, x in enumerate(items) if isinstance(x, Cell)]
    if not at:
        return xs
    for i, y in zip(at, Gate.apply(then, *[items[i] for i in at]), strict=True):
        items[i] = y
    return items[0] if single else type(xs)(items)


class Hooked(Registry):
    """Registering hooks, and a call that runs them."""

    _forward_hooks: dict[int, Callable[..., Any]]
    _forward_pre_hooks: dict[int, Callable[..., Any]]
    _backward_hooks: dict[int, Callable[..., Any]]
    _backward_pre_hooks: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        super().__init__()
        for table in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            object.__setattr__(self, table, {})

    def register_forward_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> Handle:  # fmt: skip
        """`hook(module, args, output)` after forward; what it returns replaces the output.

        with_kwargs: `hook(module, args, kwargs, output)`.  prepend: before the others.  always_call: also when forward
        raises.
        """
        return add_hook(self, self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """`hook(module, args)` before forward; what it returns replaces the arguments.

        with_kwargs: `hook(module, args, kwargs)`, which returns None or (args, kwargs).  prepend: before the others.
        """
        return add_hook(self, self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(module, grad_input, grad_output)` when both are known; what it returns replaces grad_input."""
        return self._hook_backward(True, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """As register_full_backward_hook: grad_input is that of the module's arguments, however many steps it takes.

        RuntimeError if the module has a full backward hook, as PyTorch allows only hooks of one kind.
        """
        return self._hook_backward(False, hook, False)

    def _hook_backward(self, full: bool, hook: Callable[..., Any], first: bool) -> Handle:
        if self.__dict__.get("_is_full_backward_hook", full) is not full:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them.")
        object.__setattr__(self, "_is_full_backward_hook", full)
        return add_hook(self, self._backward_hooks, Hook(hook), first)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(module, grad_output)` before the module's backward; what it returns replaces grad_output."""
        return add_hook(self, self._backward_pre_hooks, Hook(hook), prepend)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def _run_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for _, hook in hooks_of(self, "_forward_pre_hooks"):
            args, kwargs = before(self, hook, args, kwargs)
        back = hooks_of(self, "_backward_hooks")
        watch = Watch(self) if back or hooks_of(self, "_backward_pre_hooks") else None
        if watch is not None:
            watch.inputs_follow = bool(back) and any(isinstance(a, Cell) and a._value.needs for a in args)
            args = gated(watch.enter, args) if watch.inputs_follow else args
        ran: set[Any] = set()
        out = None
        try:
            out = self.forward(*args, **kwargs)
            for key, hook in hooks_of(self, "_forward_hooks"):
                ran.add(key)
                out = after(self, hook, args, kwargs, out)
        except BaseException:
            for key, hook in hooks_of(self, "_forward_hooks"):
                if hook.always and key not in ran:
                    after(self, hook, args, kwargs, out)
            raise
        if watch is None:
            return out
        if not isinstance(out, Cell | tuple):
            watch.reached = False
            warnings.warn(f"For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received {type(out)}",
                          UserWarning, stacklevel=3)  # fmt: skip
            return out
        return gated(watch.leave, out)


def add_hook(module: Any, hooks: dict[int, Any], hook: Hook, first: bool) -> Handle:
    """Registers a hook, before or after the ones that are there; how it wants to be called is kept apart, as PyTorch keeps it."""
    handle = Handle(hooks, hook.call)
    if hook.with_kwargs or hook.always:
        module.__dict__.setdefault("_hook_kinds", {})[next(reversed(hooks))] = hook
    if first:
        for key in list(hooks)[:-1]:
            hooks[key] = hooks.pop(key)
    return handle


def before(module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments after one pre-hook."""
    if not hook.with_kwargs:
        changed = hook.call(module, args)
        return args if changed is None else changed if isinstance(changed, tuple) else (changed,), kwargs
    changed = hook.call(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not isinstance(changed, tuple) or len(changed) != 2:
        raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
    return changed


def after(module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """The output after one hook."""
    changed = hook.call(module, args, kwargs, out) if hook.with_kwargs else hook.call(module, args, out)
    return out if changed is None else changed
