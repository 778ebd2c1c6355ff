"""PyTorch's torch.masked."""

from fgrad.functions.masked import *  # noqa: F403
from fgrad.functions.masked import __all__ as __all__
