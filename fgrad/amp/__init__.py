"""PyTorch's amp namespace: autocast and the scaler of losses. Imports functions, where the context itself lives.

Inside: autocast_mode (the names of PyTorch's module), grad_scaler.
"""

from fgrad.amp import autocast_mode, grad_scaler
from fgrad.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from fgrad.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "autocast_mode", "custom_bwd", "custom_fwd", "grad_scaler", "is_autocast_available"]
