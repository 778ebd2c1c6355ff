"""Transforms that divide by the size of past gradients, or scale by the size of the parameters; Rprop and Muon."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fgrad.errors import ArgumentError
from fgrad.functions.call import compose, compose_many
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.directions import corrected, lead, one
from fgrad.optim.leafwise import GradientTransformation, as_cell, moving, stateless_by, tree
from fgrad.optim.rules import lerp, rms
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import maximum, minimum, pow_, rsqrt, sqrt
from fgrad.primitives.reduce import reduce_max
from fgrad.primitives.shape import full

Scalars = Mapping[str, Any]


class ScaleByRmsState(NamedTuple):
    """Mean of squares."""

    nu: Any


class ScaleByRmsWithCountState(NamedTuple):
    """Step count and mean of squares."""

    count: Any
    nu: Any


class ScaleByRStdDevState(NamedTuple):
    """Mean and mean of squares."""

    mu: Any
    nu: Any


class ScaleByRStdDevWithCountState(NamedTuple):
    """Step count, mean and mean of squares."""

    count: Any
    mu: Any
    nu: Any


class ScaleByRssState(NamedTuple):
    """Sum of squares."""

    sum_of_squares: Any


class ScaleByAdaDeltaState(NamedTuple):
    """Mean squares of gradients and of updates."""

    e_g: Any
    e_x: Any


class ScaleByRpropState(NamedTuple):
    """Step sizes and the next updates (0 where gradients turned)."""

    step_sizes: Any
    prev_updates: Any


class ScaleBySM3State(NamedTuple):
    """For each parameter its largest sums of squares along each axis (a list), and the momentum."""

    mu: Any
    nu: Any


class FactoredState(NamedTuple):
    """Step count; means of squares by row and column, or of each element, the others of shape (1,)."""

    count: Any
    v_row: Any
    v_col: Any
    v: Any


class MuonState(NamedTuple):
    """Step count and momentum."""

    count: Any
    mu: Any


def _with_rate(s: Scalars) -> dict[str, Any]:
    d = s["decay"]
    rate = {"rate": one(d) / (one(d) - pow_(d, s["count"]))} if "count" in s else {}
    return {**s, **rate, "rest": one(d) - d}


def _inverse(v: Any, s: Scalars, inside: bool) -> Any:
    return rsqrt(v + s["eps"]) if inside else one(v) / (sqrt(v) + s["eps"])


def scale_by_rms(decay: Any = 0.9, eps: Any = 1e-8, initial_scale: Any = 0.0, eps_in_sqrt: bool = True,
                 bias_correction: bool = False) -> GradientTransformation:  # fmt: skip
    """g -> g / sqrt(v + eps), v the running mean of g^2; eps_in_sqrt=False: g / (sqrt(v) + eps).

    bias_correction: v / (1 - decay^t). Source: Hinton 2012; optax.scale_by_rms.
    """
    state = ScaleByRmsWithCountState if bias_correction else ScaleByRmsState
    return moving(_rms, state, {"decay": decay, "eps": eps}, prepare=_with_rate, starts={"nu": initial_scale}, inside=eps_in_sqrt)


def _rms(g: Any, nu: Any, s: Scalars, *, inside: bool) -> tuple[Any, ...]:
    v = lerp(nu, g * g, s["decay"], s["rest"])
    return g * _inverse(v * s["rate"] if "rate" in s else v, s, inside), v


def scale_by_stddev(decay: Any = 0.9, eps: Any = 1e-8, initial_scale: Any = 0.0, eps_in_sqrt: bool = True,
                    bias_correction: bool = False) -> GradientTransformation:  # fmt: skip
    """As scale_by_rms, by the running variance: v less the squared running mean. Source: Graves 2013; optax.scale_by_stddev."""
    state = ScaleByRStdDevWithCountState if bias_correction else ScaleByRStdDevState
    numbers = {"decay": decay, "eps": eps}
    return moving(_stddev, state, numbers, prepare=_with_rate, starts={"nu": initial_scale}, inside=eps_in_sqrt)


def _stddev(g: Any, mu: Any, nu: Any, s: Scalars, *, inside: bool) -> tuple[Any, ...]:
    m, v = lerp(mu, g, s["decay"], s["rest"]), lerp(nu, g * g, s["decay"], s["rest"])
    first, second = (m * s["rate"], v * s["rate"]) if "rate" in s else (m, v)
    return g * _inverse(second - first * first, s, inside), m, v


def scale_by_rss(initial_accumulator_value: Any = 0.1, eps: Any = 1e-7) -> GradientTransformation:
    """g -> g / sqrt(sum of g^2 so far + eps), 0 where that sum is. Source: Duchi et al. 2011; optax.scale_by_rss."""
    return moving(_rss, ScaleByRssState, {"eps": eps}, starts={"sum_of_squares": initial_accumulator_value})


def _safe_inverse(total: Any, s: Scalars) -> Any:
    zero = c.number(0, total)
    return c.select(c.lt(zero, total), rsqrt(total + s["eps"]), zero)


def _rss(g: Any, total: Any, s: Scalars) -> tuple[Any, ...]:
    total = total + g * g
    return g * _safe_inverse(total, s), total


def scale_by_adadelta(rho: Any = 0.9, eps: Any = 1e-6) -> GradientTransformation:
    """g -> d = g sqrt(u + eps) / sqrt(v + eps), v and u running means of g^2 and d^2. Source: Zeiler 2012; optax.scale_by_adadelta."""
    return moving(_adadelta, ScaleByAdaDeltaState, {"rho": rho, "eps": eps}, prepare=_with_rest)


def _with_rest(s: Scalars) -> dict[str, Any]:
    return {**s, "rest": one(s["rho"]) - s["rho"]}


def _adadelta(g: Any, e_g: Any, e_x: Any, s: Scalars) -> tuple[Any, ...]:
    d, new = rules.adadelta_direction(g, (e_g, e_x), s)
    return d, *new


def scale_by_rprop(learning_rate: Any, eta_minus: Any = 0.5, eta_plus: Any = 1.2, min_step_size: Any = 1e-6,
                   max_step_size: Any = 50.0) -> GradientTransformation:  # fmt: skip
    """g -> sign(g) size; sizes grow while signs agree, shrink (and g counts as 0) where they turn.

    As optax's, a step behind: an element moves when its next gradient has shown that the sign stayed. Source: Riedmiller & Braun 1993.
    """
    numbers = {"etaminus": eta_minus, "etaplus": eta_plus, "smallest": min_step_size, "largest": max_step_size}
    return moving(_rprop, ScaleByRpropState, numbers, starts={"step_sizes": learning_rate})


def _rprop(g: Any, size: Any, last: Any, s: Scalars) -> tuple[Any, ...]:
    zero = c.number(0, g)
    moved, (_, size) = rules.rprop_update(zero, g, (last, size), s)
    return c.select(c.lt(g * last, zero), zero, last), size, -moved


def scale_by_sm3(b1: Any = 0.9, b2: Any = 1.0, eps: Any = 1e-8) -> GradientTransformation:
    """Adagrad with one sum for each row, column, ...: an element's sum is the least of its axes'. Source: Anil et al. 2019."""

    def init(params: Any) -> ScaleBySM3State:
        sums = tree.map(lambda p: list(compose_many(_lines, as_cell(p))), params)
        return ScaleBySM3State(sums, moving(_rss, ScaleByRssState, {}).init(params).sum_of_squares)

    def update(grads: Any, state: ScaleBySM3State, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        spec = tree.structure(grads)
        lines = spec.flatten_up_to(state.mu) if spec is not None else [state.mu]
        rule = functools.partial(_sm3, **{k: float(hyper.get(k, v)) for k, v in (("b1", b1), ("b2", b2), ("eps", eps))})
        out = [compose_many(_SM3.setdefault(str(rule), rule), as_cell(g), as_cell(m), *map(as_cell, line))
               for g, m, line in zip(tree.leaves(grads), tree.leaves(state.nu), lines, strict=True)]  # fmt: skip
        nu = tree.unflatten(spec, [o[0] for o in out])
        return nu, ScaleBySM3State(tree.unflatten(spec, [list(o[1:]) for o in out]), nu)

    return GradientTransformation(init, update)


_SM3: dict[str, Any] = {}


def _lines(p: Any) -> tuple[Any, ...]:
    return tuple(full((d,), 0, p) for d in p.shape)


def _sm3(g: Any, m: Any, *lines: Any, b1: float, b2: float, eps: float) -> tuple[Any, ...]:
    rank = g.ndim
    spread = [c.reshape(x, shape=(*[1] * i, x.shape[0], *[1] * (rank - i - 1))) for i, x in enumerate(lines)]
    least = functools.reduce(minimum, spread)
    total = g * g * c.number(1.0 if b2 == 1.0 else 1.0 - b2, g) + least * c.number(b2, g)
    step = lerp(m, g * _safe_inverse(total, {"eps": c.number(eps, g)}), c.number(b1, g), c.number(1 - b1, g))
    if rank < 2:
        return step, total
    return step, *[reduce_max(total, axes=tuple(a for a in range(rank) if a != i)) for i in range(rank)]


def factored(shape: tuple[int, ...], on: bool, least: int) -> tuple[int, int] | None:
    """The second largest and the largest axis, if both are at least `least` long."""
    order = sorted(range(len(shape)), key=shape.__getitem__)
    if not on or len(shape) < 2 or shape[order[-2]] < least:
        return None
    return order[-2], order[-1]


def scale_by_factored_rms(factored: bool = True, decay_rate: Any = 0.8, step_offset: Any = 0, min_dim_size_to_factor: int = 128,
                          epsilon: Any = 1e-30) -> GradientTransformation:  # fmt: skip
    """g -> g / sqrt(v), v the mean of g^2 + epsilon that weighs the new square by (t - step_offset)^-decay_rate.

    Where the two longest axes have min_dim_size_to_factor elements or more, v is the product of its means along each, over the mean.
    Source: Shazeer & Stern 2018; optax.scale_by_factored_rms.
    """
    starts = {k: functools.partial(_start, which=k, on=factored, least=min_dim_size_to_factor) for k in ("v_row", "v_col", "v")}
    numbers = {"decay_rate": decay_rate, "step_offset": step_offset, "epsilon": epsilon}
    return moving(_factored, FactoredState, numbers, prepare=_aged, starts=starts, on=factored, least=min_dim_size_to_factor)


def _aged(s: Scalars) -> dict[str, Any]:
    fresh = pow_(s["count"] - s["step_offset"], -s["decay_rate"])
    return {"old": one(fresh) - fresh, "fresh": fresh, "epsilon": s["epsilon"]}


def _start(p: Any, *, which: str, on: bool, least: int) -> Any:
    shape = tuple(as_cell(p)._type.shape)
    dims = factored(shape, on, least)
    if dims is None:
        wanted = shape if which == "v" else (1,)
    else:
        gone = {"v_row": dims[1], "v_col": dims[0]}.get(which)
        wanted = (1,) if gone is None else tuple(d for i, d in enumerate(shape) if i != gone)
    return compose(_zeros, as_cell(p), shape=wanted)


def _zeros(p: Any, *, shape: tuple[int, ...]) -> Any:
    return full(shape, 0, p)


def _factored(g: Any, row: Any, col: Any, v: Any, s: Scalars, *, on: bool, least: int) -> tuple[Any, ...]:
    square, dims = g * g + s["epsilon"], factored(g.shape, on, least)
    if dims is None:
        v = lerp(v, square, s["old"], s["fresh"])
        return g * rsqrt(v), row, col, v
    second, first = dims
    row = lerp(row, c.mean(square, axes=(first,)), s["old"], s["fresh"])
    col = lerp(col, c.mean(square, axes=(second,)), s["old"], s["fresh"])
    axis = second - 1 if second > first else second
    by_row = c.reshape(rsqrt(row / c.mean(row, axes=(axis,), keep=True)), shape=_without(g.shape, first))
    return g * by_row * c.reshape(rsqrt(col), shape=_without(g.shape, second)), row, col, v


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if i == axis else d for i, d in enumerate(shape))


def norm(x: Any) -> Any:
    """Root of the sum of squares of all elements, 0-d."""
    return sqrt(c.reduce_sum(x * x, axes=tuple(range(x.ndim))) if x.ndim else x * x)


def scale_by_trust_ratio(min_norm: Any = 0.0, trust_coefficient: Any = 1.0, eps: Any = 0.0) -> GradientTransformation:
    """g -> g trust_coefficient |p| / (|g| + eps), norms at least min_norm; unscaled where either is 0. Source: You et al. 2017, 2020."""
    numbers = {"min_norm": min_norm, "trust_coefficient": trust_coefficient, "eps": eps}
    return stateless_by(_trusted, numbers, params=True)


def _trusted(g: Any, p: Any, s: Scalars) -> Any:
    mine, steps = maximum(norm(p), s["min_norm"]), maximum(norm(g), s["min_norm"])
    zero = c.number(0, g)
    ratio = s["trust_coefficient"] * mine / (steps + s["eps"])
    return g * c.select(c.eq(mine, zero), one(g), c.select(c.eq(steps, zero), one(g), ratio))


def scale_by_param_block_norm(min_scale: Any = 1e-3) -> GradientTransformation:
    """g -> g max(|p|, min_scale). Source: optax.scale_by_param_block_norm."""
    return stateless_by(_by_norm, {"min_scale": min_scale}, params=True)


def _by_norm(g: Any, p: Any, s: Scalars) -> Any:
    return g * maximum(norm(p), s["min_scale"])


def scale_by_param_block_rms(min_scale: Any = 1e-3) -> GradientTransformation:
    """g -> g max(rms(p), min_scale). Source: Shazeer & Stern 2018; optax.scale_by_param_block_rms."""
    return stateless_by(_by_rms, {"min_scale": min_scale}, params=True)


def _by_rms(g: Any, p: Any, s: Scalars) -> Any:
    return g * maximum(rms(p), s["min_scale"])


def scale_by_muon(ns_coeffs: tuple[float, float, float] = (3.4445, -4.775, 2.0315), ns_steps: int = 5, beta: Any = 0.95,
                  eps: float = 1e-8, mu_dtype: Any = None, *, nesterov: bool = True) -> GradientTransformation:  # fmt: skip
    """Matrices near U V' of the corrected momentum U S V'; raises ArgumentError for other ranks. Source: Jordan et al. 2024; optax."""
    return moving(_muon, MuonState, {"b1": beta, "b2": beta}, prepare=corrected, dtypes={"mu": mu_dtype}, nesterov=nesterov,
                  coefficients=tuple(ns_coeffs), steps=ns_steps, eps=eps)  # fmt: skip


def _muon(g: Any, mu: Any, s: Scalars, *, nesterov: bool, coefficients: Any, steps: int, eps: float) -> tuple[Any, ...]:
    if g.ndim != 2:
        raise ArgumentError(f"scale_by_muon orthogonalises matrices, found {g.type}", where=caller(), fix="use muon, which gives "
                            "other parameters to adamw, or masked")  # fmt: skip
    m = lerp(mu, g, s["b1"], s["rest1"])
    return rules.orthogonal(lead(g, m, s, nesterov), coefficients, steps, eps, g.dtype.name), m


def scale_by_shape(consistent_rms: float | None = None) -> GradientTransformation:
    """Matrices times sqrt(max(1, columns / rows)), or consistent_rms sqrt(max(rows, columns)). Source: optax's Muon."""
    return stateless_by(_by_shape, consistent=consistent_rms)


def _by_shape(g: Any, s: Scalars, *, consistent: float | None) -> Any:
    rows, columns = g.shape
    ratio = math.sqrt(max(1.0, columns / rows)) if consistent is None else consistent * math.sqrt(max(rows, columns))
    return g * c.number(ratio, g)
