"""PyTorch's nn.parallel on one device: DataParallel runs its module; DistributedDataParallel asks for a process group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.errors import DeviceError
from fgrad.functions.shape import cat, stack
from fgrad.functions.spellings import spelled
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.nn.module import Module
from fgrad.nn.pytree import clone

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter", "scatter_kwargs"]


def one_device(device_ids: Any) -> None:
    """DeviceError for several devices."""
    if device_ids is not None and len(device_ids) > 1:
        raise DeviceError(f"data parallel over {len(device_ids)} devices is not supported", where=caller(),
                          fix="name one device, or run one process per device")  # fmt: skip


class DataParallel(Module):
    """A module on one device, under the name `module` (so states have PyTorch's `module.` before each name).

    device_ids, output_device: one device, or None; dim: accepted.  Raises DeviceError for several devices.

    >>> import fgrad
    >>> list(DataParallel(fgrad.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        one_device(device_ids)
        self.module = module
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device, self.dim = output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Refused: there is no process group. DeviceError (a RuntimeError) when made."""

    def __init__(self, module: Any, *args: Any, **kwargs: Any) -> None:
        raise DeviceError("Default process group has not been initialized, please make sure to call init_process_group: "
                          "DistributedDataParallel needs one, and fgrad has none", where=caller(),
                          fix="train in one process: use the module itself, or DataParallel(module)")  # fmt: skip


def data_parallel(module: Any, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                  module_kwargs: Any = None) -> Any:  # fmt: skip
    """`module(*inputs, **module_kwargs)` on one device. Raises DeviceError for several."""
    one_device(device_ids)
    given = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*given, **(module_kwargs or {}))


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """The tensors in tuples, lists and dicts cut along `dim` into one part per device; all else repeated. A tuple of parts."""
    n = len(target_gpus)
    if isinstance(inputs, Tensor):
        return tuple(inputs.chunk(n, dim))
    if isinstance(inputs, tuple) and inputs:
        rows = zip(*[scatter(x, target_gpus, dim) for x in inputs], strict=False)
        return [type(inputs)(*row) if hasattr(inputs, "_fields") else row for row in rows]
    if isinstance(inputs, list) and inputs:
        return [list(row) for row in zip(*[scatter(x, target_gpus, dim) for x in inputs], strict=False)]
    if isinstance(inputs, dict) and inputs:
        rows = zip(*[scatter(x, target_gpus, dim) for x in inputs.values()], strict=False)
        return [type(inputs)(zip(inputs, row, strict=True)) for row in rows]
    return [inputs for _ in target_gpus]


def scatter_kwargs(inputs: Any, kwargs: Any, target_gpus: Sequence[Any], dim: int = 0) -> tuple[Any, Any]:
    """`scatter` of arguments and keywords, as many parts of each."""
    left = list(scatter(inputs, target_gpus, dim)) if inputs else []
    right = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    n = max(len(left), len(right))
    return tuple(left + [()] * (n - len(left))), tuple(right + [{}] * (n - len(right)))


def gather(outputs: Sequence[Any], target_device: Any, dim: int = 0) -> Any:
    """Parts back together: tensors along `dim` (0-d ones stacked), inside tuples, lists and dicts."""
    first = outputs[0]
    if isinstance(first, Tensor):
        parts = [x if target_device in (None, "cpu", -1) else x.to(target_device) for x in outputs]
        return stack(parts) if first.ndim == 0 else cat(parts, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(first) != len(x) for x in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([x[k] for x in outputs], target_device, dim)) for k in first)
    columns = [gather(list(column), target_device, dim) for column in zip(*outputs, strict=True)]
    return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)


def replicate(network: Any, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """One module per device, on the same parameters (cut off from them if `detach`)."""
    given = {name: p.detach() if detach else p for name, p in network.named_parameters()}
    return [clone(network, given, {}) for _ in devices]


def parallel_apply(modules: Sequence[Any], inputs: Sequence[Any], kwargs_tup: Any = None, devices: Any = None) -> list[Any]:
    """Each module on its own arguments, one after the other."""
    keywords = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    return [
        m(*(x if isinstance(x, list | tuple) else (x,)), **k) for m, x, k in zip(modules, inputs, keywords, strict=True)
    ]


_FILES = {
    "data_parallel": "DataParallel data_parallel", "distributed": "DistributedDataParallel", "parallel_apply": "parallel_apply",
    "replicate": "replicate", "scatter_gather": "scatter scatter_kwargs gather",
}  # fmt: skip
for _file, _names in _FILES.items():
    _made = spelled(f"{__name__}.{_file}", {n: globals()[n] for n in _names.split()})
    globals().setdefault(_file, _made)  # where no function has that name
