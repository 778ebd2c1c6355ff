"""PyTorch's torch.fft."""

from fgrad.functions.fft import *  # noqa: F403
from fgrad.functions.fft import __all__ as __all__
