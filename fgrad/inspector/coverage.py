"""`fgrad coverage`: how many of PyTorch's functions there are, family by family, and why the others are not."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any, NamedTuple

import fgrad.functions as functions
from fgrad.inspector.torch_names import FAMILIES
from fgrad.inspector.torch_namespaces import NAMESPACES

WHY = {  # reason -> names
    "a name of Python 2": "__rdiv__",
    "a checksum of memory whose value PyTorch does not document": "hash_tensor",
    "no complex numbers of two halves": "chalf",
    "sparse tensors have it, dense ones do not":
        "ccol_indices coalesce col_indices crow_indices dense_dim indices is_coalesced resize_as_sparse_ row_indices slice_inverse smm "
        "sparse_dim sparse_resize_ sparse_resize_and_clear_ sspaddmm values",
    "PyTorch removed it; linalg has its successor": "eig lstsq solve symeig",
    "no quantised numbers":
        "int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme scaled_mm "
        "scaled_grouped_mm ScalingType SwizzleType",
    "CPU and CUDA are the devices": "ipu mtia xpu to_mkldnn",
    "deprecated in PyTorch": "reinforce resize resize_as volatile NestedIOFunction CompilationUnit",
    "COO and CSR are the sparse layouts":
        "to_sparse_bsc to_sparse_bsr to_sparse_csc SparseSemiStructuredTensor SparseSemiStructuredTensorCUSPARSELT "
        "SparseSemiStructuredTensorCUTLASS to_sparse_semi_structured",
    "nested tensors are not there": "to_padded_tensor grouped_mm",
    "a name of PyTorch's own machinery":
        "index storage_type native_channel_shuffle swap_in_optimizer_params_and_state enforce_grad_layout_policy GradientEdge Node "
        "allow_mutation_on_saved_tensors get_gradient_edge region_activation_memory_budget set_override_stale_capture_stream "
        "set_warn_on_accumulate_grad_stream_mismatch debug_unwrap Error Future export_opnames as_sparse_gradcheck CheckpointFunction "
        "DefaultDeviceType GraphExecGroup get_device_states set_device_states thread_safe_generator variable DeviceType ExecutionTraceObserver",
    "what backward reads is chosen when the program is compiled: there is no moment to pack it": "saved_tensors_hooks",
    "versions count writes, which the engine sees itself": "increment_version",
    "backward is one compiled program; there are no threads of autograd": "set_multithreading_enabled",
    "einops itself works on tensors": "rearrange",
    "PyTorch deprecated its data pipes":
        "DFIterDataPipe DataChunk IterDataPipe MapDataPipe argument_validation functional_datapipe guaranteed_datapipes_determinism "
        "non_deterministic runtime_validation runtime_validation_disabled",
}  # fmt: skip
JAX = {  # reason -> names of jax, jax.lax, jax.numpy, jax.scipy that are left out; the others are there
    "a derivative rule, of which igamma and random.gamma make use themselves": "lax.igamma_grad_a lax.random_gamma_grad",
    "what bits it gives is the compiler's own; random.bits and random.key are there": "lax.rng_bit_generator lax.RandomAlgorithm",
    "numbers of 8 bits and fewer are no dtypes here":
        "lax.scaled_dot nn.scaled_matmul nn.scaled_dot_general numpy.float4_e2m1fn numpy.float6_e2m3fn numpy.float6_e3m2fn numpy.float8_e3m4 "
        "numpy.float8_e4m3 numpy.float8_e4m3b11fnuz numpy.float8_e4m3fn numpy.float8_e4m3fnuz numpy.float8_e5m2 numpy.float8_e5m2fnuz "
        "numpy.float8_e8m0fnu numpy.int1 numpy.int2 numpy.int4 numpy.uint1 numpy.uint2 numpy.uint4",
    "one process has all devices, and an array lives on one of them":
        "sharding make_mesh set_mesh reshard NamedSharding P pmap smap shard_map distributed process_allgather make_array_from_callback "
        "make_array_from_process_local_data make_array_from_single_device_arrays Shard memory transfer_guard* experimental.pjit "
        "debug.visualize_array_sharding debug.inspect_array_sharding",
    "programs of another compiler, to be kept in its format or extended in its language": "export ffi extend interpreters experimental.pallas",
    "arrays are immutable": "ref Ref new_ref empty_ref freeze",
    "a shell inside a compiled function: disable_jit lets Python's own stop there": "debug.breakpoint",
    "there are no threads of dispatch, and keys may be used again": "thread_guard no_execution no_tracing debug_key_reuse live_arrays monitoring",
    "sparse arrays are PyTorch's here, with gradients (fgrad.sparse)": "experimental.sparse",
    "a tool of research, few programs use it": "experimental.jet experimental.checkify experimental.colocated_python",
    "deprecated in JAX": "example_libraries host_id host_ids host_count",
    "effects happen in order, without tokens": "lax.create_token lax.after_all",
    "one process has all devices": "lax.psend lax.precv lax.ragged_all_to_all",
    "how exact a product or a function is, is no choice: all are computed in full": "lax.DotAlgorithm lax.DotAlgorithmPreset lax.AccuracyMode lax.Tolerance",
    "a type alias": "lax.PrecisionLike lax.DotDimensionNumbers lax.ConvGeneralDilatedDimensionNumbers",
    "JAX does not document it":
        "lax.index_take lax.conv_general_permutations lax.conv_general_shape_tuple lax.conv_shape_tuple lax.conv_transpose_shape_tuple "
        "lax.reduce_window_shape_tuple",
    "primitives of another compiler": "lax.*_p",
    "a function of Python objects": "numpy.frompyfunc",
    "JAX has its name alone, and raises": "numpy.fromfile",
}  # fmt: skip
REASONS = {name: reason for reason, names in WHY.items() for name in names.split()}
PLACES = ("fft", "linalg", "masked", "nn", "signal", "special")


class Family(NamedTuple):
    """One row: names that are there, and those that are not."""

    name: str
    found: tuple[str, ...]
    missing: tuple[str, ...]


def has(path: str) -> bool:
    """True if `fgrad.path`, or a method of Tensor of that name (or its in-place form), exists."""
    first, *rest = path.split(".")
    place: Any = importlib.import_module(f"fgrad.{first}" if first in PLACES and rest else "fgrad")
    for part in rest if first in PLACES and rest else [path]:
        place = getattr(place, part, None)
    tensor = functions.Tensor
    return place is not None or hasattr(tensor, path) or hasattr(tensor, f"{path}_")


def below(path: str) -> Any:
    """A namespace below the top level, or Tensor."""
    if path == "Tensor":
        return functions.Tensor
    first, *rest = path.split(".")
    place: Any = getattr(importlib.import_module("fgrad"), first)
    for part in rest:
        place = getattr(place, part)
    return place


def families() -> list[Family]:
    """Every family's row, then every namespace's."""
    rows = []
    for name, (prefix, names) in FAMILIES.items():
        found = {n: has(f"{prefix}{n}") for n in names.split()}
        rows.append(Family(name, tuple(n for n, ok in found.items() if ok), tuple(n for n, ok in found.items() if not ok)))
    for path, names in NAMESPACES.items():
        place = below(path)
        found = {n: hasattr(place, n) for n in names.split()}
        rows.append(Family(f"torch.{path}", tuple(n for n, ok in found.items() if ok), tuple(n for n, ok in found.items() if not ok)))
    return rows


def table(markdown: bool = False) -> str:
    """The rows as text, or as the page docs/coverage.md."""
    rows = families()
    total, have = sum(len(r.found) + len(r.missing) for r in rows), sum(len(r.found) for r in rows)
    reasons = [f"{n}: {REASONS.get(n, 'not yet')}" for n in dict.fromkeys(n for r in rows for n in r.missing)]
    if not markdown:
        lines = [f"{r.name:<32} {len(r.found):>4} of {len(r.found) + len(r.missing):>3}  {' '.join(r.missing)}".rstrip() for r in rows]
        return "\n".join([*lines, f"{'all':<32} {have:>4} of {total:>3}", "", *reasons]).rstrip()
    lines = [f"| {r.name} | {len(r.found)} of {len(r.found) + len(r.missing)} | {', '.join(f'`{n}`' for n in r.missing)} |" for r in rows]
    head = [
        "# Coverage of PyTorch's names", "",
        "Written by `fgrad coverage --markdown`. A name counts when it is there; what it does is held against PyTorch by",
        "`tests/test_oracle_table.py` (values in nine dtypes, derivatives, layouts, empty and 0-d operands, in-place forms).", "",
        "| family | there | not there |", "|---|---|---|",
    ]  # fmt: skip
    jax = ["", "## JAX", "", "Names of jax, jax.lax, jax.numpy and jax.scipy that are not there, and why:", "",
           *[f"- {', '.join(f'`{n}`' for n in names.split())}: {reason}" for reason, names in JAX.items()]]  # fmt: skip
    why = ["", "Why not:", "", *[f"- `{n}`: {REASONS.get(n, 'not yet')}" for n in dict.fromkeys(n for r in rows for n in r.missing)]]
    return "\n".join([*head, *lines, f"| all | {have} of {total} | |", *why, *jax]) + "\n"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="the page docs/coverage.md")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the rows."""
    sys.stdout.write(table(options.markdown) + ("" if options.markdown else "\n"))
    return 0
