"""What all schedulers share: rates of the groups by epoch, the first step at construction, state."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.optim.optimizer import Optimizer


class LRScheduler:
    """Base: `get_lr()` gives the rates of epoch `last_epoch`; `step()` moves on by one and sets them.

    A subclass whose rates are a function of the epoch alone says so by `closed_form()`, which `step(epoch)` and restarts use.
    """

    _is_initial = False
    _step_count = 0

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, g in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                g.setdefault("initial_lr", rate(g))
            elif "initial_lr" not in g:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0")
        self.base_lrs = [g["initial_lr"] for g in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count, self._is_initial, self._get_lr_called_within_step = 0, False, False
        self._last_lr: list[float] = []
        self.start()

    def start(self) -> None:
        """The first step, which sets the rates of epoch 0."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        return self.closed_form()

    def closed_form(self) -> list[float]:
        """The rate of each group at `last_epoch`, whatever it is now."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rates set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Moves to the next epoch (or to `epoch`) and sets the rates."""
        if self._step_count == 1 and not self.optimizer.stepped:
            warnings.warn("Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first rate of the schedule is skipped. "
                          "Call `optimizer.step()` first.", UserWarning, stacklevel=2)  # fmt: skip
        self._step_count += 1
        self.move(epoch)

    def move(self, epoch: int | None = None) -> None:
        """`step` without its count."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = epoch is not None and type(self).closed_form is not LRScheduler.closed_form
        self.set(self.closed_form() if closed else self.get_lr())

    def set(self, rates: Sequence[float]) -> None:
        """Gives the groups their rates."""
        for g, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_rate(g, lr)
        self._last_lr = self.rates()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of functions, the attributes of those that are objects."""
        return {k: saved(v) for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up saved state."""
        for k, v in state_dict.items():
            self.__dict__[k] = taken(self.__dict__.get(k), v)

    def rates(self) -> list[float]:
        """Rates as they are now."""
        return [rate(g) for g in self.optimizer.param_groups]


def saved(x: Any) -> Any:
    """A scheduler's attribute as saved."""
    if isinstance(x, LRScheduler):
        return x.state_dict()
    if isinstance(x, list) and any(callable(v) or isinstance(v, LRScheduler) for v in x):
        return [saved(v) for v in x]
    if callable(x):
        return None if isinstance(x, FunctionType) else dict(getattr(x, "__dict__", {}))
    return x


def taken(old: Any, new: Any) -> Any:
    """A scheduler's attribute from what was saved: functions stay, objects take up their attributes."""
    if isinstance(old, LRScheduler):
        old.load_state_dict(new)
        return old
    if isinstance(old, list) and any(callable(v) or isinstance(v, LRScheduler) for v in old):
        return [taken(a, b) for a, b in zip(old, new, strict=True)]
    if callable(old):
        if new is not None and hasattr(old, "__dict__"):
            old.__dict__.update(new)
        return old
    return new


def rate(group: dict[str, Any]) -> float:
    """The learning rate of a group, which may be a tensor."""
    return float(group["lr"]) if isinstance(group["lr"], Tensor) else group["lr"]


def set_rate(group: dict[str, Any], lr: float) -> None:
    """Changes the learning rate of a group; a tensor is written to."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def check_optimizer(optimizer: Any) -> None:
    """Refuses what is no optimiser."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def for_groups(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group: the list given, or the number repeated."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise ArgumentError(f"{name} must have the same length as optimizer.param_groups: it has {len(value)} values, for {n} groups",
                            where=caller(), fix="give one for each group, or one number")  # fmt: skip
    return list(value)


def functions_for_groups(optimizer: Optimizer, given: Any) -> list[Callable[[int], float]]:
    """One function for each group."""
    check_optimizer(optimizer)
    n = len(optimizer.param_groups)
    functions = list(given) if isinstance(given, list | tuple) else [given] * n
    if len(functions) != n:
        raise ArgumentError(f"Expected {n} lr_lambdas, but got {len(functions)}", where=caller(), fix="give one for each group")
    for f in functions:
        if not callable(f):
            raise TypeError(f"lr_lambda should be a function, but got {type(f).__name__}")
    return functions
