"""Learning rates over time: PyTorch's schedulers. Each changes `lr` of the optimiser's groups at every `step()`.

Inside: base < curves, cycles, plateau < composed.
"""

from fgrad.optim.lr_scheduler.base import LRScheduler
from fgrad.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from fgrad.optim.lr_scheduler.curves import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from fgrad.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from fgrad.optim.lr_scheduler.plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # the name of old code

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
