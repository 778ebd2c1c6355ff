"""PyTorch's torch.linalg."""

from fgrad.functions.linalg import *  # noqa: F403
from fgrad.functions.linalg import __all__ as __all__
