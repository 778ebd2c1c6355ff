"""Hessian-vector products, forward over reverse, and Newton's step by conjugate gradients without a Hessian."""

import fgrad
import fgrad.numpy as jnp
from fgrad import lax


def f(x):
    """A smooth convex function of float[n]."""
    return jnp.sum(jnp.log(jnp.cosh(x))) + 0.5 * jnp.sum((x[1:] - x[:-1]) ** 2) + jnp.sum(x**2)


def hvp(f, x, v):
    """(d^2 f / dx^2) v: the tangent of the gradient along v."""
    return fgrad.jvp(fgrad.grad(f), (x,), (v,))[1]


def conjugate_gradients(a, b, steps):
    """Solves a(x) = b for a symmetric positive definite linear `a`, as a loop inside the program."""

    def body(_, state):
        x, r, p = state
        ap = a(p)
        rr = jnp.sum(r * r)
        alpha = rr / jnp.maximum(jnp.sum(p * ap), 1e-30)
        x, r = x + alpha * p, r - alpha * ap
        beta = jnp.sum(r * r) / jnp.maximum(rr, 1e-30)
        return x, r, r + beta * p

    zero = jnp.zeros_like(b)
    return lax.fori_loop(0, steps, body, (zero, b, b))[0]


@fgrad.jit
def newton(x):
    """One Newton step."""
    return x - conjugate_gradients(lambda v: hvp(f, x, v), fgrad.grad(f)(x), 20)


def main(n=10, steps=6):
    """Minimises f; returns the norms of the gradient."""
    x = jnp.linspace(-2.0, 3.0, n)
    norms = [float(jnp.linalg.norm(fgrad.grad(f)(x)))]
    for _ in range(steps):
        x = newton(x)
        norms.append(float(jnp.linalg.norm(fgrad.grad(f)(x))))
    return norms


if __name__ == "__main__":
    print(" ".join(f"{v:.2e}" for v in main()))
