"""Update rules of one parameter, on Values: written once, used by the pure transforms and by the stateful optimisers.

Scalars (lr, betas, ...) are 0-d values of the parameter's dtype, so a changing one never changes the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fgrad.ir.graph import Value
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import maximum, sqrt


class Rule(NamedTuple):
    """`update(p, g, slots, scalars, **flags) -> (new p, new slots)`; `slots` names the state, which starts at zero."""

    slots: tuple[str, ...]
    scalars: tuple[str, ...]
    update: Callable[..., tuple[Value, tuple[Value, ...]]]


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
    m = slots[0] * s["beta1"] + g * (c.number(1, g) - s["beta1"])
    v = slots[1] * s["beta2"] + (g * g) * (c.number(1, g) - s["beta2"])
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


SGD = Rule(("momentum_buffer",), ("lr", "momentum", "undamped", "weight_decay"), sgd_update)
ADAM = Rule(("exp_avg", "exp_avg_sq"), ("lr", "beta1", "beta2", "rate", "root2", "eps", "weight_decay"), adam_update)
