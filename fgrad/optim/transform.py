"""Basic transforms: scaling, learning rates, weight decay, clipping, and what applies updates to parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fgrad import tree
from fgrad.errors import ArgumentError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.optim.leafwise import (
    CountState,
    EmptyState,
    GradientTransformation,
    as_cell,
    demand,
    elementwise,
    empty,
    increment,
    like,
    number,
    stateless_by,
    zero_count,
)
from fgrad.optim.rules import rms
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import maximum, minimum, sqrt
from fgrad.primitives.shape import full

Scalars = Mapping[str, Any]


class ScaleByScheduleState(NamedTuple):
    """Step count (int32)."""

    count: Any


class ZeroNansState(NamedTuple):
    """For each parameter, whether its last gradient had NaNs."""

    found_nan: Any


def identity() -> GradientTransformation:
    """g -> g."""
    return GradientTransformation(empty, lambda grads, state, params=None, **hyper: (grads, state))


def stateless(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """The transform g -> f(g, params) of whole trees."""
    return GradientTransformation(empty, lambda grads, state, params=None, **hyper: (f(grads, params), state))


def stateless_with_tree_map(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """The transform g -> f(g, p), leaf by leaf; p is None where no parameters are given."""

    def whole(grads: Any, params: Any) -> Any:
        return tree.map(lambda g: f(g, None), grads) if params is None else tree.map(f, grads, params)

    return stateless(whole)


def set_to_zero() -> GradientTransformation:
    """g -> 0."""
    return stateless_by(_nothing)


def _nothing(g: Any, s: Scalars) -> Any:
    return full(g.shape, 0, g)


def scale(step_size: Any) -> GradientTransformation:
    """g -> step_size * g."""
    return stateless_by(_times, {"step_size": step_size})


def _times(g: Any, s: Scalars) -> Any:
    return g * s["step_size"]


def scale_by_schedule(step_size_fn: Callable[[Any], Any]) -> GradientTransformation:
    """g -> step_size_fn(steps made so far) * g."""

    def update(grads: Any, state: ScaleByScheduleState, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        now = elementwise(_times, grads, scalars={"step_size": step_size_fn(state.count)})
        return now, ScaleByScheduleState(increment(state.count))

    return GradientTransformation(lambda params: ScaleByScheduleState(zero_count()), update)


def scale_by_learning_rate(learning_rate: Any, *, flip_sign: bool = True) -> GradientTransformation:
    """g -> -lr * g; lr a number, an array, or a schedule `f(count) -> lr`; flip_sign=False: lr * g.

    Overridden by update(learning_rate=...). None: -g.
    """
    learning_rate = 1.0 if learning_rate is None else learning_rate
    scheduled = callable(learning_rate)

    def init(params: Any) -> Any:
        return ScaleByScheduleState(zero_count()) if scheduled else EmptyState()

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        lr = hyper.get("learning_rate", hyper.get("lr"))
        if lr is None:
            lr = learning_rate(state.count) if scheduled else learning_rate
        new = elementwise(_descend if flip_sign else _ascend, grads, scalars={"lr": lr})
        return new, ScaleByScheduleState(increment(state.count)) if scheduled else state

    return GradientTransformation(init, update)


def _descend(g: Any, s: Scalars) -> Any:
    return g * -s["lr"]


def _ascend(g: Any, s: Scalars) -> Any:
    return g * s["lr"]


def decay_weights(weight_decay: Any = 0.0) -> GradientTransformation:
    """g -> g + weight_decay * p, weight_decay a number, an array or a schedule; overridden by update(weight_decay=...)."""
    scheduled = callable(weight_decay)

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        demand(params, "add_decayed_weights")
        wd = hyper.get("weight_decay", weight_decay(state.count) if scheduled else weight_decay)
        return elementwise(_decayed, grads, params, scalars={"wd": wd}), CountState(increment(state.count)) if scheduled else state

    return GradientTransformation(lambda params: CountState(zero_count()) if scheduled else EmptyState(), update)


def _decayed(g: Any, p: Any, s: Scalars) -> Any:
    return g + p * s["wd"]


def global_norm(updates: Any) -> Any:
    """sqrt of the sum of squares of every element of a tree."""
    cells = [as_cell(x) for x in tree.leaves(updates)]
    return compose(_global_norm, *cells) if cells else number(0.0)


def _global_norm(*gs: Any) -> Any:
    parts = [c.reduce_sum(g * g, axes=tuple(range(g.ndim))) for g in gs]
    return sqrt(functools.reduce(lambda a, b: a + like(b, a), parts))


def clip_by_global_norm(max_norm: Any) -> GradientTransformation:
    """g -> g * min(1, max_norm / global_norm(g)). Source: Pascanu et al. 2013."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        limit = hyper.get("max_norm", max_norm)
        return elementwise(_clipped, grads, scalars={"norm": global_norm(grads), "limit": limit}), state

    return GradientTransformation(empty, update)


def _clipped(g: Any, s: Scalars) -> Any:
    return c.select(c.lt(s["norm"], s["limit"]), g, g / s["norm"] * s["limit"])


def clip(max_delta: Any) -> GradientTransformation:
    """g -> every element within [-max_delta, max_delta]."""
    return stateless_by(_clamped, {"max_delta": max_delta})


def _clamped(g: Any, s: Scalars) -> Any:
    return maximum(minimum(g, s["max_delta"]), -s["max_delta"])


def clip_by_block_rms(threshold: Any) -> GradientTransformation:
    """g -> g / max(1, rms(g) / threshold), parameter by parameter. Source: Shazeer & Stern 2018."""
    return stateless_by(_block_clipped, {"threshold": threshold})


def _block_clipped(g: Any, s: Scalars) -> Any:
    return g / maximum(c.number(1, g), rms(g) / s["threshold"])


def adaptive_grad_clip(clipping: Any, eps: Any = 1e-3, axis: Any = None) -> GradientTransformation:
    """g -> g min(1, clipping max(|p|, eps) / |g|), norms of output units: over `axis`, or all axes but the last.

    Vectors and scalars have one norm, tensors of rank 3 norms over their first axis. Source: Brock et al. 2021.
    """
    axes = (axis,) if isinstance(axis, int) else axis
    return stateless_by(_adapted, {"clipping": clipping, "eps": eps}, params=True, axes=axes)


def _adapted(g: Any, p: Any, s: Scalars, *, axes: tuple[int, ...] | None) -> Any:
    size, mine = _unit_norm(g, axes), maximum(_unit_norm(p, axes), s["eps"]) * s["clipping"]
    return c.select(c.lt(size, mine), g, g * (mine / maximum(size, c.number(1e-6, g))))


def _unit_norm(x: Any, axes: tuple[int, ...] | None) -> Any:
    if axes is None and sum(d > 1 for d in x.shape) <= 1:
        axes = tuple(range(x.ndim))
    if axes is None and x.ndim > 5:
        raise ArgumentError(f"adaptive_grad_clip: {x.type} has more than 5 axes", where=caller(), fix="give axis=")
    axes = ((0,) if x.ndim <= 3 else tuple(range(x.ndim - 1))) if axes is None else tuple(a % x.ndim for a in axes)
    return sqrt(c.kept(c.reduce_sum(x * x, axes=axes), x.shape, axes))


def centralize() -> GradientTransformation:
    """g -> g less its mean over all axes but the first, for two axes or more. Source: Yong et al. 2020."""
    return stateless_by(_central)


def _central(g: Any, s: Scalars) -> Any:
    return g - c.mean(g, axes=tuple(range(1, g.ndim)), keep=True) if g.ndim > 1 else g


def normalize_by_update_norm(scale_factor: Any = 1.0, eps: Any = 1e-6) -> GradientTransformation:
    """g -> scale_factor g / (global_norm(g) + eps)."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        scalars = {"norm": global_norm(grads), "factor": scale_factor, "eps": eps}
        return elementwise(_normalised, grads, scalars=scalars), state

    return GradientTransformation(empty, update)


def _normalised(g: Any, s: Scalars) -> Any:
    return g / ((s["norm"] + s["eps"]) / s["factor"])


def zero_nans() -> GradientTransformation:
    """g -> 0 where it is NaN; the state says which parameters had NaNs."""

    def init(params: Any) -> ZeroNansState:
        return ZeroNansState(tree.map(lambda p: as_cell(False), params))

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        found = tree.map(lambda g: compose(_any_nan, as_cell(g)), grads)
        return elementwise(_without_nan, grads), ZeroNansState(found)

    return GradientTransformation(init, update)


def _any_nan(g: Any) -> Any:
    return c.lt(c.number(0, g), c.reduce_sum(c.convert(c.ne(g, g), dtype=g.dtype), axes=tuple(range(g.ndim))))


def _without_nan(g: Any, s: Scalars) -> Any:
    return c.select(c.ne(g, g), c.number(0, g), g)


def keep_params_nonnegative() -> GradientTransformation:
    """g -> -p where p + g is below 0."""
    return stateless_by(_nonnegative, params=True)


def _nonnegative(g: Any, p: Any, s: Scalars) -> Any:
    return c.select(c.lt(p + g, c.number(0, g)), -p, g)


def apply_updates(params: Any, updates: Any) -> Any:
    """params + updates, leaf by leaf, in the parameters' dtypes."""
    return elementwise(_added, params, updates, keep=True)


def incremental_update(new_tensors: Any, old_tensors: Any, step_size: Any) -> Any:
    """step_size * new + (1 - step_size) * old, leaf by leaf: a running mean of parameters."""
    return elementwise(_blended, new_tensors, old_tensors, scalars={"step": step_size}, prepare=_blend)


def _blend(s: Scalars) -> dict[str, Any]:
    return {"step": s["step"], "rest": c.number(1, s["step"]) - s["step"]}


def _blended(new: Any, old: Any, s: Scalars) -> Any:
    return new * s["step"] + old * s["rest"]


def periodic_update(new_tensors: Any, old_tensors: Any, steps: Any, update_period: Any) -> Any:
    """The new tree where steps is a multiple of update_period, else the old one."""
    return elementwise(_periodic, new_tensors, old_tensors, scalars={"steps": steps, "period": update_period}, prepare=_due)


def _due(s: Scalars) -> dict[str, Any]:
    left = c.remainder(s["steps"], s["period"])
    return {"due": c.eq(left, c.number(0, left))}


def _periodic(new: Any, old: Any, s: Scalars) -> Any:
    return c.select(s["due"], new, old)


def _added(p: Any, u: Any, s: Scalars) -> Any:
    return p + u
