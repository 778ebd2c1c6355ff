"""PyTorch's question about the processor."""

from __future__ import annotations

from fgrad.errors import need

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """ "AVX512", "AVX2" or "DEFAULT": what native kernels are made for."""
    lanes: int = need("fgrad.backends.numpy.jit").host().lanes
    return {16: "AVX512", 8: "AVX2"}.get(lanes, "DEFAULT")
