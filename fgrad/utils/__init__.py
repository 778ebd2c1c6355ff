"""Tools around training: data loading, recomputation. Imports everything below `nn`."""

from fgrad.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
