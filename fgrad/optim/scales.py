"""Optimisers that divide by the size of past gradients: RMSprop, Adagrad, Adadelta, Adafactor; why there is no SparseAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fgrad.errors import ArgumentError, DtypeError, RuleError, need
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.optimizer import Optimizer, at_least_zero, filled


class RMSprop(Optimizer):
    """p -= lr g / (sqrt(v) + eps), v the running mean of g^2 with factor alpha.

    centered: v less the squared running mean of g. momentum m: b = m b + g / (sqrt(v) + eps), p -= lr b.
    foreach, capturable, differentiable are accepted. Source: Hinton 2012; PyTorch's RMSprop.
    """

    rule = rules.RMSPROP

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
            "capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(**{k: group[k] for k in ("lr", "eps", "momentum", "weight_decay", "alpha")})

    def slots(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """The mean of squares, the momentum, the mean."""
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "momentum": group["momentum"] > 0, "centered": group["centered"],
                "maximize": group["maximize"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, alpha, eps, momentum."""
        return float(group["lr"]), group["weight_decay"], group["alpha"], group["eps"], group["momentum"]


class Adagrad(Optimizer):
    """p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps), s the sum of g^2 so far, which begins at initial_accumulator_value.

    foreach, fused, differentiable are accepted. Source: Duchi et al. 2011; PyTorch's Adagrad.
    """

    rule = rules.ADAGRAD

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: bool | None = None) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        })  # fmt: skip
        for g in self.param_groups:  # PyTorch's Adagrad has its state before the first step
            for p in g["params"]:
                self.state[p].update(step=0, sum=self.start(g, p, "sum"))

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(**{k: group[k] for k in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")})

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """The sum of squares to begin with."""
        value = group["initial_accumulator_value"]
        return filled(p, complex(value, value) if p.is_complex() else value)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, the rate of this step, eps."""
        lr = float(group["lr"])
        return lr, group["weight_decay"], lr / (1 + (state["step"] - 1) * group["lr_decay"]), group["eps"]


class Adadelta(Optimizer):
    """p -= lr d, d = g sqrt(u + eps) / sqrt(v + eps), with u and v the running means of d^2 and g^2 with factor rho.

    foreach, capturable, differentiable are accepted. Source: Zeiler 2012; PyTorch's Adadelta.
    """

    rule = rules.ADADELTA

    def __init__(self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "capturable": capturable,
            "foreach": foreach, "differentiable": differentiable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        if not 0.0 <= group["rho"] <= 1.0:
            raise ArgumentError(f"Invalid rho value: {group['rho']}", where=caller(), fix="use 0 <= rho <= 1")

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, rho, eps."""
        return float(group["lr"]), group["weight_decay"], group["rho"], group["eps"]


class Adafactor(Optimizer):
    """p -= max(eps2, rms(p)) rho_t u / max(1, rms(u) / d), u = g / sqrt(v), rho_t = min(lr, 1 / sqrt(t)).

    v of matrices (the last two axes) is kept as the means of its rows and columns; its running mean weighs the new square by
    t^beta2_decay. eps = (eps1, eps2); eps1 None: the dtype's epsilon. weight_decay shrinks the parameter by lr weight_decay.
    foreach is accepted. Raises DtypeError for complex parameters. Source: Shazeer & Stern 2018; PyTorch's Adafactor.
    """

    rule = rules.ADAFACTOR

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, beta2_decay: float = -0.8,
                 eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
                 foreach: bool | None = None, maximize: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        first, second = group["eps"]
        at_least_zero(lr=group["lr"], epsilon1=first or 0.0, epsilon2=second, weight_decay=group["weight_decay"])
        if not group["beta2_decay"] <= 0.0:
            raise ArgumentError(f"beta2_decay should be <= 0 but is: {group['beta2_decay']}", where=caller(), fix="use e.g. -0.8")
        if not group["d"] >= 1.0:
            raise ArgumentError(f"Clipping threshold d should be >= 1 but is: {group['d']}", where=caller(), fix="use 1 or more")
        if any(p.is_complex() for p in group["params"]):
            raise DtypeError("Adafactor does not support complex parameters", where=caller(), fix="use another optimiser for them")

    def slots(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """Means of rows and columns, or of every element."""
        return ("row_var", "col_var") if p.ndim > 1 else ("variance",)

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """Zeros; of one column or one row."""
        shape = tuple(p.shape)
        return filled(p, 0, {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, *shape[-1:])}.get(name))

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        first = group["eps"][0]
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"], "d": group["d"],
                "eps1": float(need("ml_dtypes").finfo(p._type.dtype).eps) if first is None else first}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, 1 - t^beta2_decay, min(lr, 1 / sqrt(t)), eps2."""
        lr, t = float(group["lr"]), state["step"]
        return lr, group["weight_decay"], 1 - t ** group["beta2_decay"], min(lr, t**-0.5), group["eps"][1]


class SparseAdam:
    """Refused: no layer here produces sparse gradients, so that Adam does the same with the same memory.

    Raises RuleError, always.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        raise RuleError("SparseAdam updates by sparse gradients, which no layer of fgrad produces (embeddings' are dense)",
                        where=caller(), fix="use Adam")  # fmt: skip
