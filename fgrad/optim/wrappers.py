"""Optimisers around optimisers: several small steps for one update, slow weights, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fgrad import tree
from fgrad.eager.arrays import call
from fgrad.errors import ArgumentError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.optim.combining import all_finite
from fgrad.optim.leafwise import (
    EmptyState,
    GradientTransformation,
    as_cell,
    choose,
    elementwise,
    filled_like,
    increment,
    zero_count,
)
from fgrad.optim.transform import global_norm, set_to_zero
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import pow_, sqrt
from fgrad.random import key as make_key
from fgrad.random import normal, split

Scalars = Mapping[str, Any]


class MultiStepsState(NamedTuple):
    """Small steps since the last update, updates made, the state inside, the mean (or sum) so far, what the skip test said."""

    mini_step: Any
    gradient_step: Any
    inner_opt_state: Any
    acc_grads: Any
    skip_state: Any = ()


class LookaheadState(NamedTuple):
    """State of the fast optimiser, steps since the slow weights moved."""

    fast_state: Any
    steps_since_sync: Any


class LookaheadParams(NamedTuple):
    """The two sets of parameters."""

    fast: Any
    slow: Any

    @classmethod
    def init_synced(cls, params: Any) -> LookaheadParams:
        """Both the same."""
        return cls(params, params)


class AddNoiseState(NamedTuple):
    """Step count and key."""

    count: Any
    rng_key: Any


def skip_not_finite(updates: Any, gradient_step: Any, params: Any) -> tuple[Any, Any]:
    """Skips small steps with NaN or inf: for MultiSteps(should_skip_update_fn=...)."""
    bad = ~all_finite(updates)
    return bad, {"should_skip": bad}


def skip_large_updates(updates: Any, gradient_step: Any, params: Any, max_squared_norm: Any) -> tuple[Any, Any]:
    """Skips small steps whose squared norm is not below a limit."""
    size = global_norm(updates) ** 2
    bad = ~(size < max_squared_norm)
    return bad, {"should_skip": bad, "norm_squared": size}


class MultiSteps:
    """Gathers gradients of k small steps, then updates once by `opt` with their mean (or sum); zero updates between.

    every_k_schedule: k, or a function of the number of updates made. should_skip_update_fn(updates, gradient_step, params) ->
    (bool, anything): small steps that are not to count. The object is itself a pair init, update.
    """

    def __init__(self, opt: GradientTransformation, every_k_schedule: int | Callable[[Any], Any], use_grad_mean: bool = True,
                 should_skip_update_fn: Callable[..., tuple[Any, Any]] | None = None,
                 accumulator_dtype: Any = "float32") -> None:  # fmt: skip
        self.inner_opt = opt
        self._k = every_k_schedule
        self._mean = use_grad_mean
        self._skip = should_skip_update_fn
        self._dtype = accumulator_dtype

    def init(self, params: Any) -> MultiStepsState:
        """Zeros."""
        test = self._skip(filled_like(params), zero_count(), params)[1] if self._skip else ()
        return MultiStepsState(zero_count(), zero_count(), self.inner_opt.init(params), filled_like(params, 0.0, self._dtype), test)

    def update(self, updates: Any, state: MultiStepsState, params: Any = None, **hyper: Any) -> tuple[Any, MultiStepsState]:
        """The pair's second half."""
        k = self._k(state.gradient_step) if callable(self._k) else self._k
        scalars = {"count": state.mini_step}
        cast, acc = elementwise(_gathered, updates, state.acc_grads, slots=1, scalars=scalars, prepare=_share, mean=self._mean)
        cast = tree.map(lambda a, u: compose(_as, as_cell(a), as_cell(u)), cast, updates)
        new, after = self.inner_opt.update(cast, state.inner_opt_state, params, **hyper)
        emit = as_cell(state.mini_step) == k - 1
        zeros = set_to_zero().update(new, EmptyState())[0]
        step = compose(_next, increment(state.mini_step), emit)
        done = choose(emit, increment(state.gradient_step), state.gradient_step)
        made = MultiStepsState(step, done, choose(emit, after, state.inner_opt_state), choose(emit, filled_like(acc), acc), ())
        new = choose(emit, new, zeros)
        if self._skip is None:
            return new, made
        skip, said = self._skip(updates, state.gradient_step, params)
        kept = choose(skip, state._replace(skip_state=()), made)
        return choose(skip, zeros, new), kept._replace(skip_state=said)

    def has_updated(self, state: MultiStepsState) -> Any:
        """Whether the last small step made an update: a 0-d bool."""
        return (as_cell(state.mini_step) == 0) & (as_cell(state.gradient_step) > 0)

    def gradient_transformation(self) -> GradientTransformation:
        """The pair."""
        return GradientTransformation(self.init, self.update)


def _share(s: Scalars) -> dict[str, Any]:
    return {"share": c.number(1, s["count"]) / (s["count"] + c.number(1, s["count"]))}


def _gathered(g: Any, acc: Any, s: Scalars, *, mean: bool) -> tuple[Any, ...]:
    new = acc + (g - acc) * s["share"] if mean else acc + g
    return new, new


def _as(a: Any, u: Any) -> Any:
    return c.convert(a, dtype=u.dtype)


def _next(step: Any, emit: Any) -> Any:
    return c.select(emit, c.number(0, step), step)


def lookahead(fast_optimizer: GradientTransformation, sync_period: int, slow_step_size: Any,
              reset_state: bool = False) -> GradientTransformation:  # fmt: skip
    """Every sync_period steps the slow weights move by slow_step_size towards the fast ones, which then start from there.

    Parameters and updates are LookaheadParams. reset_state: the fast state starts anew, too. Source: Zhang et al. 2019.
    """
    if sync_period < 1:
        raise ArgumentError(f"lookahead: sync_period is {sync_period}", where=caller(), fix="use 1 or more")

    def init(params: Any) -> LookaheadState:
        return LookaheadState(fast_optimizer.init(getattr(params, "fast", params)), zero_count())

    def update(grads: Any, state: LookaheadState, params: Any = None, **hyper: Any) -> tuple[Any, LookaheadState]:
        steps, fast = fast_optimizer.update(grads, state.fast_state, params.fast, **hyper)
        sync = as_cell(state.steps_since_sync) == sync_period - 1
        scalars = {"sync": sync, "size": slow_step_size}
        pair = elementwise(_synced, steps, params.fast, params.slow, scalars=scalars, slots=1)
        if reset_state:
            fast = choose(sync, fast_optimizer.init(params.fast), fast)
        return LookaheadParams(*pair), LookaheadState(fast, compose(_next, increment(state.steps_since_sync), sync))

    return GradientTransformation(init, update)


def _synced(u: Any, fast: Any, slow: Any, s: Scalars) -> tuple[Any, ...]:
    zero = c.number(0, u)
    apart = c.select(s["sync"], fast + u - slow, zero)
    return u - apart * (c.number(1, u) - s["size"]), apart * s["size"]


def add_noise(eta: Any, gamma: Any, key: Any = 0) -> GradientTransformation:
    """g -> g + normal noise of variance eta / t^gamma, t counting from 1; key: of fgrad.random, or a seed. Source: Neelakantan 2015."""

    def init(params: Any) -> AddNoiseState:
        return AddNoiseState(zero_count(), make_key(key) if isinstance(key, int) else key)

    def update(grads: Any, state: AddNoiseState, params: Any = None, **hyper: Any) -> tuple[Any, AddNoiseState]:
        count = increment(state.count)
        after, mine = split(state.rng_key)
        leaves, spec = tree.flatten(grads)
        keys = split(mine, len(leaves))
        kinds = [as_cell(g)._type for g in leaves]
        noise = [call("transfer", normal(keys[i], t.shape, t.dtype), device=t.device) for i, t in enumerate(kinds)]
        scalars = {"count": count, "eta": eta, "gamma": gamma}
        new = elementwise(_noisy, grads, tree.unflatten(spec, noise), scalars=scalars, prepare=_deviation)
        return new, AddNoiseState(count, after)

    return GradientTransformation(init, update)


def _deviation(s: Scalars) -> dict[str, Any]:
    return {"sd": sqrt(s["eta"] / pow_(s["count"], s["gamma"]))}


def _noisy(g: Any, noise: Any, s: Scalars) -> Any:
    return g + noise * s["sd"]
