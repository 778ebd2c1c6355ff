"""The scheduler that watches a metric."""

from __future__ import annotations

import math
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim.lr_scheduler.base import LRScheduler, check_optimizer, for_groups, rate, set_rate
from fgrad.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when `step(metric)` has not improved for more than `patience` calls.

    mode: "min" or "max"; an improvement exceeds `threshold`, as a share ("rel") or by itself ("abs"). cooldown: calls to wait after a
    change. min_lr: of all groups, or one each. Changes below eps are left out.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: Any = 0.0,
                 eps: float = 1e-8) -> None:  # fmt: skip
        check_optimizer(optimizer)
        if factor >= 1.0:
            raise ArgumentError("Factor should be < 1.0.", where=caller(), fix="use e.g. 0.1")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(f"mode {mode} or threshold mode {threshold_mode} is unknown!", where=caller(),
                                fix="use min or max, rel or abs")  # fmt: skip
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.min_lrs = for_groups("min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs, self.cooldown_counter, self.last_epoch = 0, 0, 0
        self._last_lr = self.rates()
        self.mode_worse = self.best

    @property
    def in_cooldown(self) -> bool:
        """True while a change is too recent for another."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """True if `a` improves on `best` by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return a > best * (1 + self.threshold) if sign > 0 else a < best * (1 - self.threshold)
        return sign * a > sign * best + self.threshold

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]  # PyTorch's signature
        """Looks at a metric and lowers the rates if it has stopped improving."""
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.rates()

    def reduce(self) -> None:
        """Lowers the rates; groups added since have the common least rate."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise ArgumentError(f"the optimizer has {len(groups)} param groups, min_lrs is for {len(self.min_lrs)}", where=caller(),
                                    fix="extend the scheduler's min_lrs")  # fmt: skip
            self.min_lrs = [self.default_min_lr] * len(groups)
        for g, low in zip(groups, self.min_lrs, strict=True):
            new = max(rate(g) * self.factor, low)
            if rate(g) - new > self.eps:
                set_rate(g, new)
