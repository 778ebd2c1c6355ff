"""PyTorch's torch.signal: windows."""

from fgrad.signal import windows as windows

__all__ = ["windows"]
