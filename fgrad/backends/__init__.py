"""Graph -> Program. The only room that knows cupy and llvmlite.

Inside: numpy, cupy, devices. cpu, cuda, cudnn, mkl, mkldnn, mps, openmp, opt_einsum, quantized hold PyTorch's flags of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fgrad.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp, opt_einsum, quantized
from fgrad.errors import need
from fgrad.ir.graph import Graph
from fgrad.ir.types import Device

__all__ = [
    "compile_graph", "cpu", "cuda", "cudnn", "interpret", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized",
]  # fmt: skip


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


def interpret(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """The outputs of `graph` op by op, through the plain lowerings."""
    found: list[Any] = backend(graph).interpret(graph, buffers, donated)
    return found
