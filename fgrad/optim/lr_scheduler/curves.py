"""Schedulers that follow a curve: steps, lines, powers, exponentials, cosines, functions given."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim.lr_scheduler.base import LRScheduler, functions_for_groups
from fgrad.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """base_lr * lr_lambda(epoch); one function for all groups, or one each."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.lr_lambdas = functions_for_groups(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """base_lr * lr_lambda(epoch)."""
        return [lr * f(self.last_epoch) for lr, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(LRScheduler):
    """The rate times lr_lambda(epoch) at every epoch; one function for all groups, or one each."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.lr_lambdas = functions_for_groups(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        if self._is_initial:
            return self.rates()
        return [lr * f(self.last_epoch) for lr, f in zip(self.rates(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """The rate times gamma every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self.rates()
        return [lr * self.gamma for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """base_lr gamma^(epoch // step_size)."""
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """The rate times gamma at each milestone."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        n = self.milestones[self.last_epoch]
        return [lr * self.gamma**n for lr in self.rates()] if n else self.rates()

    def closed_form(self) -> list[float]:
        """base_lr gamma^(milestones so far)."""
        n = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**n for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """base_lr * factor until epoch `total_iters`, base_lr from then on."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        check_factors(Constant=factor)
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self.rates()]
        return [lr * (1.0 / self.factor) for lr in self.rates()] if self.last_epoch == self.total_iters else self.rates()

    def closed_form(self) -> list[float]:
        """base_lr factor, or base_lr."""
        return [lr * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)) for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """base_lr times a factor that goes in a line from start_factor to end_factor in `total_iters` epochs."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1) -> None:  # fmt: skip
        if not 0.0 < start_factor <= 1.0:
            raise ArgumentError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.", where=caller(),
                                fix="use 0 < start_factor <= 1")  # fmt: skip
        check_factors(Ending=end_factor)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        t, first, gap = self.last_epoch, self.start_factor, self.end_factor - self.start_factor
        if t == 0:
            return [lr * first for lr in self.rates()]
        if self._is_initial or t > self.total_iters:
            return self.rates()
        return [lr * (1.0 + gap / (self.total_iters * first + (t - 1) * gap)) for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """base_lr (start + (end - start) min(epoch, total) / total)."""
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * (self.start_factor + (self.end_factor - self.start_factor) * part) for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """The rate times gamma at every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        return self.rates() if self._is_initial else [lr * self.gamma for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """base_lr gamma^epoch."""
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """base_lr (1 - epoch / total_iters)^power, 0 from epoch `total_iters` on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        t, n = self.last_epoch, self.total_iters
        if self._is_initial or t > n:
            return self.rates()
        return [lr * ((1.0 - t / n) / (1.0 - (t - 1) / n)) ** self.power for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """base_lr (1 - min(epoch, total) / total)^power."""
        return [lr * (1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power for lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2, by PyTorch's recursion. Source: Loshchilov & Hutter 2017."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        t, n, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self.rates()
        if self._step_count == 1 and t > 0:
            return self.closed_form()
        if (t - 1 - n) % (2 * n) == 0:
            return [lr + (base - low) * (1 - math.cos(math.pi / n)) / 2 for base, lr in zip(self.base_lrs, self.rates(), strict=True)]
        factor = (1 + math.cos(math.pi * t / n)) / (1 + math.cos(math.pi * (t - 1) / n))
        return [factor * (lr - low) + low for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """The formula itself."""
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * part for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosines from base_lr to eta_min, the first T_0 epochs long, each T_mult times as long as the one before; epochs may be fractions.

    Source: Loshchilov & Hutter 2017 (SGDR).
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ArgumentError(f"Expected positive integer T_0, but got {T_0}", where=caller(), fix="give the epochs of the first cosine")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ArgumentError(f"Expected integer T_mult >= 1, but got {T_mult}", where=caller(), fix="use 1 or 2")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates `T_cur` epochs after the last restart."""
        part = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * part for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Moves to the next epoch, or to `epoch`."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = epoch or 0
            if epoch < 0:
                raise ArgumentError(f"Expected non-negative epoch, but got {epoch}", where=caller(), fix="use 0 or more")
            self.restart(epoch)
        self.last_epoch = math.floor(epoch)
        self.set(self.get_lr())

    def restart(self, epoch: float) -> None:
        """The cosine that `epoch` lies in, and how far."""
        first, m = self.T_0, self.T_mult
        if epoch < first:
            self.T_i, self.T_cur = first, epoch
        elif m == 1:
            self.T_cur = epoch % first
        else:
            n = int(math.log(epoch / first * (m - 1) + 1, m))
            self.T_cur = epoch - first * (m**n - 1) / (m - 1)
            self.T_i = first * m**n


def check_factors(**factors: float) -> None:
    """Refuses factors outside [0, 1]."""
    for name, f in factors.items():
        if not 0.0 <= f <= 1.0:
            raise ArgumentError(f"{name} multiplicative factor expected to be between 0 and 1.", where=caller(), fix="use 0 to 1")
