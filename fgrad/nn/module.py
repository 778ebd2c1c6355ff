"""Module: parameters, buffers and children as attributes; a pytree whose leaves are its trainable parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fgrad.errors import ArgumentError
from fgrad.functions.base import Handle
from fgrad.functions.tensor import Parameter, Tensor
from fgrad.ir.apply import caller
from fgrad.nn.loading import load_into
from fgrad.nn.pytree import register_module


class Keys(NamedTuple):
    """What did not match in load_state_dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if any(self):
            return f"Keys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return "<All keys matched successfully>"


class Module:
    """Base of layers and models: assign Parameters and Modules as attributes, define `forward`.

    >>> import fgrad
    >>> net = fgrad.nn.Linear(2, 1)
    >>> [name for name, _ in net.named_parameters()]
    ['weight', 'bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "training", True)
        set_(self, "_edits", 0)
        set_(self, "_parameters", {})
        set_(self, "_buffers", {})
        set_(self, "_modules", {})
        set_(self, "_non_persistent", set())
        set_(self, "_forward_hooks", {})
        set_(self, "_forward_pre_hooks", {})

    def __init_subclass__(cls) -> None:
        register_module(cls)

    # attributes ---------------------------------------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, Parameter | Module):
                raise AttributeError("cannot assign parameters or modules before Module.__init__() call")
            object.__setattr__(self, name, value)
            return
        if isinstance(value, Parameter):
            self._forget(name)
            self.__dict__.pop(name, None)
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._forget(name)
            self.__dict__.pop(name, None)
            self._modules[name] = value
        elif name in self._parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as parameter '{name}' (nn.Parameter or None expected)"
                )
            self._parameters[name] = None
        elif name in self._modules:
            if value is not None:
                raise TypeError(f"cannot assign '{type(value).__name__}' as child module '{name}' (Module or None expected)")
            self._modules[name] = None
        elif name in self._buffers and (value is None or isinstance(value, Tensor)):
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)
            object.__setattr__(self, "_edits", self._edits + 1)

    def _forget(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            found = own.get(table)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or a place for one (None)."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{type(param).__name__}' object to parameter '{name}' (nn.Parameter required)")
        self._forget(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but no parameter; not saved if `persistent` is False."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (Tensor or None required)")
        self._forget(name)
        self.__dict__.pop(name, None)
        self._buffers[name] = tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a child."""
        self._forget(name)
        self._modules[name] = module

    add_module = register_module

    # calling ------------------------------------------------------------------------------------------------------------
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward` between the hooks."""
        own = self.__dict__
        if not own["_forward_hooks"] and not own["_forward_pre_hooks"]:
            return self.forward(*args, **kwargs)
        for hook in list(self._forward_pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        out = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, args, out)
            out = out if changed is None else changed
        return out

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """`hook(module, args, output)` after forward; what it returns replaces the output."""
        return self._add_hook(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """`hook(module, args)` before forward; what it returns replaces the arguments."""
        return self._add_hook(self._forward_pre_hooks, hook)

    def _add_hook(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> Handle:
        key = max(hooks, default=-1) + 1
        hooks[key] = hook
        return Handle(hooks, key)

    # walking ------------------------------------------------------------------------------------------------------------
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, child) of direct children, each once."""
        seen: set[int] = set()
        for name, m in self._modules.items():
            if m is not None and id(m) not in seen:
                seen.add(id(m))
                yield name, m

    def children(self) -> Iterator[Module]:
        """Direct children."""
        return (m for _, m in self.named_children())

    def named_modules(self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, module) of this module and all below, each once."""
        memo = set() if memo is None else memo
        if id(self) in memo and remove_duplicate:
            return
        memo.add(id(self))
        yield prefix, self
        for name, m in self._modules.items():
            if m is not None:
                yield from m.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below."""
        return (m for _, m in self.named_modules())

    def _named(self, table: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for at, m in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, x in getattr(m, table).items():
                if x is not None and (not unique or id(x) not in seen):
                    seen.add(id(x))
                    yield (f"{at}.{name}" if at else name), x

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, parameter), each parameter once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, buffer)."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted name."""
        found: Any = self
        for part in filter(None, target.split(".")):
            found = found._modules[part]
        return found  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted name."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._parameters[name]
        assert found is not None
        return found

    # state --------------------------------------------------------------------------------------------------------------
    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name, sharing their storage."""
        out: dict[str, Any] = OrderedDict() if destination is None else destination
        for name, x in (*self._parameters.items(), *self._buffers.items()):
            if x is not None and name not in self._non_persistent:
                out[prefix + name] = x if keep_vars else x.detach()
        for name, m in self._modules.items():
            if m is not None:
                m.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return out

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Keys:
        """Copies tensors into parameters and buffers by name.

        strict: every name must match.  Raises RuntimeError listing missing and unexpected names and shape mismatches;
        nothing is changed then.
        """
        return Keys(*load_into(self, state_dict, strict))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops (or zeroes) the gradients of all parameters."""
        for p in self.parameters():
            if p._extra is not None and p._extra.grad is not None:
                p._extra.grad = None if set_to_none else p._extra.grad.detach() * 0

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Trains or freezes all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def train(self, mode: bool = True) -> Module:
        """Training behaviour for this module and all below."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"training mode is expected to be boolean, got {mode!r}", where=caller(), fix="pass a bool")
        for m in self.modules():
            object.__setattr__(m, "training", mode)
        return self

    def eval(self) -> Module:
        """Evaluation behaviour: train(False)."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """`fn` on every module, children first."""
        for m in self.children():
            m.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Moves parameters and buffers to a device and floating ones to a dtype."""
        return self._convert(lambda x: x.to(*args, **kwargs) if x.is_floating_point() else x.to(
            *[a for a in args if not hasattr(a, "is_floating_point")], **{k: v for k, v in kwargs.items() if k != "dtype"}))  # fmt: skip

    def _convert(self, f: Callable[[Any], Any]) -> Module:
        for m in self.modules():
            for p in m._parameters.values():
                if p is not None:
                    new = f(p.detach())
                    if new._type is not p._type:
                        p.data = new
            for name, b in m._buffers.items():
                if b is not None:
                    m._buffers[name] = f(b)
        return self

    def cpu(self) -> Module:
        """to("cpu")."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Module:
        """to("cuda")."""
        return self.to("cuda" if device is None else device)

    def float(self) -> Module:
        """Floating parameters and buffers as float32."""
        return self._convert(lambda x: x.float() if x.is_floating_point() else x)

    def double(self) -> Module:
        """Floating parameters and buffers as float64."""
        return self._convert(lambda x: x.double() if x.is_floating_point() else x)

    def half(self) -> Module:
        """Floating parameters and buffers as float16."""
        return self._convert(lambda x: x.half() if x.is_floating_point() else x)

    # text ---------------------------------------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """What stands between the parentheses of a childless module."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [f"({name}): {m!r}".replace("\n", "\n  ") for name, m in self._modules.items()]
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "\n  ".join([*([extra] if extra else []), *lines])
        return f"{type(self).__name__}(\n  {body}\n)"
