"""PyTorch's torch.signal.windows."""

from fgrad.functions.windows import *  # noqa: F403
from fgrad.functions.windows import __all__ as __all__
