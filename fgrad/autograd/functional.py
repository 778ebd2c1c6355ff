"""PyTorch's autograd.functional: products with and whole Jacobians and Hessians of a function at a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager import autograd as engine
from fgrad.eager import grad as transforms
from fgrad.eager.cell import Cell
from fgrad.functions import Tensor, ones_like, zeros_like
from fgrad.functions.complex import mirrored

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]


def _tuple(x: Any, role: str, name: str) -> tuple[tuple[Any, ...], bool]:
    """Tensors as a tuple, and whether they came as one; PyTorch's TypeErrors."""
    given = x if isinstance(x, tuple) else (x,)
    for i, t in enumerate(given):
        if isinstance(t, Cell):
            continue
        if isinstance(x, tuple):
            raise TypeError(f"The {role} given to {name} must be either a Tensor or a tuple of Tensors but the value at index {i} "
                            f"has type {type(t)}.")  # fmt: skip
        raise TypeError(f"The {role} given to {name} must be either a Tensor or a tuple of Tensors but the given {role} has type {type(x)}.")
    return given, isinstance(x, tuple)


class _Checked:
    """A function whose results are looked at once: tensors, one or several, single numbers or not."""

    def __init__(self, func: Function, name: str) -> None:
        self.func, self.name = func, name
        self.several, self.sizes = False, [0]

    def __call__(self, *args: Any) -> Any:
        out = self.func(*args)
        found, self.several = _tuple(out, "outputs of the user-provided function", self.name)
        self.sizes = [t.numel() for t in found]
        return out


def _vector(v: Any, like: tuple[Any, ...], what: str, single: str) -> tuple[Any, ...]:
    """A vector to multiply with, in the shapes of tensors; 1 where PyTorch lets it out."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {single} a single Tensor with a single element.")
        return (ones_like(like[0]),)
    given, _ = _tuple(v, "v", what)
    if len(given) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
    for i, (t, x) in enumerate(zip(given, like, strict=True)):
        if t.shape != x.shape:
            prefix = f"Entry {i} in v" if len(like) > 1 else "v"
            raise RuntimeError(f"{prefix} has invalid size: should be {x.shape} but got {t.shape}.")
    return given


def _strict(func: Function, inputs: tuple[Any, ...], name: str, second: bool = False) -> None:
    """PyTorch's errors for results (or first derivatives) that do not depend on an input."""
    xs = [x.detach().requires_grad_() for x in inputs]
    outs, _ = _tuple(func(*xs), "outputs of the user-provided function", "jacobian")
    if second:
        outs = engine.gradients([outs[0].sum()], xs, [None], True, True, True, Tensor)
    for i, out in enumerate(outs):
        if not second and not out.requires_grad:
            raise RuntimeError(f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                               "differentiable manner from the input when running in strict mode.")  # fmt: skip
        linear = out is None or not out.requires_grad
        found = [None] * len(xs) if linear else engine.gradients([out.sum()], xs, [None], True, False, True, Tensor)
        for j, g in enumerate(found):
            if g is not None:
                continue
            if second:
                raise RuntimeError(
                    "While computing the hessian, found that the jacobian of the user-provided function with respect to input "
                    f"{i} is independent of {'the input' if linear else f'input {j}'}. This is not allowed in strict mode. You should "
                    "ensure that your function is twice differentiable and that the jacobian depends on the inputs (this would be "
                    "violated by a linear function for example).")  # fmt: skip
            which = f"Output {i}" if name == "jacobian" else "The output"
            raise RuntimeError(f"{which} of the user-provided function is independent of input {j}. This is not allowed in strict mode.")


def _finish(found: Any, create_graph: bool) -> Any:
    """Results, cut off from history unless a graph was asked for."""
    if isinstance(found, tuple | list):
        return tuple(_finish(x, create_graph) for x in found)
    return found if create_graph else found.detach()


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(inputs), v^T J): the product of a vector, in the shape of the result, with the Jacobian.

    inputs: a tensor or a tuple of them.  v: needed unless the result is one number.  create_graph: results can be
    differentiated.  strict: RuntimeError where the result does not depend on an input (else zeros).

    >>> import fgrad as torch
    >>> torch.autograd.functional.vjp(lambda x: x * 2, torch.ones(2), torch.tensor([1.0, 3.0]))
    (tensor([2., 2.]), tensor([2., 6.]))
    """
    xs, several = _tuple(inputs, "inputs", "vjp")
    checked = _Checked(func, "vjp")
    out, pull = transforms.vjp(checked, *xs)
    given = _vector(v, out if isinstance(out, tuple) else (out,), "vjp", "the user-provided function returns")
    if strict:
        _strict(func, xs, "vjp")
    back = mirrored(pull(mirrored(given) if checked.several else mirrored(given[0])))
    return _finish(out, create_graph), _finish(back if several else back[0], create_graph)


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(inputs), J v): the product of the Jacobian with a vector in the shape of the inputs. Arguments as in `vjp`."""
    xs, _ = _tuple(inputs, "inputs", "jvp")
    given = _vector(v, xs, "jvp", "the input to the user-provided function is")
    if strict:
        _strict(func, xs, "jvp")
    out, moved = transforms.jvp(_Checked(func, "jvp"), xs, given)
    return _finish(out, create_graph), _finish(moved, create_graph)


def jacobian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The Jacobian: float[*result, *input]; tuples of them, results first, where there are several.

    create_graph, strict: as in `vjp`.  vectorize is accepted: rows are always computed together.  strategy:
    "reverse-mode", or "forward-mode" for more results than inputs.

    >>> import fgrad as torch
    >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    xs, several = _tuple(inputs, "inputs", "jacobian")
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
                             'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".')  # fmt: skip
    if strict:
        _strict(func, xs, "jacobian")
    make = transforms.jacfwd if strategy == "forward-mode" else transforms.jacrev
    found = make(_Checked(func, "jacobian"), tuple(range(len(xs))) if several else 0)(*xs)
    return _finish(found, create_graph)


def _single(func: Function, name: str, several: str) -> Function:
    """A function whose result must be one number, made 0-d."""

    def run(*args: Any) -> Any:
        out = func(*args)
        if isinstance(out, tuple):
            raise RuntimeError(several)
        _tuple(out, "outputs of the user-provided function", name)
        if out.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return out.reshape(())

    return run


def hessian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The second derivatives of a function with one number as result: float[*input i, *input j], by (i, j) for tuples.

    Arguments as in `jacobian`; outer_jacobian_strategy is that of the outer derivative.
    """
    xs, several = _tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    scalar = _single(func, "hessian", "The function given to hessian should return a single Tensor")
    if strict:
        _strict(scalar, xs, "hessian", second=True)
    outer = transforms.jacfwd if outer_jacobian_strategy == "forward-mode" else transforms.jacrev
    nums = tuple(range(len(xs))) if several else 0
    return _finish(outer(transforms.grad(scalar, nums), nums)(*xs), create_graph)


def _second(func: Function, inputs: Any, v: Any, name: str, strict: bool) -> tuple[Any, Sequence[Any], Sequence[Any], bool]:
    xs, several = _tuple(inputs, "inputs", name)
    given = _vector(v, xs, name, "the input to the user-provided function is")
    scalar = _single(func, name, f"The function given to {name} should return a single Tensor")
    if strict:
        _strict(scalar, xs, name, second=True)
    return scalar, xs, given, several


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(inputs), v^T H) for a function with one number as result. Arguments as in `vjp`, v in the shape of the inputs."""
    scalar, xs, given, several = _second(func, inputs, v, "vhp", strict)
    nums = tuple(range(len(xs)))
    (value, _), pull = transforms.vjp(transforms.value_and_grad(scalar, nums), *xs)
    back = pull((zeros_like(value), tuple(given)))
    return _finish(value, create_graph), _finish(back if several else back[0], create_graph)


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(inputs), H v), as `vhp` but forward over reverse."""
    scalar, xs, given, several = _second(func, inputs, v, "hvp", strict)
    (value, _), (_, moved) = transforms.jvp(transforms.value_and_grad(scalar, tuple(range(len(xs)))), tuple(xs), tuple(given))
    return _finish(value, create_graph), _finish(moved if several else moved[0], create_graph)
