"""Each pass as text in, text out."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.parse import parse_graph
from fgrad.ir.verify import verify
from fgrad.passes.drop import drop_dead
from fgrad.passes.fold import fold_constants
from fgrad.passes.forms import native_forms
from fgrad.passes.merge import merge_extensions
from fgrad.passes.remat import remat
from fgrad.passes.schedule import schedule
from fgrad.passes.share import share

TEXTS: dict[str, tuple[Any, str, str]] = {
    "fold_constants": (
        fold_constants,
        """graph graph(%0: float32[2,3]) {
  %1: float32[3] = const [1.0, 2.0, 4.0]
  %2: float32[] = reduce_sum(%1) {axes=(0,)}
  %3: float32[] = add(%2, 1.0:float32)
  %4: float32[2,3] = broadcast_to(%3) {shape=(2, 3)}
  %5: float32[2,3] = mul(%0, %4)
  return %5
}""",
        """graph graph(%0: float32[2,3]) {
  %1: float32[2,3] = mul(%0, 8.0:float32)
  return %1
}""",
    ),
    "fold_constants in a region": (
        fold_constants,
        """graph graph(%0: float32[3]) {
  %1: (float32[3],) = checkpoint(%0) {graph=graph (%0: float32[3]) {
    %1: float32[] = exp(0.0:float32)
    %2: float32[3] = broadcast_to(%1) {shape=(3,)}
    %3: float32[3] = mul(%0, %2)
    return %3
  }, policy="nothing"}
  %2: float32[3] = item(%1) {index=0}
  return %2
}""",
        """graph graph(%0: float32[3]) {
  %1: (float32[3],) = checkpoint(%0) {graph=graph (%0: float32[3]) {
    %1: float32[3] = mul(%0, 1.0:float32)
    return %1
  }, policy="nothing"}
  %2: float32[3] = item(%1) {index=0}
  return %2
}""",
    ),
    "share": (
        share,
        """graph graph(%0: float32[3]) {
  %1: float32[3] = exp(%0)
  %2: float32[3] = const [1.0, 2.0, 3.0]
  %3: float32[3] = mul(%1, %2)
  %4: float32[3] = exp(%0)
  %5: float32[3] = const [1.0, 2.0, 3.0]
  %6: float32[3] = mul(%4, %5)
  %7: float32[3] = sub(%3, %6)
  %8: float32[3] = add(%7, 0.0:float32)
  %9: float32[3] = add(%7, -0.0:float32)
  return %8, %9
}""",
        """graph graph(%0: float32[3]) {
  %1: float32[3] = exp(%0)
  %2: float32[3] = const [1.0, 2.0, 3.0]
  %3: float32[3] = mul(%1, %2)
  %4: float32[3] = sub(%3, %3)
  %5: float32[3] = add(%4, 0.0:float32)
  %6: float32[3] = add(%4, -0.0:float32)
  return %5, %6
}""",
    ),
    "drop_dead": (
        drop_dead,
        """graph graph(%0: float32[3]) {
  %1: (float32[3], float32[3], float32[3]) = fused(%0) {graph=graph (%0: float32[3]) {
    %1: float32[3] = mul(%0, 2.0:float32)
    %2: float32[3] = exp(%0)
    %3: float32[3] = neg(%1)
    return %1, %2, %3
  }}
  %2: float32[3] = item(%1) {index=2}
  return %2
}""",
        """graph graph(%0: float32[3]) {
  %1: float32[3] = fused(%0) {graph=graph (%0: float32[3]) {
    %1: float32[3] = mul(%0, 2.0:float32)
    %2: float32[3] = neg(%1)
    return %2
  }}
  return %1
}""",
    ),
    "merge_extensions": (
        merge_extensions,
        """graph graph(%0: bool[], %1: float32[3]) {
  %2: (float32[3],) = cond(%0, %1) {branches=(graph (%0: float32[3]) {
    %1: float32[3] = exp(%0)
    return %1
  }, graph (%0: float32[3]) {
    return %0
  })}
  %3: float32[3] = item(%2) {index=0}
  %4: (float32[3], float32[3]) = cond(%0, %1) {branches=(graph (%0: float32[3]) {
    %1: float32[3] = neg(%0)
    %2: float32[3] = exp(%0)
    return %1, %2
  }, graph (%0: float32[3]) {
    %1: float32[3] = sin(%0)
    return %1, %0
  })}
  %5: float32[3] = item(%4) {index=0}
  %6: float32[3] = add(%3, %5)
  return %6
}""",
        """graph graph(%0: bool[], %1: float32[3]) {
  %2: (float32[3], float32[3]) = cond(%0, %1) {branches=(graph (%0: float32[3]) {
    %1: float32[3] = neg(%0)
    %2: float32[3] = exp(%0)
    return %1, %2
  }, graph (%0: float32[3]) {
    %1: float32[3] = sin(%0)
    return %1, %0
  })}
  %3: float32[3] = item(%2) {index=1}
  %4: float32[3] = item(%2) {index=0}
  %5: float32[3] = add(%3, %4)
  return %5
}""",
    ),
    "remat": (
        partial(remat, budget=0),
        """graph graph(%0: float32[10]) {
  %1: float32[10] = mul(%0, 2.0:float32)
  %2: float32[10] = exp(%1)
  %3: float32[] = reduce_sum(%2) {axes=(0,)}
  %4: float32[100] = broadcast_to(%3) {shape=(100,)}
  %5: float32[100] = exp(%4)
  %6: float32[] = reduce_max(%5) {axes=(0,)}
  %7: float32[10] = broadcast_to(%6) {shape=(10,)}
  %8: float32[10] = add(%7, %1)
  return %8
}""",
        """graph graph(%0: float32[10]) {
  %1: float32[10] = mul(%0, 2.0:float32)
  %2: float32[10] = exp(%1)
  %3: float32[] = reduce_sum(%2) {axes=(0,)}
  %4: float32[100] = broadcast_to(%3) {shape=(100,)}
  %5: float32[100] = exp(%4)
  %6: float32[] = reduce_max(%5) {axes=(0,)}
  %7: float32[10] = broadcast_to(%6) {shape=(10,)}
  %8: float32[10] = mul(%0, 2.0:float32)
  %9: float32[10] = add(%7, %8)
  return %9
}""",
    ),
    "native_forms of halves": (
        native_forms,
        """graph graph(%0: float16[4,3]) {
  %1: float16[4] = reduce_sum(%0) {axes=(1,)}
  %2: float16[4,3] = exp(%0)
  return %1, %2
}""",
        """graph graph(%0: float16[4,3]) {
  %1: float32[4,3] = convert(%0) {dtype=float32}
  %2: float32[4] = reduce_sum(%1) {axes=(1,)}
  %3: float16[4] = convert(%2) {dtype=float16}
  %4: float16[4,3] = exp(%0)
  return %3, %4
}""",
    ),
    "native_forms of bools": (
        native_forms,
        """graph graph(%0: bool[4,3]) {
  %1: bool[4] = reduce_or(%0) {axes=(1,)}
  return %1
}""",
        """graph graph(%0: bool[4,3]) {
  %1: uint8[4,3] = convert(%0) {dtype=uint8}
  %2: uint8[4] = reduce_max(%1) {axes=(1,)}
  %3: bool[4] = convert(%2) {dtype=bool}
  return %3
}""",
    ),
    "native_forms of a slice of random bits": (
        native_forms,
        """graph graph(%0: uint32[2], %1: uint64[]) {
  %2: uint32[6] = random_bits(%0, %1) {shape=(6,)}
  %3: uint32[2] = slice(%2) {start=(1,), stop=(5,), step=(2,)}
  return %3
}""",
        """graph graph(%0: uint32[2], %1: uint64[]) {
  %2: uint64[2] = broadcast_to(1:uint64) {shape=(2,)}
  %3: uint64[2] = iota() {shape=(2,), dtype=uint64, axis=0, device=@cpu}
  %4: uint64[2] = mul(%3, 2:uint64)
  %5: uint64[2] = add(%2, %4)
  %6: uint64[1] = reshape(%1) {shape=(1,)}
  %7: uint64[2] = broadcast_to(%6) {shape=(2,)}
  %8: uint32[1] = slice(%0) {start=(0,), stop=(1,), step=(1,)}
  %9: uint32[] = reshape(%8) {shape=()}
  %10: uint64[] = convert(%9) {dtype=uint64}
  %11: uint64[1] = reshape(%10) {shape=(1,)}
  %12: uint64[2] = broadcast_to(%11) {shape=(2,)}
  %13: uint32[1] = slice(%0) {start=(1,), stop=(2,), step=(1,)}
  %14: uint32[] = reshape(%13) {shape=()}
  %15: uint64[] = convert(%14) {dtype=uint64}
  %16: uint64[1] = reshape(%15) {shape=(1,)}
  %17: uint64[2] = broadcast_to(%16) {shape=(2,)}
  %18: uint32[2] = random_word(%5, %7, %12, %17)
  return %18
}""",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_in_text_out(name: str) -> None:
    step, before, after = TEXTS[name]
    found = step(parse_graph(before))
    verify(found)
    assert str(found) == after
    assert str(step(parse_graph(after))) == after  # nothing is left to do


def test_schedule_puts_groups_for_donated_outputs_last() -> None:
    graph = parse_graph("""graph graph(%0: float32[3]) {
  %1: float32[3] = fused(%0) {graph=graph (%0: float32[3]) {
    %1: float32[3] = neg(%0)
    return %1
  }}
  %2: float32[3] = exp(%0)
  %3: float32[] = reduce_sum(%2) {axes=(0,)}
  return %1, %3
}""")
    assert [v.prim.name for v in graph.values() if v.prim] == ["fused", "exp", "reduce_sum"]
    assert [v.prim.name for v in schedule(graph, frozenset([graph.outputs[0]])) if v.prim] == ["exp", "reduce_sum", "fused"]
