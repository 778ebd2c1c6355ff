"""Learning rates as functions of the number of steps made: `f(count) -> float32[]`, for any `learning_rate=` of the pure transforms.

`count` is an integer or an integer array; schedules may be called inside jit. Names, arguments and defaults are optax's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]

Schedule = Callable[[Any], Any]


def positive(steps: int, name: str) -> None:
    """Raises ArgumentError unless there are steps."""
    if steps <= 0:
        raise ArgumentError(f"{name}: {steps} steps", where=caller(), fix="give a positive number of steps")


def constant_schedule(value: Any) -> Schedule:
    """Always `value`."""
    return lambda count: value


def polynomial_schedule(init_value: Any, end_value: Any, power: Any, transition_steps: int, transition_begin: int = 0) -> Schedule:
    """From init_value to end_value as (1 - x)^power, x from 0 to 1 over transition_steps steps after transition_begin.

    transition_steps <= 0: always init_value.

    >>> import fgrad
    >>> rate = fgrad.optim.polynomial_schedule(1.0, 0.0, power=2, transition_steps=4)
    >>> [float(rate(i)) for i in range(5)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """
    if transition_steps <= 0:
        return constant_schedule(init_value)
    begin = max(transition_begin, 0)

    def schedule(count: Any) -> Any:
        left = 1 - jnp.clip(jnp.asarray(count) - begin, 0, transition_steps) / float(transition_steps)
        return (init_value - end_value) * left**power + end_value

    return schedule


def linear_schedule(init_value: Any, end_value: Any, transition_steps: int, transition_begin: int = 0) -> Schedule:
    """A straight line from init_value to end_value over transition_steps steps after transition_begin."""
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


def piecewise_constant_schedule(init_value: Any, boundaries_and_scales: Mapping[int, float] | None = None) -> Schedule:
    """init_value times the scale of each boundary that `count` has reached. Raises ArgumentError for negative scales."""
    steps = sorted((boundaries_and_scales or {}).items())
    _not_negative([x for _, x in steps])

    def schedule(count: Any) -> Any:
        value = jnp.asarray(init_value)
        for boundary, factor in steps:
            value = jnp.where(jnp.asarray(count) < boundary, value, value * factor)
        return value

    return schedule


def _not_negative(scales: Sequence[float]) -> None:
    if min(scales, default=0) < 0:
        raise ArgumentError(f"scales {list(scales)} are not all positive", where=caller(), fix="give scales of 0 or more")


def exponential_decay(init_value: Any, transition_steps: int, decay_rate: Any, transition_begin: int = 0, staircase: bool = False,
                      end_value: Any = None) -> Schedule:  # fmt: skip
    """init_value * decay_rate^(steps after transition_begin / transition_steps); staircase: the exponent rounded down.

    end_value bounds it. transition_steps <= 0 or decay_rate 0: always init_value.
    """
    if transition_steps <= 0 or decay_rate == 0:
        return constant_schedule(init_value)
    begin = max(transition_begin, 0)
    bound = jnp.maximum if decay_rate < 1.0 else jnp.minimum

    def schedule(count: Any) -> Any:
        steps = jnp.asarray(count) - begin
        age = steps / float(transition_steps)
        decayed = init_value * jnp.power(decay_rate, jnp.floor(age) if staircase else age)
        value = jnp.where(steps <= 0, init_value, decayed)
        return value if end_value is None else bound(value, end_value)

    return schedule


def cosine_decay_schedule(init_value: Any, decay_steps: int, alpha: Any = 0.0, exponent: Any = 1.0) -> Schedule:
    """init_value ((1 - alpha) ((1 + cos(pi min(1, count / decay_steps))) / 2)^exponent + alpha). Source: Loshchilov & Hutter 2017."""
    positive(decay_steps, "cosine_decay_schedule")

    def schedule(count: Any) -> Any:
        age = jnp.minimum(jnp.asarray(count), decay_steps) / float(decay_steps)
        wave = 0.5 * (1 + jnp.cos(math.pi * age))
        return init_value * ((1 - alpha) * wave**exponent + alpha)

    return schedule


def _line(start: Any, end: Any, at: Any) -> Any:
    return start + (end - start) * at


def _wave(start: Any, end: Any, at: Any) -> Any:
    return end + (start - end) / 2.0 * (jnp.cos(math.pi * at) + 1)


def piecewise_interpolate_schedule(interpolate_type: str, init_value: Any,
                                   boundaries_and_scales: Mapping[int, float] | None = None) -> Schedule:  # fmt: skip
    """Between boundaries, values blend ("linear" or "cosine") into the last value times the boundary's scale; constant after.

    Raises ArgumentError for negative scales or another type.
    """
    blend = {"linear": _line, "cosine": _wave}.get(interpolate_type)
    if blend is None:
        raise ArgumentError(f"interpolate_type {interpolate_type!r}", where=caller(), fix="use 'linear' or 'cosine'")
    steps = sorted((boundaries_and_scales or {}).items())
    _not_negative([x for _, x in steps])

    def schedule(count: Any) -> Any:
        n = jnp.asarray(count)
        last = 0
        value = jnp.asarray(init_value)
        found = value
        for boundary, factor in steps:
            after = value * factor
            at = (n - last) / float(max(boundary - last, 1))
            found = jnp.where(n < boundary, jnp.where(n >= last, blend(value, after, at), found), after)
            last, value = boundary, after
        return found

    return schedule


def linear_onecycle_schedule(transition_steps: int, peak_value: Any, pct_start: float = 0.3, pct_final: float = 0.85,
                             div_factor: float = 25.0, final_div_factor: float = 1e4) -> Schedule:  # fmt: skip
    """Lines from peak / div_factor up to the peak, back, and down to 1 / final_div_factor of the start. Source: Smith & Topin 2018."""
    positive(transition_steps, "linear_onecycle_schedule")
    return piecewise_interpolate_schedule("linear", peak_value / div_factor, {
        int(pct_start * transition_steps): div_factor,
        int(pct_final * transition_steps): 1.0 / div_factor,
        transition_steps: 1.0 / final_div_factor,
    })  # fmt: skip


def cosine_onecycle_schedule(transition_steps: int, peak_value: Any, pct_start: float = 0.3, div_factor: float = 25.0,
                             final_div_factor: float = 1e4) -> Schedule:  # fmt: skip
    """Half waves from peak / div_factor up to the peak and down to 1 / final_div_factor of the start. Source: Smith & Topin 2018."""
    positive(transition_steps, "cosine_onecycle_schedule")
    return piecewise_interpolate_schedule("cosine", peak_value / div_factor, {
        int(pct_start * transition_steps): div_factor,
        int(transition_steps): 1.0 / (div_factor * final_div_factor),
    })  # fmt: skip


def warmup_constant_schedule(init_value: Any, peak_value: Any, warmup_steps: int) -> Schedule:
    """A line from init_value to peak_value over warmup_steps steps, then peak_value."""
    return linear_schedule(init_value, peak_value, warmup_steps)


def warmup_cosine_decay_schedule(init_value: Any, peak_value: Any, warmup_steps: int, decay_steps: int, end_value: Any = 0.0,
                                 exponent: Any = 1.0) -> Schedule:  # fmt: skip
    """A line up over warmup_steps steps, then a half wave down to end_value at step decay_steps, warm-up included."""
    alpha = 0.0 if peak_value == 0.0 else end_value / peak_value
    down = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    return join_schedules([linear_schedule(init_value, peak_value, warmup_steps), down], [warmup_steps])


def warmup_exponential_decay_schedule(init_value: Any, peak_value: Any, warmup_steps: int, transition_steps: int, decay_rate: Any,
                                      transition_begin: int = 0, staircase: bool = False,
                                      end_value: Any = None) -> Schedule:  # fmt: skip
    """A line up over warmup_steps steps, then exponential_decay."""
    down = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return join_schedules([linear_schedule(init_value, peak_value, warmup_steps), down], [warmup_steps])


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """warmup_cosine_decay_schedules one after the other, each with its arguments. Source: Loshchilov & Hutter 2017."""
    parts = [dict(k) for k in cosine_kwargs]
    ends: list[int] = [sum(k["decay_steps"] for k in parts[: i + 1]) for i in range(len(parts))]
    return join_schedules([warmup_cosine_decay_schedule(**k) for k in parts], ends[:-1])


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """The first schedule until the first boundary, then the second, counting from there, and so on."""

    def schedule(count: Any) -> Any:
        n = jnp.asarray(count)
        pairs = zip(boundaries, schedules[1:], strict=False)
        return functools.reduce(lambda y, pair: jnp.where(n < pair[0], y, pair[1](n - pair[0])), pairs, schedules[0](n))

    return schedule
