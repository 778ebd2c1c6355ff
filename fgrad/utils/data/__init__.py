"""Datasets, samplers and the DataLoader: PyTorch's utils.data.

Inside: sampler < distributed, dataset < collate < worker < loader.
"""

from fgrad.functions.spellings import spelled as _spelled
from fgrad.utils.data.collate import default_collate, default_convert
from fgrad.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from fgrad.utils.data.distributed import DistributedSampler
from fgrad.utils.data.loader import DataLoader
from fgrad.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from fgrad.utils.data.worker import get_worker_info

_COLLATE = {"default_collate": default_collate, "default_convert": default_convert}
dataloader = _spelled(f"{__name__}.dataloader", {"DataLoader": DataLoader, "get_worker_info": get_worker_info, **_COLLATE})
_utils = _spelled(f"{__name__}._utils", {"collate": _spelled(f"{__name__}._utils.collate", _COLLATE)})

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]
