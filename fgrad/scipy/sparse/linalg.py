"""scipy.sparse.linalg: systems A x = b solved by products with A alone.

A is a matrix or a function of trees like b. Solutions are differentiable, forward and in reverse, by the equation itself
(custom_linear_solve): the iterations are not kept. They stop where |b - A x| <= max(tol |b|, atol), or at maxiter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import fgrad.numpy as jnp
from fgrad import lax, tree
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller

__all__ = ["bicgstab", "cg", "gmres"]

Op = Callable[[Any], Any]


def cg(A: Any, b: Any, x0: Any = None, *, tol: float = 1e-5, atol: float = 0.0, maxiter: int | None = None, M: Any = None) -> tuple[Any, None]:  # noqa: N803  # SciPy's names
    """(x, None) with A x = b by conjugate gradients, A Hermitian and positive definite. M: nearly A^-1.

    Raises ValueError for a matrix that is not square and for trees of other structures. Source: Hestenes & Stiefel 1952.

    >>> a = jnp.array([[4.0, 1.0], [1.0, 3.0]])
    >>> jnp.round(cg(a, jnp.array([1.0, 2.0]))[0], 4)
    Array([0.0909, 0.6364], dtype=float32)
    """
    return _solved(_cg, A, b, x0, tol, atol, maxiter, M, symmetric=True)


def bicgstab(A: Any, b: Any, x0: Any = None, *, tol: float = 1e-5, atol: float = 0.0, maxiter: int | None = None, M: Any = None) -> tuple[Any, None]:  # noqa: N803  # SciPy's names
    """(x, None) with A x = b by stabilised biconjugate gradients, A any square matrix. M: nearly A^-1. Source: van der Vorst 1992."""
    return _solved(_bicgstab, A, b, x0, tol, atol, maxiter, M)


def gmres(A: Any, b: Any, x0: Any = None, *, tol: float = 1e-5, atol: float = 0.0, restart: int = 20, maxiter: int | None = None, M: Any = None,  # noqa: N803  # SciPy's names
          solve_method: str = "batched") -> tuple[Any, None]:  # fmt: skip
    """(x, None) with A x = b by least residuals over Krylov spaces of `restart` vectors, A any square matrix. M: nearly A^-1.

    maxiter counts restarts.  solve_method: "batched" or "incremental", of one result here.  Source: Saad & Schultz 1986.
    """
    if solve_method not in ("batched", "incremental"):
        raise ArgumentError(f"invalid solve_method {solve_method}, must be either 'incremental' or 'batched'", where=caller(), fix="use one of them")

    def solver(matvec: Op, b: Any, x: Any, limit: Any, most: int, near: Op) -> Any:
        return _gmres(matvec, b, x, limit, most, near, min(restart, b.shape[0]))

    return _solved(solver, A, b, x0, tol, atol, maxiter, M)


def _operator(a: Any, name: str) -> Op:
    if callable(a):
        return a  # type: ignore[no-any-return]
    if getattr(a, "ndim", 0) != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"linear operator {name} must be a square matrix or a function, found shape {getattr(a, 'shape', None)}", where=caller(),
                         fix="give one of them")  # fmt: skip
    matrix = jnp.asarray(a)
    return lambda x: matrix @ x


def _solved(solver: Callable[..., Any], a: Any, b: Any, x0: Any, tol: float, atol: float, maxiter: int | None, m: Any, *,
            symmetric: bool = False) -> tuple[Any, None]:  # fmt: skip
    """What the three share: trees as vectors, where to stop, derivatives."""
    b = tree.map(jnp.asarray, b)
    start = tree.map(jnp.zeros_like, b) if x0 is None else tree.map(jnp.asarray, x0)
    matvec, near = _operator(a, "A"), (lambda x: x) if m is None else _operator(m, "M")
    if tree.structure(start) != tree.structure(b) or [x.shape for x in tree.leaves(start)] != [x.shape for x in tree.leaves(b)]:
        raise ShapeError("arrays in x0 and b must have matching shapes", where=caller(), fix="give x0 of the structure and shapes of b")
    build = _builder(b)
    size = sum(x.size for x in tree.leaves(b))
    most = 10 * size if maxiter is None else maxiter

    def flat(f: Op) -> Op:
        return lambda v: _ravel(f(build(v)))

    def solve(f: Op, rhs: Any) -> Any:
        vector = _ravel(rhs)
        limit = jnp.maximum(tol * jnp.linalg.norm(vector), atol)
        return build(solver(flat(f), vector, _ravel(start).astype(vector.dtype), limit, most, flat(near)))

    x = lax.custom_linear_solve(matvec, b, solve, None if symmetric else solve, symmetric)
    return x, None


def _ravel(x: Any) -> Any:
    return jnp.concatenate([jnp.ravel(v) for v in tree.leaves(x)])


def _builder(like: Any) -> Op:
    leaves, spec = tree.flatten(like)

    def build(v: Any) -> Any:
        parts, at = [], 0
        for x in leaves:
            n = math.prod(x.shape)
            parts.append(v[at : at + n].reshape(x.shape).astype(x.dtype))
            at += n
        return tree.unflatten(spec, parts)

    return build


def _dot(x: Any, y: Any) -> Any:
    return jnp.vdot(x, y)


def _ratio(x: Any, y: Any) -> Any:
    """x / y, 0 where y is."""
    return jnp.where(y == 0, 0, x / jnp.where(y == 0, 1, y))


def _cg(matvec: Op, b: Any, x: Any, limit: Any, most: int, near: Op) -> Any:
    r = b - matvec(x)
    z = near(r)

    def go(state: Any) -> Any:
        return (jnp.linalg.norm(state[1]) > limit) & (state[4] < most)

    def body(state: Any) -> Any:
        x, r, p, rz, k = state
        ap = matvec(p)
        alpha = _ratio(rz, _dot(p, ap))
        x, r = x + alpha * p, r - alpha * ap
        z = near(r)
        new = _dot(r, z)
        return x, r, z + _ratio(new, rz) * p, new, k + 1

    return lax.while_loop(go, body, (x, r, z, _dot(r, z), jnp.asarray(0)))[0]


def _bicgstab(matvec: Op, b: Any, x: Any, limit: Any, most: int, near: Op) -> Any:
    r = b - matvec(x)
    shadow, one, zero = r, jnp.ones((), r.dtype), jnp.zeros_like(r)

    def go(state: Any) -> Any:
        return (jnp.linalg.norm(state[1]) > limit) & (state[7] < most) & ~state[8]

    def body(state: Any) -> Any:
        x, r, p, v, alpha, omega, rho, k, _ = state
        new = _dot(shadow, r)
        p = r + _ratio(new, rho) * _ratio(alpha, omega) * (p - omega * v)
        across = near(p)
        v = matvec(across)
        alpha = _ratio(new, _dot(shadow, v))
        s = r - alpha * v
        along = near(s)
        t = matvec(along)
        omega = _ratio(_dot(t, s), _dot(t, t))
        stuck = (new == 0) | ((omega == 0) & (alpha == 0))  # no progress: it has broken down
        return x + alpha * across + omega * along, s - omega * t, p, v, alpha, omega, new, k + 1, stuck

    state = (x, r, zero, zero, one, one, one, jnp.asarray(0), jnp.asarray(False))
    return lax.while_loop(go, body, state)[0]


def _gmres(matvec: Op, b: Any, x: Any, limit: Any, most: int, near: Op, restart: int) -> Any:
    n = b.shape[0]

    def stretch(x: Any, r: Any) -> Any:
        """The best x within `restart` more vectors."""
        beta = jnp.linalg.norm(r)
        basis = jnp.zeros((restart + 1, n), b.dtype).at[0].set(_ratio(r, beta).astype(b.dtype))
        h = jnp.zeros((restart + 1, restart), b.dtype)

        def grow(j: Any, state: Any) -> Any:
            basis, h = state
            w = matvec(near(basis[j]))
            column = jnp.zeros(restart + 1, b.dtype)
            for _ in range(2):  # twice is enough: Giraud et al. 2005
                part = jnp.conj(basis) @ w
                w, column = w - part @ basis, column + part
            size = jnp.linalg.norm(w)
            alive = size > jnp.finfo(b.dtype).eps * jnp.linalg.norm(column)
            grown = jnp.where(alive, w / jnp.where(alive, size, 1), 0).astype(b.dtype)
            length = jnp.where(alive, size, 0).astype(b.dtype)
            return basis.at[j + 1].set(grown), h.at[:, j].set(column.at[j + 1].add(length))

        basis, h = lax.fori_loop(0, restart, grow, (basis, h))
        goal = jnp.zeros(restart + 1, b.dtype).at[0].set(beta.astype(b.dtype))
        y = jnp.linalg.lstsq(h, goal)[0]
        x = x + near(y @ basis[:restart])
        return x, b - matvec(x)

    def go(state: Any) -> Any:
        return (jnp.linalg.norm(state[1]) > limit) & (state[2] < most)

    return lax.while_loop(go, lambda s: (*stretch(s[0], s[1]), s[2] + 1), (x, b - matvec(x), jnp.asarray(0)))[0]
