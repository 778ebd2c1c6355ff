"""A weight as its length times its direction, computed before every forward: PyTorch's older form, by a hook."""

from __future__ import annotations

from typing import Any

from fgrad.functions.norms import vector_norm
from fgrad.nn.parameter import Parameter, is_lazy

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except(v: Any, dim: int) -> Any:
    """Euclidean norms over all axes but `dim`, which stays with its length; dim = -1: over all axes, 0-d."""
    if dim == -1:
        return vector_norm(v)
    return vector_norm(v, dim=tuple(i for i in range(v.ndim) if i != dim), keepdim=True) if v.ndim > 1 else v.abs()


def hooked(module: Any, kind: type, name: str) -> int | None:
    """The key of the pre-hook of this kind for this name."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and getattr(hook, "name", None) == name:
            return int(key)
    return None


class WeightNorm:
    """The pre-hook: `name` = g * v / |v|."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Any:
        """The weight of the present g and v."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except(v, self.dim))

    def __call__(self, module: Any, inputs: Any) -> None:
        """Puts the weight into the module."""
        module.__dict__[self.name] = self.compute_weight(module)


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Replaces a parameter by `name_g` (its norms) and `name_v` (itself); every forward starts with `name` = g v / |v|.

    dim: the axis whose entries have norms of their own; None: one norm of the whole.  Returns the module.
    Raises RuntimeError where it is done already, ValueError for a parameter without a shape yet.
    Source: Salimans and Kingma 2016, arXiv:1602.07868.

    >>> import fgrad
    >>> sorted(weight_norm(fgrad.nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    if hooked(module, WeightNorm, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError("The module passed to `WeightNorm` can't have uninitialized parameters. Make sure to run the dummy "
                         "forward before applying weight normalization")  # fmt: skip
    hook = WeightNorm(name, dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm_except(weight.detach(), hook.dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Makes `name` a parameter again, with its present value. ValueError where weight_norm was not applied."""
    key = hooked(module, WeightNorm, name)
    if key is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    weight = module._forward_pre_hooks.pop(key).compute_weight(module).detach()
    for old in (name, name + "_g", name + "_v"):
        delattr(module, old)
    module.register_parameter(name, Parameter(weight))
    return module
