"""Tools around training: data loading, recomputation. Imports everything below `nn`."""

from fgrad.utils import checkpoint, data, dlpack, model_zoo

__all__ = ["checkpoint", "data", "dlpack", "model_zoo"]
