"""Pruning: `name` becomes `name_orig` times `name_mask` before every forward: PyTorch's nn.utils.prune."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

from fgrad.functions.creation import ones_like, rand, zeros_like
from fgrad.functions.gradmode import no_grad
from fgrad.functions.norms import vector_norm
from fgrad.functions.ordering import topk
from fgrad.nn.utils.convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer", "RandomStructured",
    "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned", "l1_unstructured",
    "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


class BasePruningMethod(ABC):
    """How a mask is found (`compute_mask`, `PRUNING_TYPE` "unstructured", "structured" or "global"), and the pre-hook it becomes."""

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str | None = None

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """1 where a number of `t` (its importance) stays, 0 where it goes, within the mask so far."""

    def __call__(self, module: Any, inputs: Any) -> None:
        """Puts the pruned tensor into the module."""
        module.__dict__[self._tensor_name] = self.apply_mask(module)

    def apply_mask(self, module: Any) -> Any:
        """The original times the mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        orig = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(orig.dtype) * orig

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prunes `module.<name>` by a new method of this class, within what is pruned already; returns the hook.

        importance_scores: what the mask is computed of, in the tensor's shape (default: the tensor).
        """
        key, old = pruning_of(module, name)
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        if old is not None:
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
            method = container
        orig = getattr(module, name)
        scores = orig if importance_scores is None else scores_like(importance_scores, orig, f"parameter {name} of {module}")
        before = ones_like(orig.detach()) if old is None else getattr(module, name + "_mask").detach().clone()
        with no_grad():
            mask = method.compute_mask(scores.detach(), default_mask=before)
        if old is None:
            delattr(module, name)
            module.register_parameter(name + "_orig", orig)
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(name + "_mask", mask)
        method(module, ())
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """`t` times its mask; no module takes part."""
        scores = t if importance_scores is None else scores_like(importance_scores, t, "tensor t")
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Any) -> None:
        """Makes the pruned tensor the parameter; the mask goes. The hook stays (`prune.remove` takes both)."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        orig = getattr(module, name + "_orig")
        orig.data = self.apply_mask(module).detach()
        for old in (name, name + "_orig", name + "_mask"):
            delattr(module, old)
        module.register_parameter(name, orig)


def pruning_of(module: Any, name: str) -> tuple[Any, Any]:
    """(key, method) of the pruning hook of a tensor, or (None, None)."""
    found = [(k, h) for k, h in module._forward_pre_hooks.items()
             if isinstance(h, BasePruningMethod) and h._tensor_name == name]  # fmt: skip
    if len(found) > 1:
        raise AssertionError(f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a PruningContainer.")
    return found[0] if found else (None, None)


def scores_like(scores: Any, t: Any, what: str) -> Any:
    """The scores; AssertionError in another shape."""
    if scores.shape != t.shape:
        raise AssertionError(f"importance_scores should have the same shape as {what}, got {scores.shape} vs {t.shape}")
    return scores


class PruningContainer(BasePruningMethod):
    """Several methods on one tensor, each within what the ones before left."""

    PRUNING_TYPE = "container"

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = getattr(args[0], "_tensor_name", None)
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Adds one. TypeError for anything else, ValueError for one of another tensor."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer "
                             f"{self}. Found '{method._tensor_name}'")  # fmt: skip
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask after the last method, which sees only what the mask so far leaves."""
        method: Any = self._pruning_methods[-1]
        part = self._left(method, t, default_mask)
        new = default_mask.to(t.dtype).clone()
        new[part] = method.compute_mask(t[part], default_mask=default_mask[part]).to(t.dtype)
        return new

    def _left(self, method: Any, t: Any, mask: Any) -> Any:
        """The index of what a method may prune."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        if method.PRUNING_TYPE == "global":
            return (slice(None),) * t.ndim
        if method.PRUNING_TYPE != "structured":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        if not hasattr(method, "dim"):
            raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
        dim = axis_of(t, method.dim)
        alive = mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
        return (*(slice(None),) * dim, alive)


def axis_of(t: Any, dim: int) -> int:
    """A dimension counted from the front; IndexError outside."""
    if not -t.ndim <= dim < t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")
    return int(dim % t.ndim)


def check_amount(amount: Any) -> None:
    """A share of [0, 1] or a count."""
    if not isinstance(amount, Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if float(amount) < 0 or (not isinstance(amount, Integral) and float(amount) > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def count_of(amount: Any, n: int) -> int:
    """How many of `n` go."""
    count = int(amount) if isinstance(amount, Integral) else round(float(amount) * n)
    if count > n:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={n}")
    return count


class Identity(BasePruningMethod):
    """Prunes nothing: there is a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask so far."""
        return default_mask


class Unstructured(BasePruningMethod):
    """The numbers of least score go: what RandomUnstructured and L1Unstructured share."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Any) -> None:
        check_amount(amount)
        self.amount = amount

    def score(self, t: Any) -> Any:
        """What is ranked."""
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """`amount` numbers (a count, or a share) less."""
        count = count_of(self.amount, t.numel())
        mask = default_mask.reshape(-1).clone()
        if count:
            mask[topk(self.score(t).reshape(-1), count, largest=False)[1]] = 0
        return mask.reshape(default_mask.shape)


    @classmethod
    def apply(cls, module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:  # type: ignore[override]  # as PyTorch's
        """Prunes `module.<name>` by `amount`."""
        return super().apply(module, name, amount, importance_scores=importance_scores)


class RandomUnstructured(Unstructured):
    """Numbers drawn at random go."""

    def score(self, t: Any) -> Any:
        """Uniform draws."""
        return rand(*t.shape, device=t.device)


class L1Unstructured(Unstructured):
    """The smallest numbers go."""

    def score(self, t: Any) -> Any:
        """Absolute values."""
        return t.abs()


class Structured(BasePruningMethod):
    """The channels of least score go: what RandomStructured and LnStructured share."""

    PRUNING_TYPE = "structured"
    amount: Any
    dim: int

    def score(self, t: Any, dim: int) -> Any:
        """What is ranked, one number a channel."""
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """`amount` channels (a count, or a share) less."""
        if t.ndim <= 1:
            raise ValueError("Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                             f"{t.shape} with {t.ndim} dims")  # fmt: skip
        dim = axis_of(t, self.dim)
        n = t.shape[dim]
        count = count_of(self.amount, n)
        if not count:
            return default_mask
        mask = zeros_like(t)
        mask[(*(slice(None),) * dim, topk(self.score(t, dim), n - count)[1])] = 1
        return mask * default_mask.to(mask.dtype)


class RandomStructured(Structured):
    """Channels drawn at random go."""

    def __init__(self, amount: Any, dim: int = -1) -> None:
        check_amount(amount)
        self.amount, self.dim = amount, dim

    def score(self, t: Any, dim: int) -> Any:
        """Uniform draws."""
        return rand(t.shape[dim], device=t.device)


class LnStructured(Structured):
    """The channels of smallest norm of order `n` go."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        check_amount(amount)
        self.amount, self.n, self.dim = amount, n, dim

    @classmethod
    def apply(cls, module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None  # type: ignore[override]  # as PyTorch's
              ) -> Any:  # fmt: skip
        """Prunes `module.<name>` by `amount` channels along `dim`."""
        return super().apply(module, name, amount, n, dim, importance_scores=importance_scores)

    def score(self, t: Any, dim: int) -> Any:
        """Norms of the channels."""
        if self.n in ("fro", "nuc"):
            order = 2.0 if self.n == "fro" else self.n
            if order == "nuc":
                raise ValueError("LnStructured: the nuclear norm is not defined for channels of any shape; use a number or 'fro'")
        else:
            order = float(self.n)
        return vector_norm(t, order, dim=tuple(d for d in range(t.ndim) if d != dim))


class CustomFromMask(BasePruningMethod):
    """What a given mask leaves out goes."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Both masks together."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}")
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """A mask of ones; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """`amount` numbers (a count, or a share of 1) drawn at random become 0; returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """The `amount` numbers of least absolute value (or score) become 0; returns the module.

    >>> import fgrad
    >>> layer = l1_unstructured(fgrad.nn.Linear(4, 2), "weight", amount=0.25)
    >>> sorted(layer.state_dict()), int((layer.weight == 0).sum())
    (['bias', 'weight_mask', 'weight_orig'], 2)
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """`amount` channels along `dim` drawn at random become 0; returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """The `amount` channels along `dim` with the least norm of order `n` become 0; returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """What a mask has 0 for becomes 0; returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any) -> None:
    """Prunes several (module, name) as one tensor. pruning_method: a class, whose arguments are the keywords.

    importance_scores: a dict of (module, name).  Raises TypeError for a method that is not unstructured.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError('Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
                        f"{pruning_method} of type {method.PRUNING_TYPE}")  # fmt: skip
    with no_grad():
        ranked = parameters_to_vector([scores.get((m, name), getattr(m, name)).detach() for m, name in pairs])
        before = parameters_to_vector([getattr(m, name + "_mask", ones_like(getattr(m, name).detach())) for m, name in pairs])
        mask = PruningContainer(method).compute_mask(ranked, before)
    at = 0
    for m, name in pairs:
        x = getattr(m, name)
        custom_from_mask(m, name, mask[at : at + x.numel()].reshape(x.shape))
        at += x.numel()


def remove(module: Any, name: str) -> Any:
    """Makes the pruned tensor the parameter for good. ValueError where nothing was pruned."""
    key, method = pruning_of(module, name)
    if method is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Any) -> bool:
    """True if this module or one below has a pruned tensor."""
    return any(isinstance(h, BasePruningMethod) for m in module.modules() for h in m._forward_pre_hooks.values())
