"""Schedulers that raise and lower the rate, and the momentum against it: CyclicLR, OneCycleLR."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim.lr_scheduler.base import LRScheduler, check_optimizer, for_groups, set_rate
from fgrad.optim.optimizer import Optimizer


class Cycles(LRScheduler):
    """A scheduler that may cycle the momentum too: `momentum` of SGD, the first beta of Adam."""

    def __init__(self, optimizer: Optimizer, last_epoch: int, cycle_momentum: bool, base_momentum: Any, max_momentum: Any) -> None:
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if not {"momentum", "betas"} & set(optimizer.defaults):
                raise ArgumentError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled", where=caller(),
                                    fix="pass cycle_momentum=False")  # fmt: skip
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = for_groups("base_momentum", optimizer, base_momentum)
            self.max_momentums = for_groups("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                for g, low, high in zip(optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                    self.set_momentum(g, high)
                    g["max_momentum"], g["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        """Changes the momentum of a group."""
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(Cycles):
    """The rate up from base_lr to max_lr in step_size_up steps and down in step_size_down, again and again.

    mode: "triangular"; "triangular2": each cycle half as high; "exp_range": height times gamma^step; or scale_fn(x), x the cycle or the
    step by scale_mode ("cycle", "iterations"). cycle_momentum: the momentum goes the other way, from max_momentum to base_momentum.
    Source: Smith 2017 (Cyclical learning rates).
    """

    def __init__(self, optimizer: Optimizer, base_lr: Any, max_lr: Any, step_size_up: int = 2000, step_size_down: int | None = None,
                 mode: str = "triangular", gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None,
                 scale_mode: str = "cycle", cycle_momentum: bool = True, base_momentum: Any = 0.8, max_momentum: Any = 0.9,
                 last_epoch: int = -1) -> None:  # fmt: skip
        check_optimizer(optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ArgumentError("mode is invalid and scale_fn is None", where=caller(), fix='use "triangular", "triangular2" or "exp_range"')
        bases = for_groups("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for g, lr in zip(optimizer.param_groups, bases, strict=True):
                set_rate(g, lr)
        self.max_lrs = for_groups("max_lr", optimizer, max_lr)
        up, down = float(step_size_up), float(step_size_up if step_size_down is None else step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        super().__init__(optimizer, last_epoch, cycle_momentum, base_momentum, max_momentum)
        self.base_lrs = bases

    def scale_fn(self, x: float) -> float:
        """The height of cycle or step `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        heights: dict[str, float] = {"triangular": 1.0, "triangular2": 2.0 ** (1 - x), "exp_range": self.gamma**x}
        return heights[self.mode]

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`; the momenta are set."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for g, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                self.set_momentum(g, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(Cycles):
    """The rate up from max_lr / div_factor to max_lr in the first pct_start of all steps, then down to a 1 / final_div_factor of the start.

    total_steps, or epochs and steps_per_epoch. anneal_strategy: "cos" or "linear". three_phase: down to the start first, then on.
    cycle_momentum: the momentum goes the other way. Raises ArgumentError past the last step. Source: Smith & Topin 2019.
    """

    def __init__(self, optimizer: Optimizer, max_lr: Any, total_steps: int | None = None, epochs: int | None = None,
                 steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos", cycle_momentum: bool = True,
                 base_momentum: Any = 0.85, max_momentum: Any = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4,
                 three_phase: bool = False, last_epoch: int = -1) -> None:  # fmt: skip
        check_optimizer(optimizer)
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ArgumentError("You must define either total_steps OR (epochs AND steps_per_epoch)", where=caller(), fix="give one of them")
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch} if total_steps is None else {"total_steps": total_steps}
        for name, n in given.items():
            if not isinstance(n, int) or n <= 0:
                raise ArgumentError(f"Expected positive integer {name}, but got {n}", where=caller(), fix="count the steps")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ArgumentError(f"Expected float between 0 and 1 pct_start, but got {pct_start}", where=caller(), fix="use e.g. 0.3")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}", where=caller(),
                                fix='use "cos" or "linear"')  # fmt: skip
        self.total_steps = math.prod(n for n in given.values() if n is not None)
        self._anneal_func_type = anneal_strategy
        up, end = float(pct_start * self.total_steps) - 1, float(self.total_steps - 1)
        if three_phase:
            rates, momenta = ["initial_lr", "max_lr", "initial_lr", "min_lr"], ["max_momentum", "base_momentum", *["max_momentum"] * 2]
            self.ends = [up, float(2 * pct_start * self.total_steps) - 2, end]
        else:
            rates, momenta = ["initial_lr", "max_lr", "min_lr"], ["max_momentum", "base_momentum", "max_momentum"]
            self.ends = [up, end]
        self.names = [*zip(rates, rates[1:], momenta, momenta[1:], strict=False)]
        if last_epoch == -1:
            for g, high in zip(optimizer.param_groups, for_groups("max_lr", optimizer, max_lr), strict=True):
                g["initial_lr"], g["max_lr"] = high / div_factor, high
                g["min_lr"] = g["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch, cycle_momentum, base_momentum, max_momentum)

    def between(self, start: float, end: float, part: float) -> float:
        """A value on the way from start to end."""
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`; the momenta are set."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ArgumentError(f"Tried to step {t} times. The specified number of total steps is {self.total_steps}", where=caller(),
                                fix="count the steps of all epochs")  # fmt: skip
        phase = next((i for i, end in enumerate(self.ends) if t <= end), len(self.ends) - 1)
        begin = self.ends[phase - 1] if phase else 0.0
        part = (t - begin) / (self.ends[phase] - begin)
        low, high, before, after = self.names[phase]
        if self.cycle_momentum:
            for g in self.optimizer.param_groups:
                self.set_momentum(g, self.between(g[before], g[after], part))
        return [self.between(g[low], g[high], part) for g in self.optimizer.param_groups]
