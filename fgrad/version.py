"""PyTorch's version namespace: what this fgrad is."""

from __future__ import annotations

from fgrad import __version__ as __version__

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

cuda: str | None = None  # CuPy brings its own CUDA
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
debug = False
git_version = "Unknown"
