"""Tools around training: data loading, recomputation. Imports everything below `nn`."""

from fgrad.functions.base import Handle as _Handle
from fgrad.functions.spellings import spelled as _spelled
from fgrad.utils import checkpoint, data, dlpack, model_zoo, tensorboard

hooks = _spelled(f"{__name__}.hooks", {"RemovableHandle": _Handle})

__all__ = ["checkpoint", "data", "dlpack", "hooks", "model_zoo", "tensorboard"]
