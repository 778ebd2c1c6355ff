"""Graph -> Program. The only room that knows cupy and llvmlite.

Inside: numpy, cupy, devices. cpu, cuda, cudnn, mkl, mkldnn, mps, openmp, opt_einsum, quantized hold PyTorch's flags of that name
and are imported when first named.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from fgrad.errors import need
from fgrad.ir.graph import Graph
from fgrad.ir.types import Device

_FLAGS = ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized")
__all__ = ["compile_graph", "interpret", "run_once", *_FLAGS]


def __getattr__(name: str) -> Any:
    """PyTorch's flags."""
    if name in _FLAGS:
        return importlib.import_module(f"fgrad.backends.{name}")
    raise AttributeError(f"module 'fgrad.backends' has no attribute {name!r}")


def backend(graph: Graph) -> Any:
    """CuPy's if the graph touches a CUDA device, else NumPy's; each is imported when first needed, with its passes."""
    if Device.cuda_named():
        cupy = need("fgrad.backends.cupy")
        if cupy.device_in(graph) is not None:
            return cupy
    return need("fgrad.backends.numpy")


def compile_graph(graph: Graph, donated: Mapping[int, int] | None = None) -> Any:
    """The optimised program of `graph`: `program(buffers) -> buffers`."""
    return backend(graph).compile(graph, donated or {})


def run_once(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """The outputs of `graph` at first sight: op by op, unless the backend knows better."""
    found: list[Any] = backend(graph).run_once(graph, buffers, donated)
    return found


def interpret(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """The outputs of `graph` op by op, through the plain lowerings."""
    found: list[Any] = backend(graph).interpret(graph, buffers, donated)
    return found
