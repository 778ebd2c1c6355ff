"""Tools around training: data loading, recomputation. Imports everything below `nn`."""

from fgrad.utils import checkpoint, data, dlpack, model_zoo, tensorboard

__all__ = ["checkpoint", "data", "dlpack", "model_zoo", "tensorboard"]
