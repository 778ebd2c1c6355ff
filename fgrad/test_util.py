"""jax.test_util: derivatives held against finite differences along random directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.convert import as_cell
from fgrad.eager.grad import jvp, vjp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["check_grads", "check_jvp", "check_vjp"]

EPS = 1 / 2048
TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-1, "float32": 2e-3, "float64": 1e-5, "complex64": 1e-3, "complex128": 1e-5}
Function = Callable[..., Any]


def _numbers(x: Any) -> Any:
    return np.asarray(as_cell(x))


def _direction(x: Any, rng: Any) -> Any:
    """Normal numbers of the shape and dtype of `x`, zeros for integers."""
    a = _numbers(x)
    d = rng.standard_normal(a.shape) + (1j * rng.standard_normal(a.shape) if a.dtype.kind == "c" else 0)
    return as_cell(np.asarray(d if a.dtype.kind in "fcV" else np.zeros(a.shape)).astype(a.dtype))


def _inexact(x: Any) -> bool:
    return _numbers(x).dtype.kind in "fcV"


def _moved(x: Any, d: Any, step: float) -> Any:
    a = _numbers(x)
    return as_cell((a + step * _numbers(d)).astype(a.dtype)) if _inexact(x) else x


def _difference(f: Function, args: Any, tangents: Any, eps: float) -> Any:
    """(f(x + eps d) - f(x - eps d)) / (2 eps)."""
    up, down = (f(*tree.map(lambda x, d, s=sign: _moved(x, d, s * eps), args, tangents)) for sign in (1, -1))
    return tree.map(lambda a, b: (_numbers(a) - _numbers(b)) / (2 * eps), up, down)


def _close(found: Any, wanted: Any, atol: float | None, rtol: float | None, message: str) -> None:
    for a, b in zip(tree.leaves(found), tree.leaves(wanted), strict=True):
        x, y = _numbers(a), np.asarray(b)
        if x.dtype.kind not in "fcV":
            continue
        tol = TOLERANCE[x.dtype.name]
        np.testing.assert_allclose(x, y, atol=tol if atol is None else atol, rtol=tol if rtol is None else rtol, err_msg=message)


def check_jvp(f: Function, f_jvp: Function, args: Sequence[Any], atol: float | None = None, rtol: float | None = None,
              eps: float | None = None, err_msg: str = "") -> None:  # fmt: skip
    """Holds f_jvp(args, tangents) = (f(*args), J tangents) against differences of step `eps` (1/2048).

    args: trees of arrays and numbers.  atol, rtol: by the result's dtype unless given (2e-3 for float32, 1e-5 for float64).
    Raises AssertionError.

    >>> import fgrad, fgrad.numpy as jnp
    >>> check_jvp(jnp.sin, lambda x, t: fgrad.jvp(jnp.sin, x, t), (jnp.arange(3.0),))
    """
    rng = np.random.default_rng(0)
    args = tuple(args)
    tangents = tree.map(lambda x: _direction(x, rng), args)
    value, moved = f_jvp(args, tangents)
    _close(value, tree.map(_numbers, f(*args)), atol, rtol, f"{err_msg} primal".strip())
    _close(moved, _difference(f, args, tangents, eps or EPS), atol, rtol, f"{err_msg} tangent".strip())


def check_vjp(f: Function, f_vjp: Function, args: Sequence[Any], atol: float | None = None, rtol: float | None = None,
              eps: float | None = None, err_msg: str = "") -> None:  # fmt: skip
    """Holds f_vjp(*args) = (f(*args), pullback) against differences: <ct, J d> = <pullback(ct), d> for random ct and d.

    The arguments are those of check_jvp. Raises AssertionError.
    """
    rng = np.random.default_rng(0)
    args = tuple(args)
    value, pull = f_vjp(*args)
    _close(value, tree.map(_numbers, f(*args)), atol, rtol, f"{err_msg} primal".strip())
    tangents = tree.map(lambda x: _direction(x, rng), args)
    moved = _difference(f, args, tangents, eps or EPS)
    cts = tree.map(lambda y: _direction(y, rng), value)
    found = pull(cts)
    given = sum(_dot(a, b) for a, b in zip(tree.leaves(found), tree.leaves(tangents), strict=True) if _inexact(b))
    wanted = sum(_dot(a, b) for a, b in zip(tree.leaves(cts), tree.leaves(moved), strict=True) if _inexact(a))
    kinds = [_numbers(x).dtype.name for x in tree.leaves((args, value)) if _inexact(x)]
    tol = max([TOLERANCE[k] for k in kinds], default=1e-5)
    np.testing.assert_allclose(given, wanted, atol=tol if atol is None else atol, rtol=tol if rtol is None else rtol,
                               err_msg=f"{err_msg} cotangent".strip())  # fmt: skip


def _dot(a: Any, b: Any) -> Any:
    x, y = (np.asarray(_numbers(v)).astype("c16" if _numbers(v).dtype.kind == "c" else "f8") for v in (a, b))
    return (x * y).sum().real


def check_grads(f: Function, args: Sequence[Any], order: int, modes: Sequence[str] = ("fwd", "rev"), atol: float | None = None,
                rtol: float | None = None, eps: float | None = None) -> None:  # fmt: skip
    """Holds the derivatives of f up to `order`, in all combinations of modes, against finite differences.

    args: trees of arrays and numbers.  modes: "fwd", "rev" or both.  Tolerances as in check_jvp.  Raises AssertionError.

    >>> import fgrad, fgrad.numpy as jnp
    >>> check_grads(lambda x: jnp.sin(x) * x, (jnp.arange(3.0),), order=2)
    """
    if not set(modes) <= {"fwd", "rev"}:
        raise ArgumentError(f"check_grads: modes={modes!r}", where=caller(), fix='use "fwd", "rev" or both')
    _check(f, tuple(args), order, tuple(modes), partial(dict, atol=atol, rtol=rtol, eps=eps)(), "")


def _check(f: Function, args: Any, order: int, modes: tuple[str, ...], options: dict[str, Any], path: str) -> None:
    if not order:
        return
    rng = np.random.default_rng(order)
    if "fwd" in modes:
        check_jvp(f, partial(jvp, f), args, err_msg=f"{path} jvp".strip(), **options)
        tangents = tree.map(lambda x: _direction(x, rng), args)
        _check(lambda *xs: jvp(f, xs, tangents), args, order - 1, modes, options, f"{path} jvp")
    if "rev" in modes:
        check_vjp(f, partial(vjp, f), args, err_msg=f"{path} vjp".strip(), **options)
        cts = tree.map(lambda y: _direction(y, rng), f(*args))

        def pulled(*xs: Any) -> Any:
            value, pull = vjp(f, *xs)
            return value, pull(cts)

        _check(pulled, args, order - 1, modes, options, f"{path} vjp")
