"""The transforms whose signatures or results are PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager import grad as transforms
from fgrad.errors import ArgumentError
from fgrad.functions.arrange import stack
from fgrad.functions.complex import mirrored
from fgrad.ir.apply import caller
from fgrad.nn import Module
from fgrad.nn.normalisation import BatchNorm

Function = Callable[..., Any]


def grad_and_value(func: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns (gradient, value) of the scalar `func`; with has_aux (gradient, (value, aux)).

    >>> import fgrad as torch
    >>> torch.func.grad_and_value(lambda x: x**2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """
    both = transforms.value_and_grad(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, gradient = both(*args, **kwargs)
        return mirrored(gradient), value

    return wrapped


def grad(func: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient function of the scalar `func`, in PyTorch's convention for complex numbers; with has_aux (gradient, aux).

    >>> import fgrad as torch
    >>> torch.func.grad(lambda x: x**2)(torch.tensor(3.0))
    tensor(6.)
    """
    plain = transforms.grad(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        found = plain(*args, **kwargs)
        return (mirrored(found[0]), found[1]) if has_aux else mirrored(found)

    return wrapped


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), the function from cotangents of it to those of the primals), and aux if it returns (output, aux).

    >>> import fgrad as torch
    >>> out, pull = torch.func.vjp(torch.sin, torch.tensor(0.0))
    >>> pull(torch.tensor(2.0))
    (tensor(2.),)
    """
    out, pull, *aux = transforms.vjp(func, *primals, has_aux=has_aux)

    def back(cotangents: Any) -> Any:
        return mirrored(pull(mirrored(cotangents)))

    return (out, back, *aux)


def jvp(func: Function, primals: Sequence[Any], tangents: Sequence[Any], *, strict: bool = False, has_aux: bool = False) -> Any:
    """(func(*primals), its derivative along the tangents), and aux if it returns (output, aux).

    strict is accepted: an output that depends on no primal has a tangent of zeros.

    >>> import fgrad as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    return transforms.jvp(func, primals, tangents, has_aux=has_aux)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """(func(*primals), the function from tangents to the derivative along them)."""
    output, push = transforms.linearize(func, *primals)
    return output, push


def functionalize(func: Function, *, remove: str = "mutations") -> Function:
    """`func` itself: writes in place are recorded as values anyway. remove: "mutations" or "mutations_and_views"."""
    if remove not in ("mutations", "mutations_and_views"):
        raise ArgumentError(f"functionalize(remove={remove!r})", where=caller(), fix='use "mutations" or "mutations_and_views"')
    return func


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """`root`, its BatchNorms changed in place so that they keep no running statistics: vmap needs that."""
    for m in root.modules():
        if isinstance(m, BatchNorm):
            m.track_running_stats = False
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(m, name, None)
    return root


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of models of one structure by name, each stacked along a new first axis, for vmap over functional_call.

    Raises ArgumentError for no models, for models of several classes, or of both train and eval mode.

    >>> import fgrad as torch
    >>> models = [torch.nn.Linear(2, 1) for _ in range(3)]
    >>> params, buffers = torch.func.stack_module_state(models)
    >>> params["weight"].shape
    fgrad.Size([3, 1, 2])
    """
    if not models:
        raise ArgumentError("stack_module_state: Expected at least one model, got 0.", where=caller(), fix="give a list of models")
    if len({m.training for m in models}) > 1:
        raise ArgumentError("stack_module_state: Expected all models to have the same training/eval mode.", where=caller(),
                            fix="call train() or eval() on all of them")  # fmt: skip
    if len({type(m) for m in models}) > 1:
        raise ArgumentError("stack_module_state: Expected all models to be of the same class.", where=caller(), fix="stack each class alone")
    params, buffers = [{k: stack([named[k].detach() for named in found]) for k in found[0]} for found in (
        [dict(m.named_parameters()) for m in models], [dict(m.named_buffers()) for m in models])]  # fmt: skip
    return {k: v.requires_grad_() for k, v in params.items()}, buffers
