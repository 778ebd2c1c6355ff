"""Scaling of losses, so that gradients in half precision do not vanish."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from enum import Enum
from typing import Any

from fgrad.backends import devices
from fgrad.eager.cell import Cell
from fgrad.functions import float16, float32, full, isfinite, no_grad, stack, tensor

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """How far an optimizer is since the last update."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Multiplies the loss by a factor, divides gradients by it again, and skips steps whose gradients are not finite.

    device: "cuda" or "cpu"; switched off, with a warning, where no such device is.  init_scale: the first factor.
    growth_factor: multiplies it after growth_interval steps in a row without overflow; backoff_factor: after an overflow.
    enabled: False makes every method do as if no scaler were there.  Source: Micikevicius et al. 2018.

    >>> import fgrad
    >>> w = fgrad.nn.Parameter(fgrad.ones(1))
    >>> optimizer = fgrad.optim.SGD([w], lr=0.5)
    >>> scaler = fgrad.amp.GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale((w * w).sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w.item(), scaler.get_scale()
    (0.0, 1024.0)
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:  # fmt: skip
        self._device = str(device)
        self._enabled = enabled
        if enabled and self._device.startswith("cuda") and not devices.count():
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if growth_factor <= 1.0:
            raise ValueError(f"The growth factor must be > 1.0, got {growth_factor}.")
        if backoff_factor >= 1.0:
            raise ValueError(f"The backoff factor must be < 1.0, got {backoff_factor}.")
        self._growth_factor, self._backoff_factor, self._growth_interval = growth_factor, backoff_factor, growth_interval
        self._factor, self._growth_tracker = float(init_scale), 0
        self._found: dict[int, bool] = {}  # by optimizer: whether a gradient was not finite
        self._stages: dict[int, OptState] = {}

    def scale(self, outputs: Any) -> Any:
        """A tensor, or an iterable of them, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Cell):
            return outputs * full((), self._factor, device=outputs._device)
        if isinstance(outputs, Iterable):
            made = [self.scale(x) for x in outputs]
            return type(outputs)(made) if isinstance(outputs, list | tuple) else made
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _unscale(self, optimizer: Any, half: bool) -> bool:
        """Divides the gradients by the factor; True if one is not finite."""
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        if not half and any(g.dtype is float16 for g in grads):
            raise ValueError("Attempting to unscale FP16 gradients.")
        if not grads:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        with no_grad():
            for g in grads:
                g.mul_(1.0 / self._factor)
            return not stack([isfinite(g).all() for g in grads]).all().item()

    def unscale_(self, optimizer: Any) -> None:
        """Divides an optimizer's gradients by the factor now, so that they can be clipped before `step`."""
        if not self._enabled:
            return
        stage = self._stages.get(id(optimizer), OptState.READY)
        if stage is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._found[id(optimizer)] = self._unscale(optimizer, half=False)
        self._stages[id(optimizer)] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)` on gradients divided by the factor; nothing if one of them is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        stage = self._stages.get(id(optimizer), OptState.READY)
        if stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage is OptState.READY:
            self.unscale_(optimizer)
        found = None if self._found[id(optimizer)] else optimizer.step(*args, **kwargs)
        self._stages[id(optimizer)] = OptState.STEPPED
        return found

    def update(self, new_scale: Any = None) -> None:
        """Once an iteration, after every `step`: the next factor, smaller after an overflow; or a given one."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._factor = float(new_scale)
        elif not self._found:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif any(self._found.values()):
            self._factor, self._growth_tracker = self._factor * self._backoff_factor, 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                grown = tensor(self._factor * self._growth_factor, dtype=float32).item()
                self._factor = grown if grown < float("inf") else self._factor
        self._found, self._stages = {}, {}

    def get_scale(self) -> float:
        """The factor; 1 if the scaler is off."""
        return self._factor if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What multiplies the factor when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Changes that."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What multiplies the factor after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Changes that."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps without overflow before the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Changes that."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """True if the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Numbers to save; {} if the scaler is off."""
        if not self._enabled:
            return {}
        return {"scale": self._factor, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker}  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes in what `state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.")
        self._factor, self._growth_factor = float(state_dict["scale"]), state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if self._enabled and self._found:
            raise AssertionError("A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                                 "scaler.update().")  # fmt: skip
        return self.__dict__.copy()
