"""Averages of a model's weights: AveragedModel, the rate schedule for it, batch norm's statistics. Source: Izmailov et al. 2018."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.functions.creation import tensor
from fgrad.functions.gradmode import no_grad
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.nn.module import Module
from fgrad.nn.normalisation import BatchNorm
from fgrad.optim.lr_scheduler import LRScheduler
from fgrad.optim.lr_scheduler.base import for_groups
from fgrad.optim.optimizer import Optimizer


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """`avg_fn` of an equal average: a + (p - a) / (n + 1)."""
    return lambda averaged, current, n: averaged + (current - averaged) / (n + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """`avg_fn` of an exponential average: decay a + (1 - decay) p. Raises ArgumentError for a decay outside [0, 1]."""
    check_decay(decay)
    return lambda averaged, current, n: decay * averaged + (1 - decay) * current


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """`multi_avg_fn` of an equal average: lists of tensors, the first written to."""
    return _each(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """`multi_avg_fn` of an exponential average. Raises ArgumentError for a decay outside [0, 1]."""
    return _each(get_ema_avg_fn(decay))


def _each(average: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], None]:
    def update(averaged: Any, current: Any, n: Any) -> None:
        with no_grad():
            for a, p in zip(averaged, current, strict=True):
                a.copy_(average(a, p, n))

    return update


def check_decay(decay: float) -> None:
    """Refuses a decay outside [0, 1]."""
    if not 0.0 <= decay <= 1.0:
        raise ArgumentError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.", where=caller(),
                            fix="use e.g. 0.999")  # fmt: skip


class AveragedModel(Module):
    """A copy of `model` whose parameters are averages of those at each `update_parameters(model)`.

    avg_fn(averaged, current, n) gives the new average; multi_avg_fn(averaged list, current list, n) writes it; neither: the equal average.
    use_buffers: buffers are averaged too; else they follow the model's. device: where the copy lives.
    Raises ArgumentError if both functions are given.

    >>> import fgrad as torch
    >>> model = torch.nn.Linear(2, 1)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> average.update_parameters(model)
    >>> int(average.n_averaged)
    1
    """

    n_averaged: Tensor

    def __init__(self, model: Module, device: Any = None, avg_fn: Callable[[Any, Any, Any], Any] | None = None,
                 multi_avg_fn: Callable[[Any, Any, Any], None] | None = None, use_buffers: bool = False) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("Only one of avg_fn and multi_avg_fn should be provided", where=caller(), fix="leave one out")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the model's parameters into the averages; the first ones are copied."""
        with no_grad():
            ours, theirs = [list(chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters()) for m in (self.module, model)]
            theirs = [t.detach().to(a.device) for a, t in zip(ours, theirs, strict=True)]
            if int(self.n_averaged) == 0:
                for a, t in zip(ours, theirs, strict=True):
                    a.copy_(t)
            else:
                update = self.multi_avg_fn or _each(self.avg_fn or get_swa_avg_fn())
                update([a.detach() for a in ours], theirs, self.n_averaged)
            if not self.use_buffers:
                for b, t in zip(self.module.buffers(), model.buffers(), strict=True):
                    b.copy_(t.to(b.device))
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Sets the running statistics of batch norms to the plain averages over `loader`'s batches (the first of each, if a tuple)."""
    norms = {m: m.momentum for m in model.modules() if isinstance(m, BatchNorm)}
    if not norms:
        return
    training = model.training
    model.train()
    try:
        for m in norms:
            m.reset_running_stats()
            m.momentum = None
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, list | tuple) else batch
                model(x if device is None else x.to(device))
    finally:
        for m, momentum in norms.items():
            m.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """The rate from where it is to swa_lr in anneal_epochs steps, along a cosine or a line, and constant after that.

    swa_lr: of all groups, or one each. Raises ArgumentError for another anneal_strategy or negative epochs.
    """

    def __init__(self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos",
                 last_epoch: int = -1) -> None:  # fmt: skip
        for g, lr in zip(optimizer.param_groups, for_groups("swa_lr", optimizer, swa_lr), strict=True):
            g["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}", where=caller(),
                                fix='use "cos" or "linear"')  # fmt: skip
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}", where=caller(), fix="use 0 or more")
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def part(self, step: float) -> float:
        """How far from the first rate to swa_lr a step is."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        """The rates of this step, from those of the step before."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self.part(step - 1), self.part(step)
        out = []
        for g, lr in zip(self.optimizer.param_groups, self.rates(), strict=True):
            start = g["swa_lr"] if before == 1 else (lr - before * g["swa_lr"]) / (1 - before)
            out.append(g["swa_lr"] * now + start * (1 - now))
        return out
