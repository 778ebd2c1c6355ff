"""Optimisers by running means of the gradient and its square: Adam, AdamW, Adamax, NAdam, RAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.optimizer import Optimizer, at_least_zero, check_betas


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
        if len({isinstance(b, Tensor) for b in group["betas"]}) > 1:
            raise ArgumentError("betas must be either both floats or both Tensors", where=caller(), fix="convert one of them")
        check_betas(group["betas"])

    def slots(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """The moments."""
        return (*self.rule.slots, "max_exp_avg_sq") if group["amsgrad"] else self.rule.slots

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"amsgrad": group["amsgrad"], "decay": group["weight_decay"] != 0, "decoupled": group["decoupled_weight_decay"],
                "maximize": group["maximize"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, betas, lr over the correction of m, the correction of sqrt(v), eps, weight decay."""
        lr, (a, b), step = float(group["lr"]), group["betas"], state["step"]
        return lr, a, b, 1 - b, lr / (1 - a**step), (1 - b**step) ** -0.5, group["eps"], group["weight_decay"]


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter directly. Source: Loshchilov & Hutter 2019; PyTorch's AdamW."""

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, **options: Any) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **options)


class Adamax(Optimizer):
    """p -= lr / (1 - b1^t) * m / u, with u = max(b2 u, |g| + eps): Adam by the infinity norm.

    foreach, capturable, differentiable are accepted: a step is one program anyway. Source: Kingma & Ba 2015; PyTorch's Adamax.
    """

    rule = rules.ADAMAX

    def __init__(self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
                 capturable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        check_betas(group["betas"])

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, betas, lr over the correction of m, eps."""
        lr, (a, b) = float(group["lr"]), group["betas"]
        return lr, group["weight_decay"], a, b, lr / (1 - a ** state["step"]), group["eps"]


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead: p -= lr * ((1 - mu_t) / (1 - M_t) g + mu_next / (1 - M_t mu_next) m) / (sqrt(v / (1 - b2^t)) + eps).

    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), M_t the product of mu so far. weight_decay joins the gradient;
    decoupled_weight_decay: it shrinks the parameter. foreach, capturable, differentiable are accepted.
    Source: Dozat 2016; PyTorch's NAdam.
    """

    rule = rules.NADAM
    numbers = ("mu_product",)

    def __init__(self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"], momentum_decay=group["momentum_decay"])
        check_betas(group["betas"])

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """Zeros; the product of momenta is 1."""
        return 1.0 if name == "mu_product" else super().start(group, p, name)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "decoupled": group["decoupled_weight_decay"], "maximize": group["maximize"]}

    @staticmethod
    def momentum(group: dict[str, Any], step: int) -> float:
        """mu of a step."""
        return float(group["betas"][0] * (1.0 - 0.5 * 0.96 ** (step * group["momentum_decay"])))

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, betas, the rates of g and m, the correction of sqrt(v), eps."""
        lr, (a, b), t = float(group["lr"]), group["betas"], state["step"]
        mu, ahead = self.momentum(group, t), self.momentum(group, t + 1)
        product = state["mu_product"] * mu
        rate_g, rate_m = lr * (1 - mu) / (1 - product), lr * ahead / (1 - product * ahead)
        return lr, group["weight_decay"], a, b, 1 - b, rate_g, rate_m, (1 - b**t) ** -0.5, group["eps"]

    def after(self, group: dict[str, Any], state: dict[str, Any]) -> None:
        """The product of momenta so far."""
        state["mu_product"] *= self.momentum(group, state["step"])


class RAdam(Optimizer):
    """Adam, rectified: while the variance of 1 / sqrt(v) is unknown (rho_t <= 5) p -= lr m / (1 - b1^t), then Adam's step times r_t.

    rho_inf = 2 / (1 - b2) - 1, rho_t = rho_inf - 2 t b2^t / (1 - b2^t),
    r_t = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t)). decoupled_weight_decay: as AdamW's.
    foreach, capturable, differentiable are accepted. Source: Liu et al. 2020; PyTorch's RAdam.
    """

    rule = rules.RADAM

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        check_betas(group["betas"])

    @staticmethod
    def length(group: dict[str, Any], step: int) -> tuple[float, float]:
        """(rho_inf, rho_t): the length of the mean of squares as a simple moving average."""
        b = group["betas"][1]
        most = 2 / (1 - b) - 1
        return most, most - 2 * step * b**step / (1 - b**step)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "decoupled": group["decoupled_weight_decay"], "maximize": group["maximize"],
                "rectified": self.length(group, self.state[p]["step"])[1] > 5}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, betas, the rate of m, eps."""
        lr, (a, b), t = float(group["lr"]), group["betas"], state["step"]
        most, rho = self.length(group, t)
        rate = lr / (1 - a**t)
        if rho > 5:
            rate *= ((1 - b**t) * (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) ** 0.5
        return lr, group["weight_decay"], a, b, 1 - b, rate, group["eps"]
