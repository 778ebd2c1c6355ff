"""Optimisers. Lower case: pure transforms with optax's contract; Capital: PyTorch's objects over the same rules.

Inside: rules < transform; rules < optimizer < moments, descents, scales, lbfgs, lr_scheduler < swa_utils.
"""

from fgrad.optim import lr_scheduler, swa_utils
from fgrad.optim.descents import ASGD, SGD, Muon, Rprop
from fgrad.optim.lbfgs import LBFGS
from fgrad.optim.moments import Adam, Adamax, AdamW, NAdam, RAdam
from fgrad.optim.optimizer import Optimizer
from fgrad.optim.scales import Adadelta, Adafactor, Adagrad, RMSprop, SparseAdam
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
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "GradientTransformation",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
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
    "swa_utils",
    "trace",
]
