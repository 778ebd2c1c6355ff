"""Optimisers. Lower case: pure transforms with optax's contract; Capital: PyTorch's objects over the same rules.

Inside: rules < transform; rules < optimizer < stateful, lr_scheduler.
"""

from fgrad.optim import lr_scheduler
from fgrad.optim.optimizer import Optimizer
from fgrad.optim.stateful import SGD, Adam, AdamW
from fgrad.optim.transform import (
    GradientTransformation,
    adam,
    adamw,
    add_decayed_weights,
    apply_updates,
    chain,
    clip,
    clip_by_global_norm,
    global_norm,
    identity,
    scale,
    scale_by_adam,
    scale_by_learning_rate,
    sgd,
    trace,
)

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "GradientTransformation",
    "Optimizer",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip",
    "clip_by_global_norm",
    "global_norm",
    "identity",
    "lr_scheduler",
    "scale",
    "scale_by_adam",
    "scale_by_learning_rate",
    "sgd",
    "trace",
]
