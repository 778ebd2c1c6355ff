"""Module: parameters, buffers and children as attributes, a pytree of its trainable parameters; OptimizedModule, a compiled one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from fgrad.errors import ArgumentError
from fgrad.functions.compiled import Compiled, compile
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.formats import formatted
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.nn.hooks import EVERYWHERE
from fgrad.nn.loading import Keys as Keys
from fgrad.nn.parameter import is_lazy
from fgrad.nn.pytree import register_module
from fgrad.nn.saving import Saving


class Module(Saving):
    """Base of layers and models: assign Parameters and Modules as attributes, define `forward`.

    >>> import fgrad
    >>> net = fgrad.nn.Linear(2, 1)
    >>> [name for name, _ in net.named_parameters()]
    ['weight', 'bias']
    """

    def __init_subclass__(cls) -> None:
        register_module(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward` between the hooks, compiled after `compile()`."""
        compiled = self.__dict__.get("_compiled_call_impl")
        if compiled is not None and compiled._original.__self__ is self:
            return compiled(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"] or EVERYWHERE:
            return self._run_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """From now on calls are those of a compiled function (see fgrad.compile, which takes the arguments)."""
        object.__setattr__(self, "_compiled_call_impl", compile(self._call_impl, *args, **kwargs))

    def _optimized(self, fullgraph: bool) -> Module:
        return OptimizedModule(self, fullgraph)

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
        """Moves parameters and buffers to a device and floating ones to a dtype: `to(device)`, `to(dtype)`, `to(tensor)`.

        memory_format is accepted: numbers do not depend on it.
        """
        formatted(None, kwargs.pop("memory_format", None))
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

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """to(device) for tensors whose numbers will be overwritten; they are kept as they are."""
        return self.to(device)

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
    def _get_name(self) -> str:
        return type(self).__name__

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


class OptimizedModule(Module):
    """A Module whose calls are compiled; the original, `_orig_mod`, is its only child and has all attributes.

    Names in its state_dict start with `_orig_mod.`, as PyTorch's.
    """

    def __init__(self, mod: Module, fullgraph: bool = False) -> None:
        super().__init__()
        self._modules["_orig_mod"] = mod
        self.__dict__["_compiled"] = Compiled(mod.__call__, fullgraph)

    @property
    def training(self) -> bool:
        """The original's mode."""
        mod = self.__dict__.get("_modules", {}).get("_orig_mod")
        return True if mod is None else mod.training

    @training.setter
    def training(self, mode: bool) -> None:
        mod = self.__dict__.get("_modules", {}).get("_orig_mod")
        if mod is not None:
            object.__setattr__(mod, "training", mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The original's call, recorded."""
        compiled = self.__dict__["_compiled"]
        mod = self._modules["_orig_mod"]
        return compiled(*args, **kwargs) if compiled._original.__self__ is mod else mod(*args, **kwargs)  # else: a transform's clone

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod" or "_modules" not in self.__dict__:
            return super().__getattr__(name)
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training":
            object.__setattr__(self, name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._modules["_orig_mod"], name)

    def __reduce__(self) -> Any:
        return OptimizedModule, (self._modules["_orig_mod"], self.__dict__["_compiled"]._fullgraph)
