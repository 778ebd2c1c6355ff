"""PyTorch's flags of CUDA libraries: kept and without effect; attention and products are the compiler's own choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled",
    "preferred_blas_library", "preferred_linalg_library", "sdp_kernel",
]  # fmt: skip

matmul = SimpleNamespace(
    allow_tf32=False, allow_fp16_reduced_precision_reduction=True, allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False, fp32_precision="none",
)  # fmt: skip
_SDP = {"flash": True, "math": True, "mem_efficient": True, "cudnn": True}


def is_built() -> bool:
    """True: CUDA comes through CuPy, see `fgrad.cuda.is_available`."""
    return True


def is_flash_attention_available() -> bool:
    """False: attention is fused by the compiler."""
    return False


def _pair(kind: str) -> tuple[Callable[[bool], None], Callable[[], bool]]:
    def enable(enabled: bool) -> None:
        _SDP[kind] = enabled

    def asked() -> bool:
        return _SDP[kind]

    enable.__doc__, asked.__doc__ = "Kept, without effect.", f"What was last asked for: {kind} attention."
    return enable, asked


enable_flash_sdp, flash_sdp_enabled = _pair("flash")
enable_math_sdp, math_sdp_enabled = _pair("math")
enable_mem_efficient_sdp, mem_efficient_sdp_enabled = _pair("mem_efficient")
enable_cudnn_sdp, cudnn_sdp_enabled = _pair("cudnn")


@contextmanager
def sdp_kernel(enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True,
               enable_cudnn: bool = True) -> Iterator[None]:  # fmt: skip
    """Flags of attention for a block."""
    before = dict(_SDP)
    _SDP.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        _SDP.update(before)


def preferred_linalg_library(backend: str | None = None) -> str:
    """ "default": the library of CuPy."""
    return "default"


def preferred_blas_library(backend: str | None = None) -> str:
    """ "default": the library of CuPy."""
    return "default"
