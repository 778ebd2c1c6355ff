"""Optimisers by the gradient itself: SGD, ASGD, Rprop, Muon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.optim import rules
from fgrad.optim.optimizer import Optimizer, at_least_zero, filled


class SGD(Optimizer):
    """p -= lr * d, with d = g + weight_decay * p through momentum.

    momentum m: b = m b + (1 - dampening) g, the first b being g; nesterov: d = g + m b.
    foreach, fused, differentiable are accepted: a step is one program anyway.
    Source: PyTorch's SGD.
    """

    rule = rules.SGD
    hidden = ("step",)

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

    def slots(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """The momentum buffer, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"momentum": bool(group["momentum"]), "nesterov": group["nesterov"], "decay": group["weight_decay"] != 0,
                "maximize": group["maximize"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, momentum, 1 - dampening (1 at the first step), weight decay."""
        damping = group["dampening"] if state["step"] > 1 else 0.0
        return float(group["lr"]), group["momentum"], 1 - damping, group["weight_decay"]


class ASGD(Optimizer):
    """p = p (1 - lambd eta) - eta g, with eta = lr / (1 + lambd lr t)^alpha; `state[p]["ax"]` is the average of p after step t0.

    foreach, capturable, differentiable are accepted. Source: Polyak & Juditsky 1992; PyTorch's ASGD.
    """

    rule = rules.ASGD
    numbers = ("eta", "mu")

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
                 capturable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], weight_decay=group["weight_decay"])

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """Zeros; eta is the learning rate, mu 1."""
        return {"eta": float(group["lr"]), "mu": 1.0}.get(name) or super().start(group, p, name)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Weight decay, 1 - lambd eta, eta, mu."""
        return group["weight_decay"], 1 - group["lambd"] * state["eta"], state["eta"], state["mu"]

    def after(self, group: dict[str, Any], state: dict[str, Any]) -> None:
        """eta and mu of the next step."""
        lr, t = float(group["lr"]), state["step"]
        state["eta"] = lr / (1 + group["lambd"] * lr * t) ** group["alpha"]
        state["mu"] = 1 / max(1, t - group["t0"])


class Rprop(Optimizer):
    """p -= sign(g) size: each element's size grows by etas[1] while its gradient keeps its sign and shrinks by etas[0] when it turns.

    step_sizes: the least and the largest size; sizes start at lr. foreach, capturable, differentiable are accepted.
    Source: Riedmiller & Braun 1993; PyTorch's Rprop.
    """

    rule = rules.RPROP

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"])
        low, high = group["etas"]
        if not 0.0 < low < 1.0 < high:
            raise ArgumentError(f"Invalid eta values: {low}, {high}", where=caller(), fix="use 0 < etas[0] < 1 < etas[1]")

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """Zeros; sizes are the learning rate."""
        lr = float(group["lr"])
        return filled(p, 0 if name == "prev" else complex(lr, lr) if p.is_complex() else lr)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"maximize": group["maximize"]}

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Both factors, both limits."""
        return (*group["etas"], *group["step_sizes"])


class Muon(Optimizer):
    """p = p (1 - lr weight_decay) - lr ratio O, with O near U V' of the momentum U S V': for matrices in hidden layers.

    momentum m: b = m b + (1 - m) g; nesterov: m b + (1 - m) g again. O by ns_steps Newton-Schulz iterations in bfloat16, with
    ns_coefficients. adjust_lr_fn: "original" (or None): ratio = sqrt(max(1, rows / columns)); "match_rms_adamw":
    0.2 sqrt(max(rows, columns)). Raises ShapeError for parameters that are no matrices. Source: Jordan et al. 2024; PyTorch's Muon.
    """

    rule = rules.MUON
    hidden = ("step",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
                 nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
                 eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None) -> None:  # fmt: skip
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "ns_coefficients": ns_coefficients,
            "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        })  # fmt: skip

    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""
        at_least_zero(lr=group["lr"], momentum=group["momentum"], weight_decay=group["weight_decay"])
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(f"Adjust learning rate function {group['adjust_lr_fn']} is not supported", where=caller(),
                                fix='use "original" or "match_rms_adamw"')  # fmt: skip
        if len(group["ns_coefficients"]) != 3 or group["ns_steps"] >= 100:
            raise ArgumentError("Muon takes 3 ns_coefficients and fewer than 100 ns_steps", where=caller(), fix="leave them out")
        for p in group["params"]:
            if p.ndim != 2:
                raise ShapeError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}", where=caller(),
                                 fix="give biases and embeddings to another optimiser, such as AdamW")  # fmt: skip
            if p.is_complex():
                raise DtypeError("Muon does not support complex parameters", where=caller(), fix="use another optimiser for them")

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph."""
        return {"nesterov": group["nesterov"], "steps": group["ns_steps"], "coefficients": tuple(group["ns_coefficients"]),
                "eps": group["eps"], "adjust": group["adjust_lr_fn"]}  # fmt: skip

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """lr, weight decay, momentum."""
        return float(group["lr"]), group["weight_decay"], group["momentum"]
