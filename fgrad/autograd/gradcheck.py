"""gradcheck: derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.eager import autograd as engine
from fgrad.eager import grad as transforms
from fgrad.eager.vmap import vmap
from fgrad.functions import Tensor, enable_grad, no_grad, randn_like, tensor, zeros_like

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A derivative that finite differences contradict."""


def _differentiable(xs: Sequence[Any]) -> list[Any]:
    return [x for x in xs if isinstance(x, Tensor) and x._type.inexact and x.requires_grad]


def _outputs(found: Any) -> list[Any]:
    """The results that have derivatives."""
    return _differentiable(found if isinstance(found, tuple | list) else [found])


def _parts(x: Any) -> Any:
    """The numbers of a tensor as real ones, a complex one as two."""
    a = np.asarray(x.detach().numpy())
    a = np.stack([a.real, a.imag], -1) if a.dtype.kind == "c" else a
    return a.astype("float64").reshape(-1)


class _Check:
    """One function at one point: its analytical and numerical Jacobians, in real numbers, [parts of result, parts of input]."""

    def __init__(self, func: Function, inputs: Sequence[Any], eps: float) -> None:
        self.func, self.inputs, self.eps = func, tuple(inputs), eps
        self.outs = _outputs(func(*self.inputs))
        self.xs = _differentiable(self.inputs)

    def moved(self, x: Any, step: Any) -> list[Any]:
        """The results' numbers with input `x` moved by an array."""
        to = tensor(np.asarray(x.detach().numpy()) + step, dtype=x.dtype)
        with no_grad():
            found = self.func(*[to if t is x else t.detach() if isinstance(t, Tensor) else t for t in self.inputs])
        every = found if isinstance(found, tuple | list) else [found]
        now = [t for t in every if isinstance(t, Tensor) and t._type.inexact]
        return [_parts(t) for t in now[: len(self.outs)]]

    def directions(self, x: Any) -> list[Any]:
        """A step along each real number of `x`."""
        shape, kind = x._type.shape, x._type.dtype
        units = [1.0, 1j] if kind.kind == "c" else [1.0]
        out = []
        for i in range(x._type.size):
            for unit in units:
                step = np.zeros(x._type.size, kind)
                step[i] = unit
                out.append(step.reshape(shape))
        return out

    def numerical(self, x: Any) -> list[Any]:
        """d result / d x by central differences, for each result."""
        columns = []
        for d in self.directions(x):
            above, below = self.moved(x, self.eps * d), self.moved(x, -self.eps * d)
            columns.append([(a - b) / (2 * self.eps) for a, b in zip(above, below, strict=True)])
        return [np.stack([c[i] for c in columns], -1) if columns else np.zeros((_parts(o).size, 0)) for i, o in enumerate(self.outs)]

    def backward(self, out: Any, cts: Sequence[Any]) -> list[list[Any]]:
        """For each cotangent, the gradient of every input."""
        rows = []
        for ct in cts:
            g = engine.gradients([out], self.xs, [tensor(ct, dtype=out.dtype)], True, True, True, Tensor)
            rows.append([zeros_like(x) if t is None else t for x, t in zip(self.xs, g, strict=True)])
        return rows

    def analytical(self, out: Any) -> list[Any]:
        """d out / d input from backward(), for each input."""
        rows = self.backward(out, self.directions(out))
        return [np.stack([_parts(r[j]) for r in rows]) if rows else np.zeros((0, _parts(x).size)) for j, x in enumerate(self.xs)]

    def forward(self, x: Any) -> list[Any]:
        """d result / d x from jvp, for each result."""
        columns = []
        place = next(i for i, t in enumerate(self.inputs) if t is x)

        def run(t: Any) -> Any:
            return tuple(_outputs(self.func(*[t if i == place else u for i, u in enumerate(self.inputs)])))

        for d in self.directions(x):
            _, moved = transforms.jvp(run, (x,), (tensor(d, dtype=x.dtype),))
            columns.append([_parts(t) for t in moved])
        return [np.stack([c[i] for c in columns], -1) for i in range(len(self.outs))] if columns else []


def _mismatch(i: int, j: int, numerical: Any, found: Any, mode: str) -> GradcheckError:
    return GradcheckError(f"{mode}Jacobian mismatch for output {i} with respect to input {j},\nnumerical:{numerical.T}\nanalytical:{found.T}\n")


def _check(c: _Check, atol: float, rtol: float, backward: bool, forward: bool) -> None:
    wanted = [c.numerical(x) for x in c.xs]
    for i, out in enumerate(c.outs):
        found = c.analytical(out) if backward else []
        for j, x in enumerate(c.xs):
            if backward and not np.allclose(found[j], wanted[j][i], rtol, atol, equal_nan=True):
                raise _mismatch(i, j, wanted[j][i], found[j], "")
            if forward and x._type.size and not np.allclose(moved := c.forward(x)[i], wanted[j][i], rtol, atol, equal_nan=True):
                raise _mismatch(i, j, wanted[j][i], moved, "While computing in forward mode: ")


def _check_again(c: _Check, tol: float) -> None:
    """Two backward passes over one graph must agree."""
    for i, out in enumerate(c.outs):
        ct = [np.asarray(randn_like(out.detach()).numpy())]
        for j, (a, b) in enumerate(zip(*(c.backward(out, ct)[0] for _ in range(2)), strict=True)):
            if not np.allclose(_parts(a), _parts(b), 0.0, tol, equal_nan=True):
                raise GradcheckError(f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                                     f"gives different values, although analytical gradient matches numerical gradient, for output {i} "
                                     f"and input {j}. The tolerance for nondeterminism was {tol}.")  # fmt: skip


def _check_batched(c: _Check, rtol: float, atol: float) -> None:
    """vmap over backward must agree with a loop."""
    for i, out in enumerate(c.outs):
        cts = [np.asarray(randn_like(out.detach()).numpy()) for _ in range(3)]
        rows = c.backward(out, cts)
        _, pull = transforms.vjp(lambda *xs, i=i: _outputs(c.func(*_placed(c, xs)))[i], *[x.detach() for x in c.xs])
        for j, g in enumerate(vmap(pull)(tensor(np.stack(cts), dtype=out.dtype))):
            if not np.allclose(_parts(g), np.concatenate([_parts(r[j]) for r in rows]), rtol, atol, equal_nan=True):
                raise GradcheckError(f"For output {i} and input {j}: gradients computed with vmap differ from those of a loop.")


def _placed(c: _Check, xs: Sequence[Any]) -> list[Any]:
    """The inputs with the differentiable ones replaced."""
    new = dict(zip([id(x) for x in c.xs], xs, strict=True))
    return [new.get(id(t), t) for t in c.inputs]


def _validate(inputs: Sequence[Any], outs: Sequence[Any], raw: Any) -> None:
    """PyTorch's refusals and its warning about precision."""
    xs = _differentiable(inputs)
    if not xs:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.")
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor) and x._type.inexact and x.requires_grad and x._type.dtype.name not in ("float64", "complex128"):
            warnings.warn(f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely "
                          "fail if all the inputs are not of double precision floating point or complex. ", stacklevel=3)  # fmt: skip
    if not outs and not isinstance(raw, Tensor | tuple | list):
        raise ValueError(f"Expected Tensor outputs, got {type(raw)}")


def gradcheck(
    func: Function, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """True if the derivatives of `func(*inputs)` agree with central differences of step eps: |a - n| <= atol + rtol |n|.

    inputs: a tensor or a tuple; those with requires_grad, best float64 or complex128, are checked against every result.
    raise_exception: GradcheckError says which Jacobian differs; otherwise False.  nondet_tol: how far two backward
    passes may differ.  check_forward_ad: jvp too.  check_grad_dtypes: gradients must have the inputs' dtypes.
    check_batched_grad: vmap over backward must agree with a loop.  fast_mode is accepted: the whole Jacobian is compared
    in any case.  check_undefined_grad and masked are accepted: absent cotangents are zeros, tensors are dense.

    >>> import fgrad as torch
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    """
    if not (check_backward_ad or check_forward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    try:
        raw = func(*given)
        _validate(given, _outputs(raw), raw)
        c = _Check(func, given, eps)
        _check(c, atol, rtol, check_backward_ad, check_forward_ad)
        _check_again(c, nondet_tol)
        if check_batched_grad:
            _check_batched(c, rtol, atol)
        if check_grad_dtypes:
            _check_dtypes(c)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_dtypes(c: _Check) -> None:
    for out in c.outs:
        for x, g in zip(c.xs, c.backward(out, [np.ones(out._type.shape)])[0], strict=True):
            if g._type.dtype != x._type.dtype:
                raise GradcheckError(f"gradient has dtype {g._type.dtype.name}, its input {x._type.dtype.name}")


def gradgradcheck(
    func: Function, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """As `gradcheck`, for the gradient of `func` as a function of the inputs and of the cotangents grad_outputs (random unless given)."""
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    outs = _outputs(func(*given))
    if grad_outputs is None:
        cts = [randn_like(o.detach()).requires_grad_() for o in outs]
    else:
        cts = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]

    @enable_grad()
    def gradients(*args: Any) -> Any:
        xs, gs = args[: len(given)], args[len(given) :]
        xs = tuple(x.detach().requires_grad_() if isinstance(x, Tensor) and x._type.inexact and not x.requires_grad and o.requires_grad else x
                   for x, o in zip(xs, given, strict=True))  # fmt: skip
        found = engine.gradients(_outputs(func(*xs)), _differentiable(xs), list(gs), True, True, True, Tensor)
        return tuple(g for g in found if g is not None)

    return gradcheck(gradients, (*given, *cts), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
                     check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
                     check_backward_ad=check_rev_over_rev)  # fmt: skip
