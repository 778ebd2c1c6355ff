"""Pure optimisers with optax's contract: `init(params) -> state`, `update(grads, state, params, **hyper) -> (updates, state)`.

Trees hold arrays of either face; a hyperparameter given to `update` overrides the one bound at the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fgrad import tree
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.operands import recorded
from fgrad.errors import ArgumentError
from fgrad.functions.call import compose, compose_many
from fgrad.ir.apply import caller
from fgrad.optim.rules import adam_direction, sgd_direction
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import minimum, pow_, sqrt


class GradientTransformation(NamedTuple):
    """A pair of pure functions."""

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class EmptyState(NamedTuple):
    """No state."""


class ScaleByAdamState(NamedTuple):
    """Step count (int32) and moments, trees like the parameters."""

    count: Any
    mu: Any
    nu: Any


class TraceState(NamedTuple):
    """Momentum, a tree like the parameters."""

    trace: Any


class ScaleByScheduleState(NamedTuple):
    """Step count (int32)."""

    count: Any


def cells_of(*trees: Any) -> list[list[Any]]:
    """Leaves of several trees as cells."""
    return [[as_cell(x) for x in tree.leaves(t)] for t in trees]


def zeros_like(params: Any) -> Any:
    """Zeros in the shape of a tree."""
    return tree.map(lambda p: compose(_zeros, as_cell(p)), params)


def _zeros(p: Any) -> Any:
    return c.broadcast_to(c.number(0, p), shape=p.shape) if p.shape else c.number(0, p)


def zero_count() -> Any:
    """A step count of 0."""
    return as_cell(np.zeros((), np.int32))


def elementwise(rule: Callable[..., Any], grads: Any, *rest: Any, scalars: tuple[Any, ...] = (), **static: Any) -> Any:
    """`rule(*leaves, *scalars)` leaf by leaf, as one composite; a rule with several results gives several trees."""
    spec = tree.structure(grads)
    columns = cells_of(grads, *rest)
    extra = [as_cell(s) for s in scalars]
    n, width = len(columns[0]), len(columns)

    def all_leaves(*values: Any, **given: Any) -> tuple[Any, ...]:
        tail = values[n * width :]
        out = [rule(*[values[k * n + i] for k in range(width)], *[like(s, values[i]) for s in tail], **given) for i in range(n)]
        rows = [r if isinstance(r, tuple) else (r,) for r in out]
        return tuple(v for column in zip(*rows, strict=True) for v in column)

    if not n:
        return grads
    all_leaves = keyed(all_leaves, rule, n, width)
    flat = compose_many(all_leaves, *[x for col in columns for x in col], *extra, **static)
    parts = [tree.unflatten(spec, flat[k * n : (k + 1) * n]) for k in range(len(flat) // n)]
    return parts[0] if len(parts) == 1 else tuple(parts)


_KEYED: dict[Any, Any] = {}


def keyed(f: Any, *key: Any) -> Any:
    """One function object for each key, so that recordings are found again."""
    return _KEYED.setdefault(key, f)


def like(s: Any, x: Any) -> Any:
    """A scalar in the dtype of `x`."""
    return s if s.dtype == x.dtype else c.convert(s, dtype=x.dtype)


def scale_by_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> GradientTransformation:
    """g -> m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps). Source: Kingma & Ba 2015; optax.scale_by_adam."""

    def init(params: Any) -> ScaleByAdamState:
        return ScaleByAdamState(zero_count(), zeros_like(params), zeros_like(params))

    def update(grads: Any, state: ScaleByAdamState, params: Any = None, **hyper: Any) -> tuple[Any, ScaleByAdamState]:
        return adam_step(grads, state, *[hyper.get(k, v) for k, v in (("b1", b1), ("b2", b2), ("eps", eps))])

    return GradientTransformation(init, update)


def adam_step(grads: Any, state: ScaleByAdamState, *numbers: Any) -> tuple[Any, ScaleByAdamState]:
    """Adam's direction, or with a learning rate after b1, b2, eps its update: -lr joins the correction of m."""
    count = compose(_increment, as_cell(state.count))
    steps, mu, nu = elementwise(_adam_leaf, grads, state.mu, state.nu, scalars=(count, *map(number, numbers)))
    return steps, ScaleByAdamState(count, mu, nu)


def number(x: Any) -> Any:
    """A hyperparameter as a cell: numbers are constants of the program, arrays are read."""
    return x if hasattr(x, "_value") else compose_constant(float(x))


def compose_constant(x: float) -> Any:
    """A Python number as a recorded constant."""
    return recorded(FACES["array"], (compose_constant, str(x)), lambda: c.constant(np.float64(x)))


def _increment(count: Any) -> Any:
    return count + c.number(1, count)


def _adam_leaf(g: Any, m: Any, v: Any, count: Any, b1: Any, b2: Any, eps: Any, lr: Any = None) -> tuple[Any, Any, Any]:
    one = c.number(1, g)
    s = {
        "beta1": b1, "beta2": b2, "eps": eps,
        "rate": (one if lr is None else -lr) / (one - pow_(b1, count)), "root2": one / sqrt(one - pow_(b2, count)),
    }  # fmt: skip
    step, (mu, nu) = adam_direction(g, (m, v), s)
    return step, mu, nu


def trace(decay: float, nesterov: bool = False) -> GradientTransformation:
    """g -> momentum: b = decay b + g; g + decay b if nesterov."""

    def init(params: Any) -> TraceState:
        return TraceState(zeros_like(params))

    def update(grads: Any, state: TraceState, params: Any = None, **hyper: Any) -> tuple[Any, TraceState]:
        m = number(hyper.get("momentum", decay))
        direction, new = elementwise(_trace_leaf, grads, state.trace, scalars=(m,), nesterov=nesterov)
        return direction, TraceState(new)

    return GradientTransformation(init, update)


def _trace_leaf(g: Any, b: Any, m: Any, *, nesterov: bool) -> tuple[Any, Any]:
    s = {"momentum": m, "undamped": c.number(1, g)}
    direction, (new,) = sgd_direction(g, g, (b,), s, momentum=True, nesterov=nesterov)
    return direction, new


def scale_by_learning_rate(learning_rate: Any) -> GradientTransformation:
    """g -> -lr * g; lr a number, an array, or a schedule `f(count) -> lr`."""

    def init(params: Any) -> Any:
        return ScaleByScheduleState(zero_count()) if callable(learning_rate) else EmptyState()

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        lr, state = rate_of(learning_rate, state, hyper)
        return elementwise(_scaled_leaf, grads, scalars=(number(lr),)), state

    return GradientTransformation(init, update)


def rate_of(learning_rate: Any, state: Any, hyper: dict[str, Any]) -> tuple[Any, Any]:
    """The learning rate of this step, and the state for the next."""
    lr = hyper.get("learning_rate", hyper.get("lr"))
    if isinstance(state, ScaleByScheduleState):
        lr = learning_rate(state.count) if lr is None else lr
        return lr, ScaleByScheduleState(compose(_increment, as_cell(state.count)))
    return (learning_rate if lr is None else lr), state


def _scaled_leaf(g: Any, lr: Any) -> Any:
    return g * -lr


def scale(step_size: float) -> GradientTransformation:
    """g -> step_size * g."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        return elementwise(_times_leaf, grads, scalars=(number(step_size),)), state

    return GradientTransformation(lambda params: EmptyState(), update)


def _times_leaf(g: Any, s: Any) -> Any:
    return g * s


def add_decayed_weights(weight_decay: float) -> GradientTransformation:
    """g -> g + weight_decay * p."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        if params is None:
            raise ArgumentError("add_decayed_weights needs the parameters", where=caller(), fix="update(grads, state, params)")
        wd = number(hyper.get("weight_decay", weight_decay))
        return elementwise(_decayed_leaf, grads, params, scalars=(wd,)), state

    return GradientTransformation(lambda params: EmptyState(), update)


def _decayed_leaf(g: Any, p: Any, wd: Any) -> Any:
    return g + p * wd


def global_norm(updates: Any) -> Any:
    """sqrt of the sum of squares of every element of a tree."""
    return compose(_global_norm, *cells_of(updates)[0])


def _global_norm(*gs: Any) -> Any:
    total = None
    for g in gs:
        part = c.reduce_sum(g * g, axes=tuple(range(g.ndim)))
        total = part if total is None else total + part
    return sqrt(total)


def clip_by_global_norm(max_norm: float) -> GradientTransformation:
    """g -> g * min(1, max_norm / global_norm(g)). Source: Pascanu et al. 2013."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        return elementwise(_clipped_leaf, grads, scalars=(global_norm(grads), number(max_norm))), state

    return GradientTransformation(lambda params: EmptyState(), update)


def _clipped_leaf(g: Any, norm: Any, limit: Any) -> Any:
    return g * minimum(c.number(1, g), limit / norm)


def clip(max_delta: float) -> GradientTransformation:
    """g -> every element within [-max_delta, max_delta]."""

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        return elementwise(_clamped_leaf, grads, scalars=(number(max_delta),)), state

    return GradientTransformation(lambda params: EmptyState(), update)


def _clamped_leaf(g: Any, limit: Any) -> Any:
    low = c.select(c.lt(g, -limit), c.broadcast_to(-limit, shape=g.shape), g)
    return c.select(c.lt(limit, low), c.broadcast_to(limit, shape=g.shape), low)


def identity() -> GradientTransformation:
    """g -> g."""
    return GradientTransformation(lambda params: EmptyState(), lambda grads, state, params=None, **hyper: (grads, state))


def chain(*transforms: GradientTransformation) -> GradientTransformation:
    """Transforms in a row; the state is a tuple of theirs."""

    def init(params: Any) -> tuple[Any, ...]:
        return tuple(t.init(params) for t in transforms)

    def update(grads: Any, state: tuple[Any, ...], params: Any = None, **hyper: Any) -> tuple[Any, tuple[Any, ...]]:
        new = []
        for t, s in zip(transforms, state, strict=True):
            grads, after = t.update(grads, s, params, **hyper)
            new.append(after)
        return grads, tuple(new)

    return GradientTransformation(init, update)


def sgd(learning_rate: Any, momentum: float | None = None, nesterov: bool = False) -> GradientTransformation:
    """-lr * g, through momentum if given."""
    direction = identity() if momentum is None else trace(momentum, nesterov)
    return chain(direction, scale_by_learning_rate(learning_rate))


def adam(learning_rate: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> GradientTransformation:
    """Adam. Source: Kingma & Ba 2015; optax.adam.

    >>> import fgrad, fgrad.numpy as jnp
    >>> opt = fgrad.optim.adam(0.1)
    >>> params = {"w": jnp.ones(2)}
    >>> updates, state = opt.update({"w": jnp.ones(2)}, opt.init(params), params)
    >>> fgrad.optim.apply_updates(params, updates)["w"].round(3)
    Array([0.9, 0.9], dtype=float32)
    """
    parts = chain(scale_by_adam(b1, b2, eps), scale_by_learning_rate(learning_rate))

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        lr, after = rate_of(learning_rate, state[1], hyper)
        numbers = [hyper.get(k, v) for k, v in (("b1", b1), ("b2", b2), ("eps", eps))]
        updates, moments = adam_step(grads, state[0], *numbers, lr)
        return updates, (moments, after)

    return GradientTransformation(parts.init, update)


def adamw(learning_rate: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8,
          weight_decay: float = 1e-4) -> GradientTransformation:  # fmt: skip
    """Adam with decoupled weight decay. Source: Loshchilov & Hutter 2019; optax.adamw."""
    return chain(scale_by_adam(b1, b2, eps), add_decayed_weights(weight_decay), scale_by_learning_rate(learning_rate))


def apply_updates(params: Any, updates: Any) -> Any:
    """params + updates, leaf by leaf, in the parameters' dtypes."""
    return elementwise(_added_leaf, params, updates)


def _added_leaf(p: Any, u: Any) -> Any:
    return p + like(u, p)
