"""fgrad: functions recorded into a typed graph, transformed, and compiled for NumPy or CuPy.

One engine, three faces: `grad(loss)(params)`, `import fgrad as torch`, and `fgrad.inspect(f)(*args)`.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from fgrad import einops_hook as _einops
from fgrad import tree as tree
from fgrad.eager.callbacks import pure_callback
from fgrad.eager.capture import capture
from fgrad.eager.custom import custom_jvp, custom_vjp
from fgrad.eager.effects import debug_callback, debug_print
from fgrad.eager.explain import explain
from fgrad.eager.grad import grad, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad, vjp
from fgrad.eager.jit import jit as _jit
from fgrad.eager.remat import checkpoint, checkpoint_name, checkpoint_policies, remat
from fgrad.eager.shapes import ShapeDtypeStruct, eval_shape, make_graph
from fgrad.eager.vmap import vmap
from fgrad.functions import *  # noqa: F403  # PyTorch's names, listed in functions.__all__
from fgrad.functions import __all__ as _functions
from fgrad.functions.compiled import compile
from fgrad.ir.types import Device as device  # noqa: N813  # PyTorch's name
from fgrad.settings import use as settings

if TYPE_CHECKING:
    from fgrad import accelerator as accelerator
    from fgrad import ad_checkpoint as ad_checkpoint
    from fgrad import amp as amp
    from fgrad import autograd as autograd
    from fgrad import compiler as compiler
    from fgrad import core as core
    from fgrad import cpu as cpu
    from fgrad import cuda as cuda
    from fgrad import custom_batching as custom_batching
    from fgrad import custom_derivatives as custom_derivatives
    from fgrad import debug as debug
    from fgrad import distributions as distributions
    from fgrad import dtypes as dtypes
    from fgrad import experimental as experimental
    from fgrad import fft as fft
    from fgrad import flatten_util as flatten_util
    from fgrad import func as func
    from fgrad import functional as functional
    from fgrad import hub as hub
    from fgrad import image as image
    from fgrad import inspector as inspector
    from fgrad import lax as lax
    from fgrad import linalg as linalg
    from fgrad import masked as masked
    from fgrad import mps as mps
    from fgrad import nn as nn
    from fgrad import numpy as numpy
    from fgrad import ops as ops
    from fgrad import optim as optim
    from fgrad import profiler as profiler
    from fgrad import random as random
    from fgrad import return_types as return_types
    from fgrad import scipy as scipy
    from fgrad import signal as signal
    from fgrad import sparse as sparse
    from fgrad import special as special
    from fgrad import stages as stages
    from fgrad import test_util as test_util
    from fgrad import testing as testing
    from fgrad import tree_util as tree_util
    from fgrad import types as types
    from fgrad import typing as typing
    from fgrad import utils as utils
    from fgrad import version as version
    from fgrad import xpu as xpu
    from fgrad.eager.jit import jit as jit
    from fgrad.inspector import inspect as inspect

__version__ = "0.1.0"
_LAZY = (
    "accelerator", "ad_checkpoint", "amp", "autograd", "compiler", "core", "cpu", "cuda", "custom_batching",
    "custom_derivatives", "debug", "distributions", "dtypes", "experimental", "fft", "flatten_util", "func", "functional", "hub",
    "image", "inspector", "lax", "linalg", "masked", "mps", "nn", "numpy", "ops", "optim", "profiler", "random", "return_types",
    "scipy", "signal", "sparse", "special", "stages", "test_util", "testing", "tree_util", "types", "typing", "utils",
    "version", "xpu",
)  # fmt: skip

__all__ = [
    *_functions,
    *_LAZY,
    "ShapeDtypeStruct",
    "capture",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "compile",
    "custom_jvp",
    "custom_vjp",
    "debug_callback",
    "debug_print",
    "device",
    "eval_shape",
    "explain",
    "grad",
    "hessian",
    "inspect",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "make_graph",
    "pure_callback",
    "remat",
    "settings",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
]
__all__.sort()


class _Jit:
    """JAX's jit, a function, and PyTorch's jit, a namespace whose names (script, trace, ...) are imported when first used."""

    def __init__(self) -> None:
        functools.update_wrapper(self, _jit)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _jit(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module("fgrad.functions.scripted"), "isinstance_" if name == "isinstance" else name)


if not TYPE_CHECKING:
    jit = _Jit()

_ELSEWHERE = {  # name -> the module that has it, imported when it is first named
    name: module
    for module, names in {
        "fgrad.nn.functional": """adaptive_avg_pool1d adaptive_max_pool1d alpha_dropout avg_pool1d batch_norm bilinear binary_cross_entropy_with_logits celu celu_
    channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss cosine_similarity
    ctc_loss dropout embedding embedding_bag feature_alpha_dropout group_norm hardshrink hinge_embedding_loss instance_norm kl_div
    layer_norm margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool3d pairwise_distance pdist pixel_shuffle
    pixel_unshuffle poisson_nll_loss prelu relu_ rms_norm rrelu rrelu_ selu selu_ threshold threshold_ triplet_margin_loss""",
        "fgrad.nn.flat": "gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell",
        "fgrad.functions.sparse": "hspmm smm sparse_compressed_tensor sparse_coo_tensor sparse_csr_tensor spmm sspaddmm",
        "fgrad.torch_names": """GradScaler affine_grid_generator alpha_dropout_ binomial conv_tbc convolution dropout_ embedding_renorm_ empty_permuted
    empty_strided feature_alpha_dropout_ feature_dropout feature_dropout_ fork frobenius_norm from_file get_device_module grid_sampler
    grid_sampler_2d grid_sampler_3d has_lapack has_mkl has_openmp has_spectral is_anomaly_check_nan_enabled is_anomaly_enabled
    is_distributed is_inference native_batch_norm native_channel_shuffle native_dropout native_group_norm native_layer_norm
    norm_except_dim nuclear_norm poisson set_anomaly_enabled sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum
    to_dlpack wait""",
        "fgrad.jax_names": """Array Device block_until_ready clear_caches closure_convert copy_to_host_async custom_gradient default_backend device_count
    device_get device_put devices effects_barrier jacobian linear_transpose local_device_count local_devices named_call named_scope
    print_environment_info process_count process_index process_indices typeof""",
        "fgrad.jax_config": """check_tracer_leaks checking_leaks config debug_infs debug_nans default_device default_matmul_precision disable_jit enable_x64
    ensure_compile_time_eval log_compiles numpy_dtype_promotion numpy_rank_promotion""",
        "fgrad.jaxpr": "make_jaxpr",
    }.items()
    for name in names.split()
}  # fmt: skip

_einops.install()


def __getattr__(name: str) -> Any:
    """Rooms that cost time to import are imported when first named; PyTorch has functions of nn.functional here too, JAX those of jax_names."""
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    if name in _LAZY or name == "__config__":
        return importlib.import_module(f"fgrad.{name}")
    if name == "inspect":
        return importlib.import_module("fgrad.inspector").inspect
    raise AttributeError(f"module 'fgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ELSEWHERE})
