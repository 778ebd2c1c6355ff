"""Module: parameters, buffers and children as attributes; a pytree whose leaves are its trainable parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.nn.hooks import Hooked
from fgrad.nn.loading import load_into
from fgrad.nn.parameter import is_lazy
from fgrad.nn.pytree import register_module


class Keys(NamedTuple):
    """What did not match in load_state_dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if any(self):
            return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return "<All keys matched successfully>"


class Module(Hooked):
    """Base of layers and models: assign Parameters and Modules as attributes, define `forward`.

    >>> import fgrad
    >>> net = fgrad.nn.Linear(2, 1)
    >>> [name for name, _ in net.named_parameters()]
    ['weight', 'bias']
    """

    def __init_subclass__(cls) -> None:
        register_module(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward` between the hooks."""
        own = self.__dict__
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]:
            return self._run_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

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

        strict: every name must match.  assign: the tensors themselves become the module's, in their own dtypes, instead
        of being copied.  Raises RuntimeError listing missing and unexpected names and shape mismatches; nothing is
        changed then.
        """
        return Keys(*load_into(self, state_dict, strict, assign))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops (or zeroes) the gradients of all parameters."""
        for p in self.parameters():
            if p._extra is not None and p._extra.grad is not None:
                p._extra.grad = None if set_to_none else p._extra.grad.detach() * 0

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Trains or freezes all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def train(self, mode: bool = True) -> Self:
        """Training behaviour for this module and all below."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"training mode is expected to be boolean, got {mode!r}", where=caller(), fix="pass a bool")
        for m in self.modules():
            object.__setattr__(m, "training", mode)
        return self

    def eval(self) -> Self:
        """Evaluation behaviour: train(False)."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """`fn` on every module, children first."""
        for m in self.children():
            m.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves parameters and buffers to a device and floating ones to a dtype: `to(device)`, `to(dtype)`, `to(tensor)`."""
        dtypes = [a for a in (*args, kwargs.get("dtype")) if isinstance(a, number_type)]
        if dtypes and not (dtypes[0].is_floating_point or dtypes[0].is_complex):
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtypes[0]}")
        places = [a.device if isinstance(a, Tensor) else a for a in args if not isinstance(a, number_type)]
        options = {k: v for k, v in kwargs.items() if k != "dtype"}
        return self._convert(lambda x: x.to(*args, **kwargs) if x.is_floating_point() else x.to(*places, **options))

    def _convert(self, f: Callable[[Any], Any]) -> Self:
        for m in self.modules():
            for p in m._parameters.values():
                if p is not None:
                    new = f(p.detach())
                    if new._type is not p._type:
                        grad, p.grad = p.grad, None
                        p.data = new
                        p.grad = None if grad is None else f(grad.detach())
            for name, b in m._buffers.items():
                if is_lazy(b):
                    b.data = f(b)  # type: ignore[union-attr]  # a tensor
                elif b is not None:
                    m._buffers[name] = f(b)
        return self

    def cpu(self) -> Self:
        """to("cpu")."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """to("cuda")."""
        return self.to("cuda" if device is None else device)

    def float(self) -> Self:
        """Floating parameters and buffers as float32."""
        return self._convert(lambda x: x.float() if x.is_floating_point() else x)

    def double(self) -> Self:
        """Floating parameters and buffers as float64."""
        return self._convert(lambda x: x.double() if x.is_floating_point() else x)

    def half(self) -> Self:
        """Floating parameters and buffers as float16."""
        return self._convert(lambda x: x.half() if x.is_floating_point() else x)

    def bfloat16(self) -> Self:
        """Floating parameters and buffers as bfloat16."""
        return self._convert(lambda x: x.bfloat16() if x.is_floating_point() else x)

    def type(self, dst_type: Any) -> Self:
        """All parameters and buffers in one dtype."""
        return self._convert(lambda x: x.to(dst_type))

    def share_memory(self) -> Self:
        """Accepted: worker processes get their own copies."""
        return self

    # text ---------------------------------------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """What stands between the parentheses of a childless module."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [f"({name}): {m!r}".replace("\n", "\n  ") for name, m in self._modules.items()]
        if not lines and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        body = "\n  ".join([*extra.split("\n")[: None if extra else 0], *lines])
        return f"{type(self).__name__}(\n  {body}\n)"
