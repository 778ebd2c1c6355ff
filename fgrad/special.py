"""PyTorch's torch.special."""

from fgrad.functions.special import *  # noqa: F403
from fgrad.functions.special import __all__ as __all__
