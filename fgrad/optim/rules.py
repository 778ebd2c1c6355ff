"""Update rules of one parameter, on Values: written once, used by the pure transforms and by the stateful optimisers.

Scalars (lr, betas, ...) are 0-d values of the parameter's dtype, so a changing one never changes the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Value
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import abs_, convert, maximum, minimum, sign, sqrt
from fgrad.primitives.linear import matmul
from fgrad.primitives.shape import transpose


class Rule(NamedTuple):
    """`update(p, g, slots, scalars, **flags) -> (new p, new slots)`; `slots` names the state."""

    slots: tuple[str, ...]
    scalars: tuple[str, ...]
    update: Callable[..., tuple[Value, tuple[Value, ...]]]


def lerp(a: Any, b: Any, beta: Any, rest: Any = None) -> Any:
    """beta a + (1 - beta) b: a running mean; `rest` is 1 - beta where it is known more exactly than b's dtype allows."""
    return a * beta + b * (c.number(1, b) - beta if rest is None else rest)


def sgd_direction(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, momentum: bool = False,
                  nesterov: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """(direction, new momentum buffer): b = m b + (1 - damping) g; g + m b if nesterov, else b."""
    if not momentum:
        return g, ()
    b = slots[0] * s["momentum"] + g * s["undamped"]
    return (g + b * s["momentum"] if nesterov else b), (b,)


def sgd_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, momentum: bool = False,
               nesterov: bool = False, decay: bool = False, maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - lr * direction(g + weight_decay * p). Source: PyTorch's SGD (Sutskever et al. 2013 with lr outside)."""
    g = -g if maximize else g
    g = g + p * s["weight_decay"] if decay else g
    direction, new = sgd_direction(p, g, slots, s, momentum=momentum, nesterov=nesterov)
    return p - direction * s["lr"], new


def adam_direction(g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, amsgrad: bool = False) -> tuple[Any, tuple[Any, ...]]:
    """(rate m / (sqrt(v / c2) + eps), new moments); c2 = 1 - beta2^t, root2 = 1 / sqrt(c2). Source: Kingma & Ba 2015.

    rate: 1 / (1 - beta1^t), times whatever else scales the step: one number instead of one more pass over the parameter.
    """
    m, v = lerp(slots[0], g, s["beta1"], s.get("rest1")), lerp(slots[1], g * g, s["beta2"], s.get("rest2"))
    top = maximum(slots[2], v) if amsgrad else v
    step = m * s["rate"] / (sqrt(top) * s["root2"] + s["eps"])
    return step, ((m, v, top) if amsgrad else (m, v))


def adam_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, amsgrad: bool = False, decay: bool = False,
                decoupled: bool = False, maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - lr * direction; weight decay joins the gradient (Adam) or shrinks p (AdamW, Loshchilov & Hutter 2019)."""
    g = -g if maximize else g
    if decay and decoupled:
        p = p - p * (s["lr"] * s["weight_decay"])
    elif decay:
        g = g + p * s["weight_decay"]
    step, new = adam_direction(g, slots, s, amsgrad=amsgrad)
    return p - step, new


def joined(p: Any, g: Any, s: Mapping[str, Any], *, decay: bool, maximize: bool) -> Any:
    """The gradient, negated to maximise, with weight_decay * p joined in."""
    g = -g if maximize else g
    return g + p * s["weight_decay"] if decay else g


def adamax_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False,
                  maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - rate m / u, u = max(beta2 u, |g| + eps), rate = lr / (1 - beta1^t). Source: Kingma & Ba 2015; PyTorch's Adamax."""
    step, new = adamax_direction(joined(p, g, s, decay=decay, maximize=maximize), slots, s)
    return p - step, new


def adamax_direction(g: Any, slots: tuple[Any, ...], s: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """(rate m / u, new moments)."""
    m, u = lerp(slots[0], g, s["beta1"], s.get("rest1")), maximum(slots[1] * s["beta2"], abs_(g) + s["eps"])
    return m * s["rate"] / u, (m, u)


def nadam_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False, decoupled: bool = False,
                 maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - (rate_g g + rate_m m) / (sqrt(v root2^2) + eps). Source: Dozat 2016; PyTorch's NAdam."""
    g = joined(p, g, s, decay=decay and not decoupled, maximize=maximize)
    p = p - p * (s["lr"] * s["weight_decay"]) if decay and decoupled else p
    m, v = lerp(slots[0], g, s["beta1"]), lerp(slots[1], g * g, s["beta2"], s["rest2"])
    return p - (g * s["rate_g"] + m * s["rate_m"]) / (sqrt(v) * s["root2"] + s["eps"]), (m, v)


def radam_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False, decoupled: bool = False,
                 maximize: bool = False, rectified: bool = True) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - rate m / (sqrt(v) + eps) once the variance is tractable, p - rate m before. Source: Liu et al. 2020; PyTorch's RAdam."""
    g = joined(p, g, s, decay=decay and not decoupled, maximize=maximize)
    p = p - p * (s["lr"] * s["weight_decay"]) if decay and decoupled else p
    m, v = lerp(slots[0], g, s["beta1"]), lerp(slots[1], g * g, s["beta2"], s["rest2"])
    step = m * s["rate"]
    return p - (step / (sqrt(v) + s["eps"]) if rectified else step), (m, v)


def rmsprop_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False, momentum: bool = False,
                   centered: bool = False, maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - lr g / (sqrt(v) + eps), v minus the squared mean of g if centered. Source: Hinton 2012; PyTorch's RMSprop."""
    g = joined(p, g, s, decay=decay, maximize=maximize)
    v, *rest = slots
    v, new = lerp(v, g * g, s["alpha"]), []
    spread = v
    if centered:
        mean = lerp(rest[-1], g, s["alpha"])
        spread = v - mean * mean
    step = g / (sqrt(spread) + s["eps"])
    if momentum:
        step = rest[0] * s["momentum"] + step
        new.append(step)
    return p - step * s["lr"], (v, *new, *([mean] if centered else []))


def adagrad_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False,
                   maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - rate g / (sqrt(sum of g^2) + eps), rate = lr / (1 + (t - 1) lr_decay). Source: Duchi et al. 2011; PyTorch's Adagrad."""
    g = joined(p, g, s, decay=decay, maximize=maximize)
    total = slots[0] + g * g
    return p - g * s["rate"] / (sqrt(total) + s["eps"]), (total,)


def adadelta_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False,
                    maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - lr d, d = g sqrt(u + eps) / sqrt(v + eps), u and v running means of d^2 and g^2. Source: Zeiler 2012; PyTorch's."""
    d, new = adadelta_direction(joined(p, g, s, decay=decay, maximize=maximize), slots, s)
    return p - d * s["lr"], new


def adadelta_direction(g: Any, slots: tuple[Any, ...], s: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """(d, new means of g^2 and d^2)."""
    v = lerp(slots[0], g * g, s["rho"], s.get("rest"))
    d = sqrt(slots[1] + s["eps"]) / sqrt(v + s["eps"]) * g
    return d, (v, lerp(slots[1], d * d, s["rho"], s.get("rest")))


def asgd_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False,
                maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p (1 - lambd eta) - eta g; ax: the average, ax + mu (p - ax). Source: Polyak & Juditsky 1992; PyTorch's ASGD."""
    g = joined(p, g, s, decay=decay, maximize=maximize)
    p = p * s["shrink"] - g * s["eta"]
    return p, (slots[0] + (p - slots[0]) * s["mu"],)


def rprop_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *,
                 maximize: bool = False) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - sign(g) size; size grows while signs agree, shrinks (and g counts as 0) when they turn. Source: Riedmiller & Braun 1993."""
    g = -g if maximize else g
    zero, turn = c.number(0, g), g * slots[0]
    turned = c.lt(turn, zero)
    factor = c.select(c.lt(zero, turn), s["etaplus"], c.select(turned, s["etaminus"], c.number(1, g)))
    size = minimum(maximum(slots[1] * factor, s["smallest"]), s["largest"])
    g = c.select(turned, zero, g)
    return p - sign(g) * size, (g, size)


def rms(x: Any) -> Any:
    """Root of the mean of squares of all elements, 0-d."""
    return sqrt(c.mean(x * x, axes=tuple(range(x.ndim))))


def adafactor_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, decay: bool = False, maximize: bool = False,
                     eps1: float = 0.0, d: float = 1.0) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p - alpha u / max(1, rms(u) / d), u = g / sqrt(v), v from row and column means. Source: Shazeer & Stern 2018; PyTorch's."""
    g = -g if maximize else g
    alpha = maximum(s["eps2"], rms(p)) * s["rho"]
    p = p - p * (s["lr"] * s["weight_decay"]) if decay else p
    if g.ndim > 1:
        last, before = g.ndim - 1, g.ndim - 2
        row = lerp(slots[0], c.mean(g * g, axes=(last,), keep=True), s["beta2"])
        column = lerp(slots[1], c.mean(g * g, axes=(before,), keep=True), s["beta2"])
        v = row * column / maximum(c.mean(row, axes=(before,), keep=True), c.number(eps1, g))
        new: tuple[Any, ...] = (row, column)
    else:
        v = lerp(slots[0], g * g, s["beta2"])
        new = (v,)
    u = g / sqrt(maximum(v, c.number(eps1 * eps1, g)))
    return p - u * (alpha / maximum(c.number(1, g), rms(u) / c.number(d, g))), new


def orthogonal(g: Any, coefficients: tuple[float, float, float], steps: int, eps: float, dtype: str = "bfloat16") -> Any:
    """A matrix near U V' of g = U S V', by the quintic Newton-Schulz iteration in `dtype`. Source: Jordan et al. 2024."""
    x = convert(g, dtype=dtype_of(dtype))
    a, b, k = (c.number(value, x) for value in coefficients)
    tall = g.shape[0] > g.shape[1]
    x = transpose(x, axes=(1, 0)) if tall else x
    x = x / maximum(c.norm(x, axes=(0, 1), p=2.0), c.number(eps, x))
    for _ in range(steps):
        gram = matmul(x, transpose(x, axes=(1, 0)))
        x = x * a + matmul(gram * b + matmul(gram, gram) * k, x)
    return convert(transpose(x, axes=(1, 0)) if tall else x, dtype=g.dtype)


def muon_update(p: Any, g: Any, slots: tuple[Any, ...], s: Mapping[str, Any], *, nesterov: bool = True, steps: int = 5,
                coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7,
                adjust: str | None = None) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """p (1 - lr weight_decay) - lr ratio(shape) orthogonal(momentum). Source: Jordan et al. 2024; PyTorch's Muon."""
    b = lerp(slots[0], g, s["momentum"])
    u = lerp(b, g, s["momentum"]) if nesterov else b
    rows, columns = p.shape
    ratio = 0.2 * math.sqrt(max(rows, columns)) if adjust == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
    step = orthogonal(u, coefficients, steps, eps) * (s["lr"] * c.number(ratio, g))
    return p * (c.number(1, p) - s["lr"] * s["weight_decay"]) - step, (b,)


SGD = Rule(("momentum_buffer",), ("lr", "momentum", "undamped", "weight_decay"), sgd_update)
ADAM = Rule(("exp_avg", "exp_avg_sq"), ("lr", "beta1", "beta2", "rest2", "rate", "root2", "eps", "weight_decay"), adam_update)
MOMENTS, DECAYED = ("exp_avg", "exp_avg_sq"), ("lr", "weight_decay")
ADAMAX = Rule(("exp_avg", "exp_inf"), (*DECAYED, "beta1", "beta2", "rate", "eps"), adamax_update)
NADAM = Rule(MOMENTS, (*DECAYED, "beta1", "beta2", "rest2", "rate_g", "rate_m", "root2", "eps"), nadam_update)
RADAM = Rule(MOMENTS, (*DECAYED, "beta1", "beta2", "rest2", "rate", "eps"), radam_update)
RMSPROP = Rule(("square_avg",), (*DECAYED, "alpha", "eps", "momentum"), rmsprop_update)
ADAGRAD = Rule(("sum",), (*DECAYED, "rate", "eps"), adagrad_update)
ADADELTA = Rule(("square_avg", "acc_delta"), (*DECAYED, "rho", "eps"), adadelta_update)
ASGD = Rule(("ax",), ("weight_decay", "shrink", "eta", "mu"), asgd_update)
RPROP = Rule(("prev", "step_size"), ("etaminus", "etaplus", "smallest", "largest"), rprop_update)
ADAFACTOR = Rule(("variance",), (*DECAYED, "beta2", "rho", "eps2"), adafactor_update)
MUON = Rule(("momentum_buffer",), (*DECAYED, "momentum"), muon_update)
