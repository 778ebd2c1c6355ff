"""Drawn shapes, values, dtypes, layouts and arguments of every family of functions, against torch.

The environment's FGRAD_DRAWN is the number of examples of each function; without it, few.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from drawn.compare import check, check_gradients, check_jit, check_vmap  # noqa: E402
from drawn.found import FOUND  # noqa: E402
from drawn.indexing import INDEXING  # noqa: E402
from drawn.pen import Pen  # noqa: E402
from drawn.pointwise import POINTWISE  # noqa: E402
from drawn.reductions import REDUCTIONS  # noqa: E402
from drawn.shapes import SHAPES  # noqa: E402
from drawn.windows import WINDOWS  # noqa: E402
from hypothesis import HealthCheck, given, note, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
FAMILIES: dict[str, Any] = {**POINTWISE, **REDUCTIONS, **SHAPES, **INDEXING, **WINDOWS}
# Their derivatives, compiled and batched forms: not of in-place forms, nor where the shape of the result depends on values.
NO_TRANSFORM = {"unique", "unique_consecutive", "bincount", "nonzero", "masked_select", "repeat_interleave", "x[index]", "x[index] = y"}
SMOOTH = [n for n in FAMILIES if not n.endswith("_") and n not in NO_TRANSFORM]
EXAMPLES = int(os.environ.get("FGRAD_DRAWN", "20"))
drawn = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), report_multiple_bugs=False, database=None
)
drawn_less = settings(drawn, max_examples=max(EXAMPLES // 2, 1))


@pytest.mark.parametrize("name", FAMILIES)
@drawn
@given(data=st.data())
def test_values_dtypes_shapes_and_errors(name: str, data: Any) -> None:
    case = FAMILIES[name](Pen(data.draw), name)
    note(f"{case}")
    check(case)


@pytest.mark.parametrize("case", FOUND, ids=lambda c: c.name)
def test_what_was_found(case: Any) -> None:
    check(case)


def test_the_derivative_of_a_constant_row_is_none() -> None:
    check_gradients(next(c for c in FOUND if c.name == "std"))


@pytest.mark.parametrize("name", SMOOTH)
@drawn_less
@given(data=st.data(), form=st.sampled_from((check_gradients, check_jit, check_vmap)))
def test_derivatives_jit_and_vmap(name: str, data: Any, form: Any) -> None:
    case = FAMILIES[name](Pen(data.draw, smooth=True), name)
    note(f"{case}")
    form(case)
