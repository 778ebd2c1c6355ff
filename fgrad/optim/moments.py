"""SGD, Adam, AdamW: PyTorch's optimisers over the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.optimizer import Optimizer


def at_least_zero(**values: Any) -> None:
    """PyTorch's refusal of negative options."""
    for name, value in values.items():
        if not value >= 0.0:  # NaN too
            raise ArgumentError(f"Invalid {name} value: {value}", where=caller(), fix="use 0 or more")


class SGD(Optimizer):
    """p -= lr * d, with d = g + weight_decay * p through momentum.

    momentum m: b = m b + (1 - dampening) g, the first b being g; nesterov: d = g + m b.
    foreach, fused, differentiable are accepted: a step is one program anyway.
    Source: PyTorch's SGD.
    """

    rule = rules.SGD

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
                 differentiable: bool = False, fused: bool | None = None) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], momentum=group["momentum"], weight_decay=group["weight_decay"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError("Nesterov momentum requires a momentum and zero dampening", where=caller(),
                                fix="set momentum > 0 and dampening = 0")  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The momentum buffer, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def flags(self, group: dict[str, Any]) -> dict[str, bool]:
        """What shapes the update's graph."""
        return {"momentum": bool(group["momentum"]), "nesterov": group["nesterov"], "decay": group["weight_decay"] != 0,
                "maximize": group["maximize"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """lr, momentum, 1 - dampening (1 at the first step), weight decay."""
        damping = group["dampening"] if step > 1 else 0.0
        return float(group["lr"]), group["momentum"], 1 - damping, group["weight_decay"]

    def shown(self, state: dict[str, Any]) -> dict[str, Any]:
        """PyTorch's SGD keeps no step."""
        return {k: v for k, v in state.items() if k != "step"}


class Adam(Optimizer):
    """p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), with m and v running means of g and g^2.

    weight_decay joins the gradient; decoupled_weight_decay: it shrinks the parameter directly, as AdamW's.  amsgrad: the largest v so far (Reddi et al. 2018).
    foreach, fused, capturable, differentiable are accepted: a step is one program anyway.
    Source: Kingma & Ba 2015; PyTorch's Adam.
    """

    rule = rules.ADAM

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None, decoupled_weight_decay: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        for i, b in enumerate(group["betas"]):
            if not 0.0 <= b < 1.0:
                raise ArgumentError(f"Invalid beta parameter at index {i}: {b}", where=caller(), fix="use 0 <= beta < 1")

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The moments."""
        return (*self.rule.slots, "max_exp_avg_sq") if group["amsgrad"] else self.rule.slots

    def flags(self, group: dict[str, Any]) -> dict[str, bool]:
        """What shapes the update's graph."""
        return {"amsgrad": group["amsgrad"], "decay": group["weight_decay"] != 0, "decoupled": group["decoupled_weight_decay"],
                "maximize": group["maximize"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """lr, betas, lr over the correction of m, the correction of sqrt(v), eps, weight decay."""
        lr, (a, b) = float(group["lr"]), group["betas"]
        return lr, a, b, lr / (1 - a**step), (1 - b**step) ** -0.5, group["eps"], group["weight_decay"]


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter directly. Source: Loshchilov & Hutter 2019; PyTorch's AdamW."""

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, **options: Any) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **options)
