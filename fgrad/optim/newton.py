"""L-BFGS and steps by the value of the loss, as pure transforms: update(grads, state, params, value=..., grad=..., value_fn=...)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fgrad.numpy as jnp
from fgrad import lax, tree
from fgrad.eager.grad import value_and_grad
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim import trees
from fgrad.optim.combining import chain
from fgrad.optim.leafwise import GradientTransformation, choose, demand, empty, increment, zero_count
from fgrad.optim.transform import identity, scale, scale_by_learning_rate
from fgrad.optim.zoom import keywords_of, real_dtype, scale_by_zoom_linesearch


class ScaleByLBFGSState(NamedTuple):
    """Step count, the last parameters and gradients, and the last changes of both with 1 / their product, stacked."""

    count: Any
    params: Any
    updates: Any
    diff_params_memory: Any
    diff_updates_memory: Any
    weights_memory: Any


class ScaleByBacktrackingLinesearchState(NamedTuple):
    """The last step length, and the loss and gradient where it led."""

    learning_rate: Any
    value: Any
    grad: Any


def scale_by_lbfgs(memory_size: int = 10, scale_init_precond: bool = True) -> GradientTransformation:
    """g -> H g, H the inverse Hessian as the last memory_size changes of parameters and gradients show it.

    scale_init_precond: H begins as the identity times s'y / y'y (at the first step min(1, 1 / |g|)).
    Source: Nocedal & Wright 2006, algorithm 7.4; optax.scale_by_lbfgs.
    """
    if memory_size < 1:
        raise ArgumentError(f"memory_size={memory_size}", where=caller(), fix="use 1 or more")

    def init(params: Any) -> ScaleByLBFGSState:
        zeros = trees.zeros_like(params)
        stacked = tree.map(lambda p: jnp.broadcast_to(p, (memory_size, *p.shape)), zeros)
        return ScaleByLBFGSState(zero_count(), zeros, zeros, stacked, stacked, jnp.broadcast_to(trees.vdot(zeros, zeros), (memory_size,)))

    def update(grads: Any, state: ScaleByLBFGSState, params: Any = None, **hyper: Any) -> tuple[Any, ScaleByLBFGSState]:
        demand(params, "scale_by_lbfgs")
        moved, turned = trees.sub(params, state.params), trees.sub(grads, state.updates)
        product = trees.vdot(turned, moved)
        weight = jnp.where(product == 0, 0.0, 1 / jnp.where(product == 0, 1.0, product))
        later, at = state.count > 0, (state.count - 1) % memory_size
        moved, turned, weight = (choose(later, x, trees.zeros_like(x)) for x in (moved, turned, weight))
        memory = tree.map(lambda m, x: m.at[at].set(x), (state.diff_params_memory, state.diff_updates_memory, state.weights_memory),
                          (moved, turned, weight))  # fmt: skip
        size: Any = 1.0
        if scale_init_precond:
            bend = trees.norm(turned, squared=True)
            first = jnp.minimum(1.0, 1 / trees.norm(lax.stop_gradient(grads)))
            size = jnp.where(later, jnp.where(bend > 0, product / jnp.where(bend > 0, bend, 1.0), 1.0), first)
        order = [(state.count + i) % memory_size for i in range(memory_size)]
        step = trees.cast_like(_two_loops(grads, memory, order, size), grads)
        return step, ScaleByLBFGSState(increment(state.count), trees.cast_like(params, params), grads, *memory)

    return GradientTransformation(init, update)


def _two_loops(g: Any, memory: tuple[Any, Any, Any], order: list[Any], size: Any) -> Any:
    """H g, changes from the oldest to the newest in `order`."""
    rows = [tuple(tree.map(lambda m, i=i: m[i], part) for part in memory) for i in order]
    shares = []
    for moved, turned, weight in reversed(rows):
        share = weight * trees.vdot(moved, g)
        g = trees.add_scale(g, -share, turned)
        shares.append(share)
    g = trees.scale(size, g)
    for (moved, turned, weight), share in zip(rows, reversed(shares), strict=True):
        g = trees.add_scale(g, share - weight * trees.vdot(turned, g), moved)
    return g


def scale_by_backtracking_linesearch(max_backtracking_steps: int, slope_rtol: float = 1e-4, decrease_factor: float = 0.8,
                                     increase_factor: float = 1.5, max_learning_rate: float | None = 1.0, atol: float = 0.0,
                                     rtol: float = 0.0, store_grad: bool = False,
                                     verbose: bool = False) -> GradientTransformation:  # fmt: skip
    """u -> t u with the first t of a falling row for which value_fn(p + t u) <= (1 + rtol) value + slope_rtol t g'u + atol.

    update(u, state, params, value=, grad=, value_fn=); the row begins at increase_factor times the last t, at most max_learning_rate.
    store_grad: the state keeps loss and gradient there, for value_and_grad_from_state. Other keywords of update go to value_fn.
    Source: Armijo 1966; optax.
    """

    def init(params: Any) -> ScaleByBacktrackingLinesearchState:
        grad = trees.zeros_like(params) if store_grad else None
        d = real_dtype(params)
        return ScaleByBacktrackingLinesearchState(jnp.ones((), d), jnp.asarray(jnp.inf, dtype=d), grad)

    def update(updates: Any, state: Any, params: Any = None, *, value: Any, grad: Any, value_fn: Callable[..., Any],
               **hyper: Any) -> tuple[Any, Any]:  # fmt: skip
        demand(params, "scale_by_backtracking_linesearch")
        slope, start = trees.vdot(updates, grad), jnp.asarray(value)
        given = keywords_of(value_fn, hyper, "scale_by_backtracking_linesearch")

        def excess(t: Any) -> tuple[Any, Any]:
            new = value_fn(trees.cast_like(trees.add_scale(params, t, updates), params), **given)
            limit = (1 + rtol) * start + slope_rtol * t * slope + atol
            return new, jnp.where(jnp.isnan(new), jnp.inf, new - limit)

        def body(s: Any) -> Any:
            t = s[0] * decrease_factor
            return (t, *excess(t), s[3] + 1)

        first = state.learning_rate * increase_factor
        first = first if max_learning_rate is None else jnp.minimum(first, max_learning_rate)
        t, new, over, _ = lax.while_loop(lambda s: (s[2] > 0) & (s[3] < max_backtracking_steps), body, (first, *excess(first), jnp.asarray(0)))
        t, new = jnp.where(jnp.isfinite(over), t, 0.0), jnp.where(jnp.isfinite(over), new, start)
        scaled = trees.cast_like(trees.scale(t, updates), updates)
        kept = value_and_grad(value_fn)(trees.add_scale(params, t, updates), **given)[1] if store_grad else None
        return scaled, ScaleByBacktrackingLinesearchState(t, new, kept)

    return GradientTransformation(init, update)


def value_and_grad_from_state(value_fn: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """value_and_grad of `value_fn` as f(params, *args, state=...), read from a line search's state where it has both."""

    def find(params: Any, *args: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, grad = trees.get(state, "value"), trees.get(state, "grad")
        if value is None or grad is None:
            raise ArgumentError("the state has no value and gradient", where=caller(), fix="use a line search with store_grad=True")
        d = jnp.asarray(value).dtype

        def fresh(_: Any) -> tuple[Any, Any]:
            new, g = value_and_grad(value_fn)(params, *args, **kwargs)
            return new.astype(d), trees.cast_like(g, grad)

        found: tuple[Any, Any] = lax.cond(jnp.isfinite(value), lambda known: known, fresh, (value, grad))
        return found

    return find


DEFAULT_SEARCH = scale_by_zoom_linesearch(20, initial_guess_strategy="one")


def lbfgs(learning_rate: Any = None, memory_size: int = 10, scale_init_precond: bool = True,
          linesearch: GradientTransformation | None = DEFAULT_SEARCH) -> GradientTransformation:  # fmt: skip
    """L-BFGS: scale_by_lbfgs, -learning_rate (1), and a line search. Source: Liu & Nocedal 1989; optax.lbfgs.

    linesearch: scale_by_zoom_linesearch(20, initial_guess_strategy="one") by default, with which update takes value=, grad=
    and value_fn=; another one, or None.
    """
    base = scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate)
    return chain(scale_by_lbfgs(memory_size, scale_init_precond), base, identity() if linesearch is None else linesearch)


def scale_by_polyak(f_min: Any = 0.0, max_learning_rate: Any = 1.0, eps: Any = 0.0, variant: str = "sps") -> GradientTransformation:
    """g -> g min((value - f_min) / (|g|^2 + eps), max_learning_rate); update(g, state, value=loss).

    variant "sps+": a value below f_min counts as f_min. Source: Polyak 1987; Loizou et al. 2021; optax.scale_by_polyak.
    """
    if variant not in ("sps", "sps+"):
        raise ArgumentError(f"variant={variant!r}", where=caller(), fix="use 'sps' or 'sps+'")

    def update(grads: Any, state: Any, params: Any = None, *, value: Any, **hyper: Any) -> tuple[Any, Any]:
        square = trees.norm(grads, squared=True)
        gap = jnp.asarray(value) - f_min
        gap = jnp.maximum(gap, 0) if variant == "sps+" else gap
        none = square + eps <= jnp.finfo(jnp.float32).eps
        size = jnp.where(none, 0.0, jnp.minimum(gap / jnp.where(none, 1.0, square + eps), max_learning_rate))
        return trees.cast_like(trees.scale(size, grads), grads), state

    return GradientTransformation(empty, update)


def polyak_sgd(max_learning_rate: Any = 1.0, scaling: Any = 1.0, f_min: Any = 0.0, eps: Any = 0.0,
               variant: str = "sps") -> GradientTransformation:  # fmt: skip
    """-scaling g times Polyak's step; update(g, state, value=loss). Source: Loizou et al. 2021; optax.polyak_sgd."""
    return chain(scale_by_learning_rate(scaling), scale_by_polyak(f_min, max_learning_rate, eps, variant))
