"""A line search to Wolfe's conditions, as a pure transform: update(updates, state, params, value=, grad=, value_fn=, ...).

Along f(t) = value_fn(params + t updates) an interval that holds a good step is found by growing steps, then narrowed by
minima of cubics and parabolas through what was seen, or by halves.
Sources: Nocedal & Wright 2006, algorithms 3.5 and 3.6; Hager & Zhang 2006; steps agree with optax.scale_by_zoom_linesearch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import fgrad.numpy as jnp
from fgrad import lax
from fgrad.eager.grad import value_and_grad
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim import trees
from fgrad.optim.leafwise import GradientTransformation, choose, demand


class ZoomLinesearchInfo(NamedTuple):
    """How the last search ended: values of the loss it took, and by how much each condition is missed (0: it holds)."""

    num_linesearch_steps: Any
    decrease_error: Any
    curvature_error: Any


class ScaleByZoomLinesearchState(NamedTuple):
    """The last step length, the loss and gradient where it led, and how it was found."""

    learning_rate: Any
    value: Any
    grad: Any
    info: ZoomLinesearchInfo


class Point(NamedTuple):
    """A place on the line: step length, loss, slope."""

    at: Any
    value: Any
    slope: Any


class Search(NamedTuple):
    """A search in progress.

    low, high: ends of the interval, low the one with the smaller loss (not the shorter step).  third: the end it had
    before.  best: the place to take if curvature cannot be had.
    """

    count: Any
    now: Point
    grad: Any
    low: Point
    high: Point
    third: Point
    best: Point
    best_grad: Any
    misses: tuple[Any, Any]  # of decrease and of curvature
    found: Any  # whether there is an interval
    done: Any
    failed: Any


class UnknownKeywordError(ArgumentError, TypeError):
    """A keyword the loss does not take."""


def keywords_of(value_fn: Callable[..., Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The keyword arguments of update, all of which the loss must take."""
    known = inspect.signature(value_fn).parameters
    odd = sorted(k for k in given if k not in known)
    if odd:
        raise UnknownKeywordError(f"{name}: value_fn takes no {', '.join(odd)}", where=caller(), fix="pass update what the loss takes")
    return dict(given)


def scale_by_zoom_linesearch(max_linesearch_steps: int, max_learning_rate: float | None = None, tol: float = 0.0, increase_factor: float = 2.0,
                             slope_rtol: float = 1e-4, curv_rtol: float = 0.9, approx_dec_rtol: float | None = 1e-6,
                             stepsize_precision: float = 1e-5, initial_guess_strategy: str = "keep",
                             verbose: bool = False) -> GradientTransformation:  # fmt: skip
    """u -> t u with f(t) <= f(0) + slope_rtol t f'(0) + tol and |f'(t)| <= curv_rtol |f'(0)| + tol, f the loss along u.

    approx_dec_rtol: where f(t) <= f(0) + approx_dec_rtol |f(0)|, f'(t) <= (2 slope_rtol - 1) f'(0) may stand for the first.
    initial_guess_strategy: the search begins at the last step ("keep") or at 1 ("one").  increase_factor: how steps grow
    until an interval is found.  stepsize_precision: the shortest interval; then, and after max_linesearch_steps, the lowest
    place that has decreased enough is taken.  The state keeps loss and gradient there, for value_and_grad_from_state.
    Raises TypeError for keywords of update that value_fn does not take.

    >>> import fgrad, fgrad.numpy as jnp
    >>> opt = fgrad.optim.chain(fgrad.optim.sgd(1.0), scale_by_zoom_linesearch(15))
    >>> f, p = lambda p: (p**2).sum(), jnp.array([1.0, 2.0])
    >>> value, grad = fgrad.value_and_grad(f)(p)
    >>> opt.update(grad, opt.init(p), p, value=value, grad=grad, value_fn=f)[0]
    Array([-1., -2.], dtype=float32)
    """
    if initial_guess_strategy not in ("keep", "one"):
        raise ArgumentError(f"Unknown initial guess strategy: {initial_guess_strategy}", where=caller(), fix="use 'keep' or 'one'")
    rules = Rules(max_linesearch_steps, max_learning_rate, tol, increase_factor, slope_rtol, curv_rtol, approx_dec_rtol, stepsize_precision)

    def init(params: Any) -> ScaleByZoomLinesearchState:
        d = real_dtype(params)
        infinite = jnp.asarray(jnp.inf, dtype=d)
        return ScaleByZoomLinesearchState(jnp.ones((), d), infinite, trees.zeros_like(params), ZoomLinesearchInfo(jnp.asarray(0), infinite, infinite))

    def update(updates: Any, state: Any, params: Any = None, *, value: Any, grad: Any, value_fn: Callable[..., Any],
               **hyper: Any) -> tuple[Any, Any]:  # fmt: skip
        demand(params, "scale_by_zoom_linesearch")
        given = keywords_of(value_fn, hyper, "scale_by_zoom_linesearch")
        d = real_dtype(params)
        guess = state.learning_rate if initial_guess_strategy == "keep" else jnp.ones((), d)
        start = Point(jnp.zeros((), d), jnp.asarray(value).astype(d), jnp.real(trees.vdot(updates, grad)).astype(d))

        def look(t: Any) -> tuple[Point, Any]:
            new, g = value_and_grad(value_fn)(trees.cast_like(trees.add_scale(params, t, updates), params), **given)
            return Point(t, new.astype(d), jnp.real(trees.sum(trees.mul(g, updates))).astype(d)), g

        end = lax.while_loop(lambda s: ~(s.done | s.failed), lambda s: _step(rules, look, start, guess, s), _begin(start, grad))
        info = ZoomLinesearchInfo(end.count, *end.misses)
        scaled = trees.cast_like(trees.scale(end.now.at, updates), updates)
        return scaled, ScaleByZoomLinesearchState(end.now.at, end.now.value, trees.cast_like(end.grad, state.grad), info)

    return GradientTransformation(init, update)


class Rules(NamedTuple):
    """The numbers of a search."""

    most: int
    longest: float | None
    tol: float
    growth: float
    slope_rtol: float
    curv_rtol: float
    approx_dec_rtol: float | None
    shortest: float

    def misses(self, p: Point, start: Point) -> tuple[Any, Any]:
        """By how much a place misses decrease and curvature; infinite for NaN."""
        decrease = p.value - start.value - self.slope_rtol * p.at * start.slope
        if self.approx_dec_rtol is not None:
            near = p.value - start.value - self.approx_dec_rtol * jnp.abs(start.value)
            decrease = jnp.minimum(jnp.maximum(p.slope - (2 * self.slope_rtol - 1.0) * start.slope, near), decrease)
        curvature = jnp.abs(p.slope) - self.curv_rtol * jnp.abs(start.slope)
        bounded = [jnp.where(jnp.isnan(m), jnp.inf, jnp.maximum(m, 0.0)) for m in (decrease, curvature)]
        return bounded[0], bounded[1]


def real_dtype(params: Any) -> Any:
    """The dtype of losses: that of the first parameter, without its imaginary part."""
    return jnp.real(jnp.zeros((), trees._leaves(params)[0].dtype)).dtype


def _begin(start: Point, grad: Any) -> Search:
    infinite, no = jnp.full_like(start.value, jnp.inf), jnp.asarray(False)
    return Search(jnp.asarray(0), start, grad, start, start, start, start, grad, (infinite, infinite), no, no, no)


def _step(rules: Rules, look: Callable[[Any], tuple[Point, Any]], start: Point, guess: Any, s: Search) -> Search:
    """One value of the loss: a longer step, or one inside the interval."""
    new: Search = lax.cond(s.found, lambda s: _zoom(rules, look, start, s), lambda s: _grow(rules, look, start, guess, s), s)
    stand_in = new.failed & ((new.best.at > 0.0) | jnp.isinf(new.misses[0]))
    return new._replace(now=choose(stand_in, new.best, new.now), grad=choose(stand_in, new.best_grad, new.grad))


def _grow(rules: Rules, look: Callable[[Any], tuple[Point, Any]], start: Point, guess: Any, s: Search) -> Search:
    """Until the loss rises, or slopes upwards, the steps get longer."""
    t = jnp.where(s.count == 0, guess, rules.growth * s.now.at)
    limit_reached = jnp.asarray(False) if rules.longest is None else t >= rules.longest
    t = t if rules.longest is None else jnp.minimum(t, rules.longest)
    p, grad = look(t)
    misses = rules.misses(p, start)
    good = jnp.maximum(*misses) <= rules.tol
    rises = (misses[0] > 0.0) | ((p.value >= s.now.value) & (s.count > 0))
    turns = (p.slope >= 0.0) & ~rises
    low, high = choose(turns, (p, s.now), (s.now, p))
    found = rises | turns | good
    best, best_grad = choose(misses[0] <= rules.tol, (p, grad), (s.best, s.best_grad))
    done = good | (limit_reached & ~found)
    return Search(s.count + 1, p, grad, low, high, low, best, best_grad, misses, found, done, (s.count + 1 >= rules.most) & ~done)


def _zoom(rules: Rules, look: Callable[[Any], tuple[Point, Any]], start: Point, s: Search) -> Search:
    """A place inside the interval, which becomes one of its ends."""
    low, high = s.low, s.high
    p, grad = look(_inside(low, high, s.third))
    misses = rules.misses(p, start)
    good = jnp.maximum(*misses) <= rules.tol
    lower = (misses[0] <= rules.tol) & (p.value < s.best.value)
    best, best_grad = choose(lower, (p, grad), (s.best, s.best_grad))
    rises = (misses[0] > 0.0) | (p.value >= low.value)
    past = (p.slope * (high.at - low.at) >= 0.0) & ~rises  # the minimum lies on the other side
    third = choose(rises | past, high, low)
    narrowed = choose(rises, p, choose(past, low, high))
    tiny = (jnp.abs(high.at - low.at) <= rules.shortest) & (best.at > 0.0)
    failed = ((s.count + 1 >= rules.most) | tiny) & ~good
    return Search(s.count + 1, p, grad, choose(rises, low, p), narrowed, third, best, best_grad, misses, s.found, good, failed)


def _inside(low: Point, high: Point, third: Point) -> Any:
    """The minimum of the cubic through three places, else that of a parabola, else the middle; not too near the ends."""
    width = jnp.abs(high.at - low.at)
    left, right = jnp.minimum(low.at, high.at), jnp.maximum(low.at, high.at)
    t = (low.at + high.at) / 2.0
    for minimum, margin in ((_parabola(low, high), 0.1), (_cubic(low, high, third), 0.2)):
        t = jnp.where((minimum > left + margin * width) & (minimum < right - margin * width), minimum, t)
    return t


def _parabola(a: Point, b: Point) -> Any:
    """Where the parabola with value and slope of `a` and the value of `b` is least; NaN if nowhere."""
    d = b.at - a.at
    return a.at - a.slope * d * d / (2.0 * (b.value - a.value - a.slope * d))


def _cubic(a: Point, b: Point, c: Point) -> Any:
    """Where the cubic with value and slope of `a` and the values of `b` and `c` is least; NaN if nowhere."""
    d, e = b.at - a.at, c.at - a.at
    over_b, over_c = b.value - a.value - a.slope * d, c.value - a.value - a.slope * e
    scale = (d * e) ** 2 * (d - e)
    third, second = (e * e * over_b - d * d * over_c) / scale, (d**3 * over_c - e**3 * over_b) / scale
    return a.at + (-second + jnp.sqrt(second * second - 3.0 * third * a.slope)) / (3.0 * third)
