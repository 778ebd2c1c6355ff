"""Schedulers over schedulers: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim.lr_scheduler.base import LRScheduler, set_rate
from fgrad.optim.lr_scheduler.plateau import ReduceLROnPlateau
from fgrad.optim.optimizer import Optimizer


class Composed(LRScheduler):
    """A scheduler that asks others."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ArgumentError(f"{name} expects at least one scheduler, but got no scheduler.", where=caller(), fix="give a list of them")
        for i, s in enumerate(schedulers):
            if not hasattr(s, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
            if isinstance(s, ReduceLROnPlateau):
                raise ArgumentError(f"{name} does not support `ReduceLROnPlateau`, whose step takes a metric, but got one at index {i}",
                                    where=caller(), fix="step it beside this one")  # fmt: skip
            if s.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ArgumentError(f"{name} expects all schedulers to belong to the same optimizer, the one at index {i} has another",
                                    where=caller(), fix="build them over one optimiser")  # fmt: skip
        self._schedulers, self.optimizer = list(schedulers), optimizer or schedulers[0].optimizer


class SequentialLR(Composed):
    """The first scheduler until the first milestone, then the next, each from its own epoch 0."""

    def __init__(self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1) -> None:
        super().__init__(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, "
                f"but got number of schedulers {len(schedulers)} and the number of milestones to be equal to {len(milestones)}",
                where=caller(), fix="give a milestone between each two",
            )  # fmt: skip
        self._milestones, self.last_epoch = milestones, last_epoch + 1
        for g in optimizer.param_groups:
            set_rate(g, g["initial_lr"])
        undo(self)
        first = self._schedulers[bisect_right(milestones, 0)]
        first.start()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # PyTorch's signature
        """Moves on by one epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        s = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            s.move(0)
        else:
            s.step()
        self._last_lr = s.get_last_lr()

    def start(self) -> None:
        """The first step: the first scheduler's."""
        self.last_epoch = 0
        self._schedulers[0].start()

    def move(self, epoch: int | None = None) -> None:
        """To epoch 0: the first scheduler's."""
        self.last_epoch = 0
        self._schedulers[0].move(0)
        self._last_lr = self.rates()


class ChainedScheduler(Composed):
    """Every scheduler at every step: their factors multiply."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        super().__init__(schedulers, optimizer)
        self._last_lr = self.rates()

    def step(self) -> None:  # type: ignore[override]  # PyTorch's signature
        """Steps all of them in turn."""
        for s in self._schedulers:
            s.step()
        self._last_lr = self.rates()

    def start(self) -> None:
        """The first step of all of them."""
        for s in self._schedulers:
            s.start()
        self._last_lr = self.rates()

    def move(self, epoch: int | None = None) -> None:
        """All of them to `epoch`."""
        for s in self._schedulers:
            s.move(epoch)
        self._last_lr = self.rates()


def undo(scheduler: Any) -> None:
    """Takes back the first step of every scheduler inside."""
    if hasattr(scheduler, "_schedulers"):
        for s in scheduler._schedulers:
            undo(s)
    else:
        scheduler.last_epoch -= 1
