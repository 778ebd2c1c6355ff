"""Transforms that move by running means of the gradient: momentum, Adam and its kin, the sign rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fgrad.functions.call import compose
from fgrad.optim import rules
from fgrad.optim.leafwise import GradientTransformation, as_cell, choose, filled_like, moving, stateless_by
from fgrad.optim.rules import lerp
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import maximum, pow_, sign, sqrt
from fgrad.primitives.shape import full

Scalars = Mapping[str, Any]


class ScaleByAdamState(NamedTuple):
    """Step count (int32) and moments, trees like the parameters."""

    count: Any
    mu: Any
    nu: Any


class ScaleByBeliefState(NamedTuple):
    """Step count, the mean, and the mean square of what it did not foresee."""

    count: Any
    mu: Any
    nu: Any


class ScaleByAmsgradState(NamedTuple):
    """Step count, moments, and the largest second moment."""

    count: Any
    mu: Any
    nu: Any
    nu_max: Any


class ScaleByLionState(NamedTuple):
    """Step count and the mean."""

    count: Any
    mu: Any


class ScaleByAdanState(NamedTuple):
    """Means of gradients, of their differences and of the squares; the last gradient; step count."""

    m: Any
    v: Any
    n: Any
    g: Any
    t: Any


class ScaleByNovogradState(NamedTuple):
    """Step count, the mean, and one mean of squares for each parameter."""

    count: Any
    mu: Any
    nu: Any


class ScaleByOptimisticGradientState(NamedTuple):
    """Whether no step was made yet, and the last gradient."""

    is_initial_step: Any
    previous_gradient: Any


class TraceState(NamedTuple):
    """Momentum, a tree like the parameters."""

    trace: Any


class EmaState(NamedTuple):
    """Step count and the running mean, a tree like the parameters."""

    count: Any
    ema: Any


def one(x: Any) -> Any:
    """1 in the dtype of `x`."""
    return c.number(1, x)


def corrected(s: Scalars) -> dict[str, Any]:
    """What Adam's kin share: 1 - b1, 1 - b2, the corrections of both moments, and Nesterov's two rates."""
    b1, b2, t = s["b1"], s["b2"], s["count"]
    left = one(b1) - pow_(b1, t)
    return {
        **s, "beta1": b1, "beta2": b2, "rest1": one(b1) - b1, "rest2": one(b2) - b2, "rate": one(b1) / left,
        "rate_m": b1 / (one(b1) - pow_(b1, t + one(t))), "rate_g": (one(b1) - b1) / left,
        "left2": one(b2) - pow_(b2, t), "root2": one(b2) / sqrt(one(b2) - pow_(b2, t)),
    }  # fmt: skip


def lead(g: Any, m: Any, s: Scalars, nesterov: bool) -> Any:
    """The corrected mean, or a step beyond it."""
    return m * s["rate_m"] + g * s["rate_g"] if nesterov else m * s["rate"]


def spread(v: Any, s: Scalars, rooted: bool = False, corrected: bool = True) -> Any:
    """sqrt of the corrected second moment (plus eps_root), plus eps."""
    root2 = s["root2"] if corrected else one(v)
    v = v + s["eps_root"] * (s["left2"] if corrected else one(v)) if rooted else v
    return sqrt(v) * root2 + s["eps"]


def is_zero(x: Any) -> bool:
    """True for the Python number 0, which shapes the program."""
    return isinstance(x, int | float) and x == 0


def scale_by_adam(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None, *,
                  nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """g -> m / (1 - b1^t) / (sqrt(v / (1 - b2^t) + eps_root) + eps), m and v running means of g and g^2.

    nesterov: (b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t)) above. mu_dtype: that of m in the state.
    Source: Kingma & Ba 2015; Dozat 2016; optax.scale_by_adam.
    """
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}
    return moving(_adam, ScaleByAdamState, numbers, prepare=corrected, dtypes={"mu": mu_dtype}, nesterov=nesterov,
                  rooted=not is_zero(eps_root))  # fmt: skip


def _adam(g: Any, mu: Any, nu: Any, s: Scalars, *, nesterov: bool, rooted: bool) -> tuple[Any, ...]:
    step, (m, v) = rules.adam_direction(g, (mu, nu), s)
    return (lead(g, m, s, nesterov) / spread(v, s, rooted) if nesterov or rooted else step), m, v


def scale_by_amsgrad(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, mu_dtype: Any = None,
                     bias_correction_mu: bool = True, bias_correction_nu: bool = True) -> GradientTransformation:  # fmt: skip
    """Adam's step over the largest corrected v so far. Source: Reddi et al. 2018; optax.scale_by_amsgrad."""
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}
    return moving(_amsgrad, ScaleByAmsgradState, numbers, prepare=corrected, dtypes={"mu": mu_dtype},
                  first=bias_correction_mu, second=bias_correction_nu)  # fmt: skip


def _amsgrad(g: Any, mu: Any, nu: Any, top: Any, s: Scalars, *, first: bool, second: bool) -> tuple[Any, ...]:
    m, v = lerp(mu, g, s["b1"], s["rest1"]), lerp(nu, g * g, s["b2"], s["rest2"])
    top = maximum(top, v / s["left2"] if second else v)
    step = (m * s["rate"] if first else m) / (sqrt(top + s["eps_root"]) + s["eps"])
    return step, m, v, top


def scale_by_adamax(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> GradientTransformation:
    """g -> m / (1 - b1^t) / u, u = max(b2 u, |g| + eps). Source: Kingma & Ba 2015; optax.scale_by_adamax."""
    return moving(_adamax, ScaleByAdamState, {"b1": b1, "b2": b2, "eps": eps}, prepare=corrected)


def _adamax(g: Any, mu: Any, nu: Any, s: Scalars) -> tuple[Any, ...]:
    step, new = rules.adamax_direction(g, (mu, nu), s)
    return step, *new


def scale_by_belief(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-16, eps_root: Any = 1e-16, *,
                    nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Adam with v the mean of (g - m)^2 + eps_root. Source: Zhuang et al. 2020; optax.scale_by_belief."""
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}
    return moving(_belief, ScaleByBeliefState, numbers, prepare=corrected, nesterov=nesterov)


def _belief(g: Any, mu: Any, nu: Any, s: Scalars, *, nesterov: bool) -> tuple[Any, ...]:
    m = lerp(mu, g, s["b1"], s["rest1"])
    v = lerp(nu, (g - m) * (g - m), s["b2"], s["rest2"]) + s["eps_root"]
    return lead(g, m, s, nesterov) / spread(v, s), m, v


def scale_by_yogi(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-3, eps_root: Any = 0.0,
                  initial_accumulator_value: Any = 1e-6) -> GradientTransformation:  # fmt: skip
    """Adam with v - (1 - b2) sign(v - g^2) g^2 for the new v. Source: Zaheer et al. 2018; optax.scale_by_yogi."""
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}
    start = initial_accumulator_value
    return moving(_yogi, ScaleByAdamState, numbers, prepare=corrected, starts={"mu": start, "nu": start},
                  rooted=not is_zero(eps_root))  # fmt: skip


def _yogi(g: Any, mu: Any, nu: Any, s: Scalars, *, rooted: bool) -> tuple[Any, ...]:
    m, v = lerp(mu, g, s["b1"], s["rest1"]), nu - sign(nu - g * g) * (g * g) * s["rest2"]
    return m * s["rate"] / spread(v, s, rooted), m, v


def scale_by_radam(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, eps_root: Any = 0.0, threshold: Any = 5.0, *,
                   nesterov: bool = False) -> GradientTransformation:  # fmt: skip
    """Adam's step times r_t where rho_t >= threshold, the corrected mean alone before.

    rho_inf = 2 / (1 - b2) - 1, rho_t = rho_inf - 2 t b2^t / (1 - b2^t),
    r_t = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t)).
    Source: Liu et al. 2020; optax.scale_by_radam.
    """
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root, "threshold": threshold}
    return moving(_radam, ScaleByAdamState, numbers, prepare=_rectified, nesterov=nesterov, rooted=not is_zero(eps_root))


def _rectified(s: Scalars) -> dict[str, Any]:
    found = corrected(s)
    b2, t = s["b2"], s["count"]

    def n(value: float) -> Any:
        return c.number(value, b2)

    most = n(2) / found["rest2"] - n(1)
    rho = most - n(2) * t * pow_(b2, t) / found["left2"]
    square = (rho - n(4)) * (rho - n(2)) * most / ((most - n(4)) * (most - n(2)) * rho)
    return {**found, "r": sqrt(maximum(square, n(0))), "known": c.le(s["threshold"], rho)}


def _radam(g: Any, mu: Any, nu: Any, s: Scalars, *, nesterov: bool, rooted: bool) -> tuple[Any, ...]:
    m, v = lerp(mu, g, s["b1"], s["rest1"]), lerp(nu, g * g, s["b2"], s["rest2"])
    ahead = lead(g, m, s, nesterov)
    return c.select(s["known"], ahead * s["r"] / spread(v, s, rooted), ahead), m, v


def scale_by_lion(b1: Any = 0.9, b2: Any = 0.99, mu_dtype: Any = None) -> GradientTransformation:
    """g -> sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g. Source: Chen et al. 2023; optax.scale_by_lion."""
    return moving(_lion, ScaleByLionState, {"b1": b1, "b2": b2}, prepare=corrected, dtypes={"mu": mu_dtype})


def _lion(g: Any, mu: Any, s: Scalars) -> tuple[Any, ...]:
    return sign(lerp(mu, g, s["b1"], s["rest1"])), lerp(mu, g, s["b2"], s["rest2"])


def scale_by_adan(b1: Any = 0.98, b2: Any = 0.92, b3: Any = 0.99, eps: Any = 1e-8, eps_root: Any = 0.0) -> GradientTransformation:
    """(m + (1 - b2) v) / (sqrt(n + eps_root) + eps), corrected means of g, of its change d, of (g + (1 - b2) d)^2.

    Source: Xie et al. 2022; optax.scale_by_adan.
    """
    numbers = {"b1": b1, "b2": b2, "b3": b3, "eps": eps, "eps_root": eps_root}
    return moving(_adan, ScaleByAdanState, numbers, prepare=_three, counter="t")


def _three(s: Scalars) -> dict[str, Any]:
    t = s["count"]
    rates = {f"rate{i}": one(t) / (one(t) - pow_(s[f"b{i}"], t)) for i in (1, 2, 3)}
    return {**s, **rates, **{f"rest{i}": one(t) - s[f"b{i}"] for i in (1, 2, 3)}, "first": c.eq(t, one(t))}


def _adan(g: Any, m: Any, v: Any, n: Any, last: Any, s: Scalars) -> tuple[Any, ...]:
    change = c.select(s["first"], c.number(0, g), g - last)
    m, v = lerp(m, g, s["b1"], s["rest1"]), lerp(v, change, s["b2"], s["rest2"])
    far = g + change * s["rest2"]
    n = lerp(n, far * far, s["b3"], s["rest3"])
    step = (m * s["rate1"] + v * s["rate2"] * s["rest2"]) / (sqrt(n * s["rate3"] + s["eps_root"]) + s["eps"])
    return step, m, v, n, g


def scale_by_novograd(b1: Any = 0.9, b2: Any = 0.25, eps: Any = 1e-8, eps_root: Any = 0.0, weight_decay: Any = 0.0,
                      mu_dtype: Any = None) -> GradientTransformation:  # fmt: skip
    """m = b1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p, v the mean of |g|^2 of the whole parameter, at first |g|^2.

    Source: Ginsburg et al. 2019; optax.scale_by_novograd.
    """
    numbers = {"b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root, "weight_decay": weight_decay}
    return moving(_novograd, ScaleByNovogradState, numbers, prepare=_first, params=True, dtypes={"mu": mu_dtype},
                  starts={"nu": _scalar_zero})  # fmt: skip


def _first(s: Scalars) -> dict[str, Any]:
    return {**s, "first": c.eq(s["count"], one(s["count"])), "rest2": one(s["b2"]) - s["b2"]}


def _scalar_zero(p: Any) -> Any:
    return compose(_zero_of, as_cell(p))


def _zero_of(p: Any) -> Any:
    return full((), 0, p)


def _novograd(g: Any, p: Any, mu: Any, nu: Any, s: Scalars) -> tuple[Any, ...]:
    size = c.reduce_sum(g * g, axes=tuple(range(g.ndim))) if g.ndim else g * g
    v = c.select(s["first"], size, lerp(nu, size, s["b2"], s["rest2"]))
    m = mu * s["b1"] + g / (sqrt(v + s["eps_root"]) + s["eps"]) + p * s["weight_decay"]
    return m, m, v


def scale_by_optimistic_gradient(alpha: Any = 1.0, beta: Any = 1.0) -> GradientTransformation:
    """g -> (alpha + beta) g - beta (the last g; at first g). Source: Mokhtari et al. 2019; optax.scale_by_optimistic_gradient."""
    inner = stateless_by(_optimistic, {"alpha": alpha, "beta": beta}, params=True)

    def init(params: Any) -> ScaleByOptimisticGradientState:
        return ScaleByOptimisticGradientState(as_cell(True), filled_like(params))

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        last = choose(state.is_initial_step, grads, state.previous_gradient)
        step = inner.update(grads, (), last, **hyper)[0]
        return step, ScaleByOptimisticGradientState(as_cell(False), grads)

    return GradientTransformation(init, update)


def _optimistic(g: Any, last: Any, s: Scalars) -> Any:
    return g * (s["alpha"] + s["beta"]) - last * s["beta"]


def trace(decay: Any, nesterov: bool = False, accumulator_dtype: Any = None) -> GradientTransformation:
    """g -> momentum: b = decay b + g; g + decay b if nesterov. Overridden by update(momentum=...). Source: optax.trace."""
    return moving(_trace, TraceState, {"momentum": decay}, dtypes={"trace": accumulator_dtype}, nesterov=nesterov)


def _trace(g: Any, b: Any, s: Scalars, *, nesterov: bool) -> tuple[Any, ...]:
    undamped = {"momentum": s["momentum"], "undamped": one(g)}
    direction, (new,) = rules.sgd_direction(g, g, (b,), undamped, momentum=True, nesterov=nesterov)
    return direction, new


def ema(decay: Any, debias: bool = True, accumulator_dtype: Any = None) -> GradientTransformation:
    """g -> the running mean decay e + (1 - decay) g, over 1 - decay^t if debias. Source: optax.ema."""
    return moving(_ema, EmaState, {"decay": decay}, prepare=_decayed, dtypes={"ema": accumulator_dtype}, debias=debias)


def _decayed(s: Scalars) -> dict[str, Any]:
    d = s["decay"]
    return {**s, "rest": one(d) - d, "rate": one(d) / (one(d) - pow_(d, s["count"]))}


def _ema(g: Any, e: Any, s: Scalars, *, debias: bool) -> tuple[Any, ...]:
    new = lerp(e, g, s["decay"], s["rest"])
    return (new * s["rate"] if debias else new), new


def scale_by_sign() -> GradientTransformation:
    """g -> sign(g). Source: Bernstein et al. 2018; optax.scale_by_sign."""
    return stateless_by(_sign)


def _sign(g: Any, s: Scalars) -> Any:
    return sign(g)
